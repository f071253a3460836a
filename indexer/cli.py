"""The `leverage` command. Each command reads the settings and calls its body in `indexer.commands`.

Exit codes  0 done · 1 the check failed or the data could not be booked · 2 bad usage or configuration ·
            3 the node or the database could not be reached
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.logging import RichHandler

from indexer import __version__
from indexer.commands.screen import STDERR
from indexer.config import Settings, load
from indexer.errors import BadConfig, BadRequest, LeverageError, Retry

app = typer.Typer(
    name="leverage",
    help="Exact positions and leverage of DeFi accounts, from events alone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Target = int | Literal["latest", "finalized"]

ISO = "%Y-%m-%dT%H:%M:%S%z"

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; ./leverage.toml when left out.", show_default=False),
]
ChainName = Annotated[str | None, typer.Option("--chain", help="Name or id of a configured chain.", show_default=False)]


def _settings(context: typer.Context, config: Path | None) -> Settings:
    return load(_config(context, config))


def _config(context: typer.Context, config: Path | None) -> Path | None:
    """Return the file given after the command, or before it."""
    before: Path | None = context.obj
    return config or before


def _target(text: str) -> Target:
    tags: dict[str, Target] = {"latest": "latest", "finalized": "finalized"}
    if text in tags or text.isdecimal():
        return tags.get(text) or int(text)
    raise BadConfig(f"--to {text}: write a block number, latest or finalized")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leverage {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: ConfigFile = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens in detail.")] = False,
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option(
            "--log-format", envvar="LEVERAGE_LOG_FORMAT", help="Log lines for people, or one JSON object each."
        ),
    ] = "text",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Say what holds for every command."""
    context.obj = config
    if log_format == "json":
        from pythonjsonlogger.json import JsonFormatter  # 0.07 s to import: not at every start

        json_lines = logging.StreamHandler()
        json_lines.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt=ISO))
        logging.basicConfig(level=logging.WARNING, handlers=[json_lines])
    elif STDERR.is_terminal:
        handlers: list[logging.Handler] = [RichHandler(console=STDERR, show_path=False)]
        logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=handlers)
    else:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("indexer").setLevel(logging.DEBUG if verbose else logging.INFO)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when indexed and print a summary.")] = False,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the HTTP API.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget an earlier demo first.")] = False,
) -> None:
    """Index the chain recorded in demo/ and serve it. Needs no node and no network."""
    from indexer.commands.demo import demo as body

    body(once, port, fresh)


@app.command()
def run(context: typer.Context, chain: ChainName = None, config: ConfigFile = None) -> None:
    """Follow every configured chain: backfill, then each new block as it comes."""
    from indexer.commands.follow import chosen, follow

    settings = _settings(context, config)
    follow(settings, chosen(settings, chain))


@app.command()
def index(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="BLOCK", help="Last block: a number, latest or finalized.", show_default=False),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="DIR", help="Read a recording instead of a node.", show_default=False),
    ] = None,
    reindex: Annotated[
        list[str] | None,
        typer.Option(
            "--reindex",
            metavar="PROTOCOL",
            help="Begin this protocol anew, e.g. after adding a deployment.",
            show_default=False,
        ),
    ] = None,
    chain: ChainName = None,
    config: ConfigFile = None,
) -> None:
    """Index up to a block and stop there."""
    from indexer.commands.follow import chosen, follow, for_replay

    if replay is not None:
        settings, recorded = for_replay(_config(context, config), replay)
        follow(settings, [recorded], to=_target(to or "latest"), replay=replay, reindex=reindex or ())
        return
    if to is None:
        raise typer.BadParameter("give the last block: a number, latest or finalized", param_hint="--to")
    settings = _settings(context, config)
    follow(settings, chosen(settings, chain), to=_target(to), reindex=reindex or ())


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.", show_default=False)] = None,
    config: ConfigFile = None,
) -> None:
    """Serve the HTTP API."""
    from indexer.commands import context as shared

    settings = _settings(context, config)
    with shared.database(settings, migrate=True) as url:
        shared.serve(settings, url, host, port)


@app.command()
def verify(
    context: typer.Context,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Accounts to compare; all when left out.", show_default=False)
    ] = None,
    block: Annotated[
        int | None, typer.Option("--block", min=0, help="Block to compare at; the indexed head when left out.", show_default=False)
    ] = None,
    chain: ChainName = None,
    config: ConfigFile = None,
) -> None:  # fmt: skip
    """Compare the ledger with the contracts' own views; exit 1 on any difference."""
    from indexer.commands.reports import verify as body

    settings = _settings(context, config)
    body(settings, settings.find_chain(chain), sample, block)


