"""`leverage verify`: ask the contracts what the ledger says, and list every difference."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import psycopg
from psycopg.rows import dict_row

from indexer import catalog
from indexer.chain import Node, fetch_reads
from indexer.config import ChainSettings
from indexer.errors import BadConfig
from indexer.protocol import Books, Check
from indexer.run import open_source
from indexer.store import reader
from indexer.store.database import connect
from indexer.store.reconciliation import Found, keep
from indexer.store.writer import StepRows, Writer
from indexer.types import Hash, Read

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer that is not what the ledger says. `answered` is None when the call reverted."""

    protocol: str
    check: Check
    answered: tuple[int, ...] | None


@dataclass(slots=True)
class VerifyReport:
    """What was compared at which block: answers by protocol and function, and the differences."""

    block_number: int
    compared: dict[tuple[str, str], int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    worst_error: float | None = None
    """M23: worst |ledger - contract| / contract over balances; None when the contracts answered none but zero."""

    @property
    def total(self) -> int:
        """Return how many answers were compared."""
        return sum(self.compared.values())

    def found(self) -> Found:
        """Return the report as it is kept."""
        return Found(self.block_number, self.total, len(self.differences), self.worst_error)


def verify(
    chain: ChainSettings, database_url: str, *, sample: int | None = None, block: int | None = None, seed: int = 0
) -> VerifyReport:
    """Compare positions, totals, indexes and account figures with the contracts' own views at one block.

    Shape   `sample` accounts a protocol, chosen by `seed` (None: all); `block` None is the indexed head
    Keeps   what was found, in the table `reconciliation`
    Raises  BadConfig for a block outside coverage or a chain without rpc; NodeUnavailable
    """
    node, _ = open_source(chain, None)
    with connect(database_url) as connection:
        connection.autocommit = True
        cursors = reader.cursors(connection, chain.chain_id)
        if not cursors:
            raise BadConfig(f"chain {chain.name!r} is not indexed in this database; run `leverage index` first")
        at = min(row.block_number for row in cursors.values()) if block is None else block
        _keep_header(connection, chain, node, at)
        report = VerifyReport(at)
        for slug, covered in catalog.covered(chain).items():
            row = cursors.get(slug)
            if row is None or not row.start_block <= at <= row.block_number:
                if block is None:
                    continue
                raise BadConfig(f"block {at} is outside what is indexed of {slug} on {chain.name}")
            if covered.protocol.checks is not None:
                for books in _books(connection, chain.chain_id, at, covered, sample, seed):
                    compare(node, slug, covered.protocol.checks(books), at, report)
        if report.total:
            keep(connection, chain.chain_id, "verify", report.found())
        return report


def _keep_header(connection: Connection, chain: ChainSettings, node: Node, at: int) -> None:
    """SQL needs the block's timestamp; a backfill keeps headers only where there were logs."""
    if not reader.recent_blocks(connection, chain.chain_id, at, at):
        Writer(connection, chain.chain_id).write(StepRows([], headers=node.headers([at]), fresh=False))


def _books(
    connection: Connection, chain_id: int, at: int, covered: catalog.Covered, sample: int | None, seed: int
) -> list[Books]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    with connection.cursor(row_factory=dict_row) as cur:
        for function in ("positions_at", "account_health", "markets_at"):
            query = {
                "positions_at": "SELECT * FROM positions_at(%s, %s)",
                "account_health": "SELECT * FROM account_health(%s, %s)",
                "markets_at": "SELECT * FROM markets_at(%s, %s)",
            }[function]
            rows[function] = list(cur.execute(query, (chain_id, at)).fetchall())
    slug, found = covered.protocol.slug, []
    for deployment in covered.deployments.values():
        everyone = {
            reader.text(row[0])
            for row in connection.execute(
                "SELECT DISTINCT p.account FROM position p JOIN market m USING (chain_id, market_key) "
                "WHERE m.chain_id = %s AND m.deployment_key = %s",
                (chain_id, deployment.key),
            )
        }
        accounts = sorted(everyone)
        if sample is not None and sample < len(accounts):
            accounts = sorted(random.Random(seed).sample(accounts, sample))
        chosen = set(accounts)

        def mine(row: Mapping[str, Any], name: str = deployment.name) -> bool:
            protocol = covered.protocol
            return (row["deployment"], row["project"], row["version"]) == (name, protocol.project, protocol.version)

        found.append(
            Books(
                deployment,
                accounts,
                [row for row in rows["positions_at"] if mine(row) and row["account"] in chosen],
                [row for row in rows["account_health"] if mine(row) and row["account"] in chosen],
                [row for row in rows["markets_at"] if mine(row) and row["market_id"].startswith(f"{slug}:")],
            )
        )
    return found


def compare(
    node: Node, slug: str, checks: list[Check], at: int, report: VerifyReport, block_hash: Hash | None = None
) -> None:
    """Ask the contracts and add what they said to a report."""
    reads = [Read(at, check.to, check.data, "verify", block_hash) for check in checks]
    answers = {(answer.read.to, answer.read.data): answer.result for answer in fetch_reads(node, reads)}
    for check in checks:
        report.compared[slug, check.what] = report.compared.get((slug, check.what), 0) + 1
        result = answers.get((check.to, check.data))
        words = None if result is None else tuple(int(result[n : n + 64], 16) for n in range(2, len(result), 64))
        if check.is_balance and words is not None:
            for error in _errors(check.expected, words):
                report.worst_error = max(error, report.worst_error or 0.0)
        if (
            words is None
            or len(words) < len(check.expected)
            or any(
                expected is not None and expected != word for expected, word in zip(check.expected, words, strict=False)
            )
        ):
            report.differences.append(Difference(slug, check, words))


def _errors(expected: Sequence[int | None], answered: Sequence[int]) -> Iterator[float]:
    """Yield |ledger - contract| / contract of each word that is compared and that the contract says is not zero.

    A contract that says zero where the ledger does not is a difference without a relative size. Words are signed: those
    of perp venues are, and no balance comes near 2^255.
    """
    for mine, word in zip(expected, answered, strict=False):
        if mine is not None and word:
            contract = _signed(word)
            yield float(abs(Fraction(_signed(mine) - contract, contract)))


def _signed(word: int) -> int:
    return word - 2**256 if word >= 2**255 else word
