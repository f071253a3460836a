"""The `leverage` command with a stopwatch: ``python -m bench.starter ARGUMENTS...`` (see ``bench.restart``).

Imports nothing but the standard library before the command does, so that a start is the command's own. When the first
step is committed it prints, as one line of JSON, when each phase ended, in seconds of the system's monotonic clock. It
writes no file: whoever starts it may be root.
"""

import json
import sys
import time

stamps = {"interpreter": time.monotonic()}


def main() -> None:
    """Run the command and note the phases of its start."""
    sys.argv[0] = "leverage"
    import indexer.cli
    import indexer.commands.follow  # what `leverage index` imports by itself, a moment later
    import indexer.run
    from indexer.books import ChainBooks

    stamps["imports"] = time.monotonic()
    steps, apply, commit = indexer.run._steps, ChainBooks.apply, ChainBooks._commit

    def stamped_steps(*arguments):  # type: ignore[no-untyped-def]
        stamps.setdefault("connect_and_load", time.monotonic())
        return steps(*arguments)

    def stamped_apply(*arguments, **options):  # type: ignore[no-untyped-def]
        stamps.setdefault("first_range", time.monotonic())
        return apply(*arguments, **options)

    def stamped_commit(*arguments):  # type: ignore[no-untyped-def]
        commit(*arguments)
        if "committed" not in stamps:
            stamps["committed"] = time.monotonic()
            print(json.dumps(stamps), flush=True)

    indexer.run._steps = stamped_steps
    ChainBooks.apply, ChainBooks._commit = stamped_apply, stamped_commit  # type: ignore[method-assign]
    indexer.cli.main()


if __name__ == "__main__":
    main()