@app.command()
def decode(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="Receipts or logs: a JSON list or JSON lines; - for standard input.")],
    chain: Annotated[
        str | None, typer.Option("--chain", help="Chain of entries that do not say: an id, or a configured name.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Print the actions in receipts or logs, one JSON object a line. Needs no database."""
    from indexer.commands.reports import decode as body

    if chain is None or chain.isdecimal():
        body(file, None if chain is None else int(chain))
    else:
        body(file, _settings(context, config).find_chain(chain).chain_id)


@app.command()
def rebuild(
    context: typer.Context,
    first: Annotated[
        int | None, typer.Option("--from", min=0, metavar="BLOCK", help="Keep what is below.", show_default=False)
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Drop what nodes said from there on too: `leverage run` reads it again.")
    ] = False,
    chain: ChainName = None,
    config: ConfigFile = None,
) -> None:
    """Drop the derived tables and make them again from kept blocks, logs and reads. Needs no node."""
    from indexer.commands.follow import forget as forget_from
    from indexer.commands.follow import rebuild as body

    settings = _settings(context, config)
    if not forget:
        body(settings, chain, first)
    elif first is None:
        raise typer.BadParameter("--forget needs the block to begin at", param_hint="--from")
    else:
        forget_from(settings, chain, first)


@app.command()
def record(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    first: Annotated[int, typer.Option("--from", min=0, metavar="BLOCK", help="First block.", show_default=False)],
    last: Annotated[int, typer.Option("--to", min=0, metavar="BLOCK", help="Last block.", show_default=False)],
    chain: ChainName = None,
    config: ConfigFile = None,
) -> None:
    """Save blocks, logs and node reads, for `leverage index --replay DIR`."""
    from indexer.commands.follow import record as body

    settings = _settings(context, config)
    body(settings, settings.find_chain(chain), first, last, directory)


@app.command()
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show how far each protocol is, and what stopped the ones that stopped."""
    from indexer.commands.reports import status as body

    body(_settings(context, config), as_json)


@app.command()
def simulate(
    context: typer.Context,
    shock: Annotated[list[str], typer.Option("--shock", metavar="ASSET=FRACTION", help="Change of a price, e.g. WETH=-0.3; may be repeated.")],
    depth: Annotated[list[str] | None, typer.Option("--depth", metavar="ASSET=NUMBER", help="Depth of a market; relative to the collateral when left out.", show_default=False)] = None,
    impact: Annotated[Literal["cpmm", "linear", "exponential"], typer.Option("--impact", help="Model of a market: depth is dollars (cpmm) or fall per token.")] = "cpmm",
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="jump, or steps:N for a fall in N parts.")] = "jump",
    pass_through: Annotated[float, typer.Option("--pass-through", help="Share of the gap to the market that oracles close a round.")] = 1.0,
    max_rounds: Annotated[int, typer.Option("--max-rounds", help="Rounds at most, up to 100.")] = 100,
    protocol: Annotated[list[str] | None, typer.Option("--protocol", metavar="SLUG", help="Only this protocol; may be repeated.", show_default=False)] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Correlated assets keep their price.")] = False,
    block: Annotated[int | None, typer.Option("--block", min=0, help="As of this block; the indexed head when left out.", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the whole answer as JSON; - for standard output.", show_default=False)] = None,
    chain: ChainName = None,
    config: ConfigFile = None,
) -> None:  # fmt: skip
    """Simulate a liquidation cascade over the indexed books, under three market depths."""
    from indexer.commands.simulate import pairs
    from indexer.commands.simulate import simulate as body

    settings = _settings(context, config)
    asked = {
        "shocks": pairs("--shock", shock), "depth": pairs("--depth", depth or ()), "impact": impact, "path": path,
        "pass_through": pass_through, "max_rounds": max_rounds, "protocols": protocol, "correlated": not alone,
    }  # fmt: skip
    body(settings, settings.find_chain(chain), asked, block, output)


@app.command()
def export(
    context: typer.Context,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A documented table or view.")],
    format: Annotated[Literal["csv", "parquet"], typer.Option("--format", help="File format.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; CSV goes to standard output without it.", show_default=False)
    ] = None,
    config: ConfigFile = None,
) -> None:  # fmt: skip
    """Write every row of a table or view."""
    from indexer.commands.reports import export_table

    export_table(_settings(context, config), table, format, output)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def sql(context: typer.Context, config: ConfigFile = None) -> None:
    """Open psql on the database. What follows goes to psql, e.g. `leverage sql -- -c "SELECT ..."`."""
    from indexer.commands.reports import sql as body

    raise typer.Exit(body(_settings(context, config), context.args))


@app.command()
def reader(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the role.")],
    timeout: Annotated[int, typer.Option("--timeout", min=1, max=86_400, help="Longest query, seconds.")] = 60,
    config: ConfigFile = None,
) -> None:
    """Make a read-only SQL role with a statement timeout, and print how to connect. Again: a new password."""
    from indexer.commands.access import create_reader

    create_reader(_settings(context, config), name, timeout)


key = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True)
app.add_typer(key, name="key")


@key.command("create")
def key_create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Requests a minute; any number when left out.", show_default=False)
    ] = None,
    config: ConfigFile = None,
) -> None:  # fmt: skip
    """Make a key and print it. It is shown this once."""
    from indexer.commands.access import create_key

    create_key(_settings(context, config), name, per_minute)


@key.command("list")
def key_list(context: typer.Context, config: ConfigFile = None) -> None:
    """List keys by name, without the keys themselves."""
    from indexer.commands.access import list_keys

    list_keys(_settings(context, config))


@key.command("revoke")
def key_revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    config: ConfigFile = None,
) -> None:
    """End a key; the API forgets it within seconds."""
    from indexer.commands.access import revoke_key

    revoke_key(_settings(context, config), name)


@app.command("new-protocol")
def new_protocol(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Name of the three folders, e.g. spark_v1.")],
) -> None:
    """Create the three folders of a new protocol: adapter, ABIs, tests."""
    from indexer.scaffold import create

    for path in create(slug):
        print(path)


def exit_code(error: LeverageError) -> int:
    """Return the process's exit code for an error."""
    if isinstance(error, (BadConfig, BadRequest)):
        return 2
    return 3 if isinstance(error, Retry) else 1


def main() -> None:
    """Run the command line; show an error of ours as its message and what to do about it."""
    try:
        app()
    except LeverageError as error:
        print(f"error: {error}", *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads any more: no message, and none from the interpreter at its end
        sys.exit(1)


if __name__ == "__main__":
    main()
