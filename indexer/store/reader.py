"""What the indexer reads back: books, cursors, kept truth. The API's SELECTs are in `queries`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psycopg

from indexer.ledger.book import LoadPositions, PositionKey
from indexer.ledger.desk import Desk
from indexer.ledger.flows import WALLET_TOKEN
from indexer.protocol import Deployment, Listing, MarketBooks, PositionState
from indexer.store.writer import CursorRow
from indexer.types import Answer, BlockRef, Header, Logs, Read, Watch

Connection = psycopg.Connection[Any]


def hexed(value: bytes | None) -> str | None:
    """Return bytes as 0x text; None stays None."""
    return None if value is None else "0x" + value.hex()


def text(value: bytes) -> str:
    """Return bytes that are there as 0x text."""
    return "0x" + value.hex()


def number(value: Any) -> int | None:
    """Return a NUMERIC as int; None stays None."""
    return None if value is None else int(value)


def cursors(connection: Connection, chain_id: int) -> dict[str, CursorRow]:
    """Return the chain's cursors by protocol."""
    found = connection.execute(
        "SELECT protocol, start_block, block_number, block_hash, status, error FROM cursor WHERE chain_id = %s",
        (chain_id,),
    )
    return {row[0]: CursorRow(row[0], row[1], row[2], hexed(row[3]), row[4], row[5]) for row in found}


def wallet_flows(connection: Connection, chain_id: int) -> dict[str, bool]:
    """Return for each protocol that has listed a market whether the transfers of its tokens are watched."""
    found = connection.execute(
        """
        SELECT c.protocol, EXISTS (
            SELECT FROM contract t WHERE t.chain_id = c.chain_id AND t.protocol = c.protocol AND t.kind = %s)
        FROM cursor c
        WHERE c.chain_id = %s AND EXISTS (
            SELECT FROM market m JOIN deployment d USING (chain_id, deployment_key)
            WHERE m.chain_id = c.chain_id AND d.protocol = c.protocol)
        """,
        (WALLET_TOKEN, chain_id),
    )
    return dict(found.fetchall())


def recent_blocks(connection: Connection, chain_id: int, first: int, last: int) -> list[BlockRef]:
    """Return kept headers of `first..last`, ascending. An unknown parent hash is ''."""
    found = connection.execute(
        "SELECT block_number, block_hash, parent_hash, block_timestamp FROM block "
        "WHERE chain_id = %s AND block_number BETWEEN %s AND %s ORDER BY block_number",
        (chain_id, first, last),
    )
    return [BlockRef(row[0], text(row[1]), hexed(row[2]) or "", row[3]) for row in found]


def finalized_block(connection: Connection, chain_id: int) -> int | None:
    """Return the last block known to be final, or None."""
    row = connection.execute("SELECT finalized_block FROM chain WHERE chain_id = %s", (chain_id,)).fetchone()
    return row[0] if row else None


def position_loader(connect: Callable[[], Connection], chain_id: int) -> LoadPositions:
    """Return the function with which a Book loads balances: one query for any number of keys."""

    def load(keys: Iterable[PositionKey]) -> Mapping[PositionKey, PositionState]:
        wanted = list(keys)
        found = connect().execute(
            """
            SELECT p.market_key, p.account, p.side, p.shares_raw, p.basis_raw, p.is_collateral, p.extra
            FROM unnest(%s::bigint[], %s::bytea[], %s::text[]) AS k(market_key, account, side)
            JOIN position p ON p.chain_id = %s AND p.market_key = k.market_key AND p.account = k.account
                           AND p.side = k.side
            """,
            (
                [key[0] for key in wanted], [bytes.fromhex(key[1][2:]) for key in wanted],
                [key[2] for key in wanted], chain_id,
            ),
        )  # fmt: skip
        return {
            (row[0], text(row[1]), row[2]): PositionState(int(row[3]), number(row[4]), row[5], row[6]) for row in found
        }

    return load


