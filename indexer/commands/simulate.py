"""`leverage simulate`: a liquidation cascade over the indexed books, as tables or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from indexer.commands.context import database
from indexer.config import ChainSettings, Settings
from indexer.errors import BadConfig, BadRequest
from indexer.simulate import answer, question_of
from indexer.store.database import connect
from indexer.store.queries import Row, simulations


def simulate(
    settings: Settings, chain: ChainSettings, body: dict[str, Any], block: int | None, output: Path | None
) -> None:
    """Compute the cascade and print it; `output` takes the whole answer as JSON, - for standard output."""
    with database(settings) as url, connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        at = _head(connection, chain) if block is None else block
        try:
            connection.execute("SELECT assert_covered(%s, %s)", (chain.chain_id, at))
        except psycopg.Error as error:
            if error.sqlstate not in ("LV001", "LV002"):
                raise
            raise BadRequest(f"--block {at}: {error.diag.message_primary}; {error.diag.message_hint}") from None
        known = simulations.assets(connection, chain.chain_id, at)
        for part in ("shocks", "depth"):
            body[part] = {_named(known, f"--{part.rstrip('s')}", name): value for name, value in body[part].items()}
        found = answer(connection, chain.chain_id, at, question_of(body))
    if output is None:
        show(found.result, at)
        return
    rounds = ("depth_factor", "round", "step", "n_liquidated", "repaid_usd", "bad_debt_usd", "detail")
    whole = {
        "chain_id": chain.chain_id, "block_number": at, "question": body, **found.result,
        "rounds": [dict(zip(rounds, row, strict=True)) for row in found.rounds],
        "propagation_matrix": [dict(zip(("source", "target", "propagation"), row, strict=True)) for row in found.matrix],
    }  # fmt: skip
    text = json.dumps(whole, indent=1)
    if str(output) == "-":
        print(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadConfig(f"--json {output}: {error.strerror}; give a path that can be written") from None


def pairs(option: str, given: Sequence[str]) -> dict[str, float]:
    """Read ASSET=NUMBER, any number of times. Raises BadConfig naming the one that is not."""
    found: dict[str, float] = {}
    for text in given:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not name or not equals or value != value:
            raise BadConfig(
                f"{option} {text}: write ASSET=NUMBER, e.g. {option} WETH={'-0.3' if option == '--shock' else '10000000'}"
            )
        if name in found:
            raise BadConfig(f"{option} {text}: {name} is given more than once")
        found[name] = value
    return found


def show(result: dict[str, Any], block: int) -> None:
    """Print one table of depth settings, one of prices, one of protocols."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(
        f"block {block:,}: {result['borrowers']:,} borrowers, {result['unpriced']:,} of them without a price and left out"
    )
    told = "the depths given" if result["depth"] == "given" else "all that backs debt in each asset (no --depth given)"
    table = Table(
        "depth x",
        "rounds",
        "repaid $",
        "bad debt $",
        "endogenous",
        "branching",
        title=f"Cascade, by market depth: times {told}",
    )
    for each in result["settings"]:
        share, branching = each["endogenous_share"], each["branching"]
        table.add_row(
            f"{each['depth_factor']:g}", str(each["rounds"]) + ("" if each["settled"] else " (cut)"),
            f"{float(each['repaid_usd']):,.0f}", f"{float(each['bad_debt_usd']):,.0f}",
            "-" if share is None else f"{share:.1%}", " ".join(f"{ratio:.2f}" for ratio in branching[:4]) or "-",
        )  # fmt: skip
    console.print(table)
    prices = Table("asset", "shock", "price", "shocked", "final, lowest", "final, highest", "amplification")
    for each in result["assets"]:
        final, more = each["final_price"] or (None, None), each["amplification"]
        prices.add_row(
            each["symbol"], f"{each['shock']:+.1%}", *(_price(value) for value in (each["price"], each["exogenous_price"], *final)),
            "-" if more is None else f"{more[0]:.3f} to {more[1]:.3f}",
        )  # fmt: skip
    console.print(prices)
    middle = result["settings"][len(result["settings"]) // 2]
    parts = Table(
        "protocol",
        "liquidations",
        "repaid $",
        "bad debt $",
        "contagion $",
        title=f"By protocol, at depth x {middle['depth_factor']:g}",
    )
    for each in middle["protocols"]:
        money = (f"{float(each[name]):,.0f}" for name in ("repaid_usd", "bad_debt_usd", "contagion_usd"))
        parts.add_row(each["protocol"], f"{each['liquidations']:,}", *money)
    console.print(parts)


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"


def _named(known: list[Row], option: str, name: str) -> str:
    try:
        return simulations.named(known, name)
    except LookupError as error:
        raise BadRequest(f"{option} {error}") from None


def _head(connection: psycopg.Connection[Any], chain: ChainSettings) -> int:
    row = connection.execute(
        "SELECT min(block_number) FROM cursor WHERE chain_id = %s AND status <> 'stopped' AND block_hash IS NOT NULL",
        (chain.chain_id,),
    ).fetchone()
    if row is None or row[0] is None:
        raise BadRequest(f"nothing of {chain.name} is indexed yet; start with `leverage run`")
    return int(row[0])
