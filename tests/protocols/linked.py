"""Run one link adapter over hand-made logs and answers, and put its rows into a database, as the loop does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from indexer.ledger.book import Book
from indexer.ledger.desk import DECIMALS, Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.store.writer import CursorRow, StepRows, Writer
from indexer.types import Answer, Header, Logs, Read, key64
from tests.decode.making import topic

CHAIN = 1
COIN = "0x" + "ee" * 20
ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20

Made = tuple[int, str, str, Sequence[str], str]
"""(block, emitter, signature, indexed arguments as topics, data)."""


def addr(number: int) -> str:
    return f"0x{number:040x}"


def words(*values: int | str) -> str:
    """Data of static arguments: numbers and addresses."""
    return "0x" + "".join(f"{int(value, 16) if isinstance(value, str) else value:064x}" for value in values)


def who(*values: int | str) -> list[str]:
    """Indexed arguments."""
    return [words(value) for value in values]


def logs_of(made: Sequence[Made]) -> Logs:
    logs = Logs()
    for index, (block, address, signature, topics, data) in enumerate(made):
        row = (block, index, 0, f"0x{index:064x}", "", address, (topic(signature), *topics), data, 0)
        for column, value in zip(logs.columns(), row, strict=True):
            column.append(value)
    return logs


def index(
    db: psycopg.Connection[Any], slug: str, contracts: Mapping[str, str], made: Sequence[Made] = (), *,
    reads: Mapping[tuple[int, str, str], str] | None = None, decimals: Mapping[str, int] | None = None,
    times: Mapping[int, int] | None = None, last: int = 100, met: Sequence[tuple[int, str]] = (),
) -> Desk:  # fmt: skip
    """Open a deployment, book the logs and answers, and write the rows. Blocks are a second apart unless `times` says.

    `met` are accounts whose balance changes: (block, account).
    """
    protocol = discover()[slug]
    desk = Desk(protocol, Book(CHAIN, slug, protocol.project, lambda keys: {}))
    deployment = Deployment(key64(f"{slug}:{CHAIN}:test"), slug, CHAIN, "test", 1, dict(contracts))
    desk.open([deployment])
    logs = logs_of(made)
    facts = desk.translate(logs)
    while new := desk.learn(facts):
        facts = desk.translate(logs)
        del new
    stamps = {block: block for block in range(last + 1)} | dict(times or {})
    answers = [Answer(Read(*key, ""), result) for key, result in (reads or {}).items()]
    wanted = {(read.block_number, read.to, read.data) for read in desk.wanted(facts)}
    desk.settle(facts, [answer for answer in answers if tuple(answer.read)[:3] in wanted], stamps)
    if new := desk.meet(met):
        own = [
            row
            for row, at in enumerate(zip(logs.address, logs.block_number, strict=True))
            if at[1] >= new.get(at[0], last)
        ]
        desk.settle(desk.translate(logs.take(own)), (), stamps)
    told = [
        Answer(Read(1, token, DECIMALS, ""), words((decimals or {}).get(token, 18))) for token in desk.book.new_tokens()
    ]
    desk.book_tokens(told)
    feeds = desk.feeds()
    desk.book_prices([answer for answer in answers if tuple(answer.read)[:3] not in wanted], feeds)
    headers = [Header(block, f"0x{block:064x}", "", stamp, "") for block, stamp in sorted(stamps.items())]
    cursor = CursorRow(slug, 1, last, headers[-1].hash, "following")
    db.execute(
        "INSERT INTO deployment VALUES (%s, %s, %s, %s, %s, 'test', 'link', 1, '{}') ON CONFLICT DO NOTHING",
        (CHAIN, deployment.key, slug, protocol.project, protocol.version),
    )
    Writer(db, CHAIN).write(StepRows([cursor], desk.take_rows(), headers=headers, fresh=False))
    return desk


def price(db: psycopg.Connection[Any], token: str, usd: int, block: int = 1) -> None:
    """An oracle of a lending protocol prices a token."""
    db.execute(
        "INSERT INTO price VALUES (%s, unhex(%s), unhex(%s), %s, -1, %s, 1, 'usd', 'oracle')",
        (CHAIN, "0x" + "09" * 20, token, block, usd),
    )


def rates(db: psycopg.Connection[Any], token: str, block: int) -> list[tuple[Any, ...]]:
    """(underlying, whole tokens of it for one, block of the rate)."""
    found = db.execute("SELECT hex(underlying), rate, rate_block FROM token_rate_at(1, unhex(%s), %s)", (token, block))
    return found.fetchall()


def worth(db: psycopg.Connection[Any], token: str, block: int) -> Any:
    row = db.execute("SELECT price_usd FROM claim_price_at(1, unhex(%s), %s)", (token, block)).fetchone()
    return row[0] if row else None


def registered(db: psycopg.Connection[Any], token: str) -> tuple[Any, ...]:
    """(kind, issuer, underlying, group)."""
    row = db.execute(
        "SELECT kind, issuer_project, underlying, asset_group FROM token_registry WHERE token_address = %s", (token,)
    ).fetchone()
    assert row is not None
    return row


def owners(db: psycopg.Connection[Any], block: int | None = None) -> dict[str, tuple[str, str]]:
    """address -> (owner in the end, evidence)."""
    rows = db.execute("SELECT address, owner_id, evidence FROM owners_at(1, %s)", (block,))
    return {row[0]: row[1:] for row in rows}