def load_desk(connection: Connection, desk: Desk, deployments: Mapping[int, Deployment]) -> None:
    """Fill a desk that is new in memory from the tables: contracts, markets and their books, parameters, tokens."""
    book, chain_id = desk.book, desk.book.chain_id
    book.opened.update(deployments)
    for row in connection.execute(
        "SELECT deployment_key, address, kind FROM contract WHERE chain_id = %s AND protocol = %s "
        "ORDER BY block_number, log_index, address, kind",
        (chain_id, desk.protocol.slug),
    ):
        desk.know_contract(deployments[row[0]], text(row[1]), row[2])
    for row in connection.execute(
        """
        SELECT m.deployment_key, m.market_id, m.accounting, m.asset, m.collateral_asset, m.supply_token, m.debt_token,
               m.oracle, m.market_key, s.regime, s.accrued_at, s.supply_index_raw, s.debt_index_raw,
               s.supply_rate_raw, s.debt_rate_raw, s.supply_shares_raw, s.debt_shares_raw, s.supply_assets_raw,
               s.debt_assets_raw, s.rate_at_target_raw, s.fee_raw, s.extra
        FROM market m CROSS JOIN LATERAL (
            SELECT * FROM market_state s WHERE s.chain_id = m.chain_id AND s.market_key = m.market_key
            ORDER BY s.block_number DESC LIMIT 1) s
        WHERE m.chain_id = %s AND m.deployment_key = ANY(%s) ORDER BY m.block_number, m.log_index
        """,
        (chain_id, list(deployments)),
    ):
        native = row[1].split(":", 2)[2]
        listing = Listing(
            native, row[2], row[9], text(row[3]), hexed(row[4]), hexed(row[5]), hexed(row[6]), hexed(row[7])
        )
        numbers = [number(value) for value in row[11:21]]
        market = MarketBooks(row[8], row[9], row[10], *numbers, extra=row[21])  # type: ignore[arg-type, misc]
        # a market's reference ends its readable id: Aave's asset, Morpho's market id
        book.know_market((row[0], native.rsplit(":", 1)[-1]), listing, market)
    for row in connection.execute(
        """
        SELECT DISTINCT ON (subject, name, qualifier) subject, name, qualifier, value_raw, value_text FROM param
        WHERE chain_id = %s AND subject = ANY(%s)
        ORDER BY subject, name, qualifier, block_number DESC, log_index DESC
        """,
        (chain_id, [*deployments, *(market.key for market in book.markets.values())]),
    ):
        book.params[row[0], row[1], row[2]] = row[4] if row[3] is None else int(row[3])
    # Those of its own markets, as in a desk that was never closed: what another protocol has met is met anew.
    for row in connection.execute(
        """
        WITH RECURSIVE own AS (
            SELECT unnest(ARRAY[asset, collateral_asset, supply_token, debt_token]) AS address FROM market
            WHERE chain_id = %(chain)s AND deployment_key = ANY(%(deployments)s)
            UNION
            SELECT t.underlying FROM own JOIN token t ON t.chain_id = %(chain)s AND t.address = own.address
            WHERE t.kind = 'erc4626')
        SELECT t.address, t.decimals, t.kind, t.block_number, t.underlying
        FROM token t JOIN own ON own.address = t.address
        WHERE t.chain_id = %(chain)s ORDER BY t.block_number, t.address
        """,
        {"chain": chain_id, "deployments": list(deployments)},
    ):
        book.known_tokens[text(row[0])] = row[1]
        if row[2] == "erc4626":
            book.vaults[text(row[0])] = row[3], text(row[4])
    if desk.protocol.wallet:
        _load_wallets(connection, desk, list(deployments))
    book.complete = not book.markets  # then there can be no balances yet


