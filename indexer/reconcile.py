"""M23 beside `leverage run`: now and then a few random balances at the head are held against the contracts.

It has a thread, a connection and a node client of its own and bounded time for each; what fails in it is logged and tried
again later. It reads what is committed and writes one row of `reconciliation`: following never waits for it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import dict_row

from indexer import catalog
from indexer.chain import Node, open_node
from indexer.config import ChainSettings
from indexer.errors import BlockNotYetKnown, LeverageError
from indexer.protocol import Books, Check
from indexer.store import reconciliation
from indexer.store.database import connect
from indexer.types import Hash
from indexer.verify import Connection, VerifyReport, compare

logger = logging.getLogger(__name__)

BALANCES = 20
"""Balances of each protocol in one sample."""

FIRST_SECONDS = 60.0
"""Longest wait for the first comparison of a chain that has none yet, and between tries while there is nothing to compare."""

NODE_SECONDS = 30.0
STATEMENT_MS = 60_000
"""How long a node and a query may take. Whatever lasts longer is given up until the next time."""


@contextmanager
def reconciling(chain: ChainSettings, database_url: str, stop: threading.Event) -> Iterator[None]:
    """Compare every `reconcile_seconds` while the block runs; 0 and a chain without rpc: never."""
    if not chain.reconcile_seconds or not chain.rpc:
        yield
        return
    ended = threading.Event()
    node = open_node(
        chain.rpc, chain_id=chain.chain_id, timeout=NODE_SECONDS, requests_per_second=chain.requests_per_second,
        give_up_after=NODE_SECONDS,
    )  # fmt: skip
    arguments = (chain, database_url, node, stop, ended)
    thread = threading.Thread(target=_now_and_then, args=arguments, name=f"reconcile {chain.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        node.close()  # ends what it waits for; a daemon, so that nobody waits for a query of it either
        thread.join(1.0)


def _now_and_then(
    chain: ChainSettings, database_url: str, node: Node, stop: threading.Event, ended: threading.Event
) -> None:
    wait = min(chain.reconcile_seconds, FIRST_SECONDS)
    while not ended.wait(wait) and not stop.is_set():
        try:
            wait = max(0.01, _when_due(chain, database_url, node))
        except (LeverageError, psycopg.Error) as error:
            if ended.is_set():
                return
            logger.warning("%s: balances were not compared with the contracts: %s", chain.name, str(error).strip())
            wait = min(chain.reconcile_seconds, FIRST_SECONDS)
        except (ArithmeticError, LookupError, TypeError, ValueError):  # ours to mend; not again before the next time
            logger.exception("%s: comparing balances with the contracts failed", chain.name)
            wait = chain.reconcile_seconds


def _when_due(chain: ChainSettings, database_url: str, node: Node) -> float:
    """Compare if the last comparison is old enough and something is at the head; return the seconds to the next look."""
    with connect(database_url) as connection:
        ago = reconciliation.seconds_since_last(connection, chain.chain_id)
        if ago is not None and ago < chain.reconcile_seconds:
            return min(chain.reconcile_seconds - ago, chain.reconcile_seconds)
        connection.rollback()
        report = reconcile(chain, connection, node)
    if report is None:
        return min(chain.reconcile_seconds, FIRST_SECONDS)
    for difference in report.differences:
        check = difference.check
        logger.error(
            "%s, block %s: %s of %s in %s is %s here and %s by the contract; run `leverage verify`",
            chain.name, report.block_number, check.what, check.account, check.market_id, check.expected,
            difference.answered,
        )  # fmt: skip
    return chain.reconcile_seconds


def reconcile(chain: ChainSettings, connection: Connection, node: Node, seed: int | None = None) -> VerifyReport | None:
    """Compare a random sample of balances at the block that the protocols at the head stand at, and keep what was found.

    Shape   None when no protocol is at the head or none of them has balances that can be asked for
    Raises  BlockNotYetKnown when the block was replaced meanwhile: nothing is kept then; NodeUnavailable; psycopg.Error
    """
    chosen = random.Random(seed)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(STATEMENT_MS),))
        head = reconciliation.following(connection, chain.chain_id)
        if head is None:
            return None
        number, block_hash, slugs = head
        checks = {slug: _sample(chain, connection, slug, number, chosen) for slug in slugs}
    report = VerifyReport(number)
    for slug, some in checks.items():
        compare(node, slug, some, number, report, block_hash)
    if not report.total:
        return None
    _still(node, number, block_hash)
    with connection.transaction():
        reconciliation.keep(connection, chain.chain_id, "run", report.found())
    return report


def _sample(chain: ChainSettings, connection: Connection, slug: str, at: int, chosen: random.Random) -> list[Check]:
    """Return checks of random balances of a protocol that are not zero here."""
    covered = catalog.covered(chain).get(slug)
    if covered is None or covered.protocol.checks is None:
        return []
    deployments = {deployment.key: deployment for deployment in covered.deployments.values()}
    found: list[Check] = []
    accounts = reconciliation.some_accounts(connection, chain.chain_id, deployments, BALANCES)
    with connection.cursor(row_factory=dict_row) as cur:
        markets = cur.execute("SELECT * FROM markets_at(%s, %s)", (chain.chain_id, at)).fetchall() if accounts else []
        for key, some in accounts.items():
            deployment = deployments[key]
            positions = [
                row
                for account in some
                for row in cur.execute(
                    "SELECT * FROM positions_of(%s, %s, %s)", (chain.chain_id, at, bytes.fromhex(account[2:]))
                ).fetchall()
                if row["deployment_key"] == key
            ]
            mine = [
                row
                for row in markets
                if row["market_id"].startswith(f"{slug}:") and row["deployment"] == deployment.name
            ]
            found += covered.protocol.checks(Books(deployment, some, positions, [], mine))
    balances = [check for check in found if check.is_balance and any(check.expected)]
    return chosen.sample(balances, min(BALANCES, len(balances)))


def _still(node: Node, number: int, block_hash: Hash) -> None:
    now = node.headers([number])[0].hash
    if now != block_hash:
        raise BlockNotYetKnown(f"block {number} is {now} now, it was {block_hash}")
