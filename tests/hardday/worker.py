"""The indexer as a process of its own, to be killed: ``python -m tests.hardday.worker '{"database": ..., ...}'``.

Says when it is about to begin (one line on standard output), so that a test can tell Python's start from the indexer's.
Ends by itself after ``lifetime`` seconds.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from indexer.run import follow_chain
from tests.hardday.story import settings


def main() -> None:
    told = json.loads(sys.argv[1])
    timer = threading.Timer(told["lifetime"], os._exit, (9,))
    timer.daemon = True
    timer.start()
    print("begins", flush=True)
    follow_chain(settings(told["rpc"], **told["settings"]), told["database"], to=told["to"])


if __name__ == "__main__":
    main()