def _load_wallets(connection: Connection, desk: Desk, deployments: list[int]) -> None:
    """Fill in the wallets that there are, those that are watched, and those that are not although they have a position."""
    book, slug, kind = desk.book, desk.protocol.slug, desk.protocol.wallet
    for row in connection.execute(
        "SELECT DISTINCT ON (wallet) wallet, from_block, deployment_key FROM wallet_state "
        "WHERE chain_id = %s AND deployment_key = ANY(%s) ORDER BY wallet, from_block, log_index",
        (book.chain_id, deployments),
    ):
        book.wallets[text(row[0])] = row[1], row[2]
    for row in connection.execute(
        "SELECT address, block_number FROM contract WHERE chain_id = %s AND protocol = %s AND kind = %s",
        (book.chain_id, slug, kind),
    ):
        book.met[text(row[0])] = row[1]
    found = connection.execute(
        """
        SELECT c.block_number, c.account FROM (
            SELECT wallet, min(from_block) AS created FROM wallet_state w
            WHERE w.chain_id = %(chain)s AND w.deployment_key = ANY(%(deployments)s)
              AND NOT EXISTS (SELECT FROM contract k WHERE k.chain_id = %(chain)s AND k.protocol = %(slug)s
                              AND k.kind = %(kind)s AND k.address = w.wallet)
            GROUP BY wallet
        ) w
        JOIN position p ON p.chain_id = %(chain)s AND p.account = w.wallet AND p.block_number >= w.created
        JOIN position_change c ON c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account
            AND c.side = p.side AND c.block_number >= w.created
        """,
        {"chain": book.chain_id, "deployments": deployments, "slug": slug, "kind": kind},
    )
    desk.pending = [(row[0], text(row[1])) for row in found]


def contracts_before(connection: Connection, chain_id: int, protocol: str, block: int) -> frozenset[str]:
    """Return a protocol's contracts that were found below a block."""
    found = connection.execute(
        "SELECT address FROM contract WHERE chain_id = %s AND protocol = %s AND block_number < %s",
        (chain_id, protocol, block),
    )
    return frozenset(text(row[0]) for row in found)


def stored_logs(connection: Connection, chain_id: int, first: int, last: int, watch: Watch) -> Logs:
    """Return kept logs of `first..last` that a watch asks for, in chain order, as the node once sent them.

    A contract may be watched by two protocols for different events: what only the other asked for is left out.
    """
    logs = Logs()
    found = connection.execute(
        """
        SELECT block_number, log_index, tx_index, tx_hash, address, topics, data FROM raw_log
        WHERE chain_id = %s AND block_number BETWEEN %s AND %s ORDER BY block_number, log_index
        """,
        (chain_id, first, last),
        binary=True,
    )
    wanted = {bytes.fromhex(topic[2:]) for topic in watch.topics}
    rows = [
        row
        for row in found.fetchall()
        if text(row[4]) in watch.addresses and (not wanted or bytes(row[5][:32]) in wanted)
    ]
    if rows:
        columns = list(zip(*rows, strict=True))
        logs.block_number.extend(columns[0])
        logs.log_index.extend(columns[1])
        logs.tx_index.extend(columns[2])
        logs.tx_hash.extend(map(text, columns[3]))
        logs.block_hash.extend([""] * len(rows))
        logs.address.extend(map(text, columns[4]))
        for topics in columns[5]:
            joined = topics.hex()
            logs.topics.append(tuple("0x" + joined[n : n + 64] for n in range(0, len(joined), 64)))
        logs.data.extend(map(text, columns[6]))
        logs.timestamp.extend([0] * len(rows))
    return logs


def stored_headers(connection: Connection, chain_id: int, first: int, last: int) -> list[Header]:
    """Return the kept headers of `first..last`; blooms are not kept."""
    return [
        Header(ref.number, ref.hash, ref.parent_hash, ref.timestamp, "")
        for ref in recent_blocks(connection, chain_id, first, last)
    ]


def stored_answers(connection: Connection, chain_id: int, first: int, last: int) -> list[Answer]:
    """Return the kept node reads of `first..last`."""
    found = connection.execute(
        "SELECT block_number, address, calldata, result, reason FROM node_read "
        "WHERE chain_id = %s AND block_number BETWEEN %s AND %s ORDER BY block_number, address, calldata",
        (chain_id, first, last),
    )
    return [Answer(Read(row[0], text(row[1]), text(row[2]), row[4]), hexed(row[3])) for row in found]
