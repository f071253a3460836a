"""The one writer of a chain's rows: each step is one transaction that carries facts, positions and cursors together.

Crash-safe by construction: whatever happens between two commits, the cursor and the rows agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from indexer.ledger.rows import COLUMNS, Rows
from indexer.store.copy import encode, encode_logs
from indexer.types import Answer, BlockRef, Hash, Header, Heads, Logs

LOG_COLUMNS = ("block_number", "log_index", "tx_index", "tx_hash", "address", "topics", "data")
BLOCK_COLUMNS = ("block_number", "block_hash", "parent_hash", "block_timestamp")

UPSERTED = (
    "price", "node_read", "contract", "param", "account_setting", "market", "token_link", "token_rate", "token_transfer",
    "wallet_owner", "wallet_state",
)  # fmt: skip
"""Tables whose rows may be there already (a shared oracle or token, a protocol added later): the first row stays."""


@dataclass(frozen=True, slots=True)
class CursorRow:
    """How far one protocol is complete after a step. `error` is set when it stopped."""

    protocol: str
    start_block: int
    block_number: int
    block_hash: Hash | None
    status: str
    error: Mapping[str, Any] | None = None


@dataclass(slots=True)
class StepRows:
    """Everything that one step commits. `fresh`: no row of these blocks can be there yet, so plain COPY will do."""

    cursors: list[CursorRow]
    rows: Rows = field(default_factory=Rows)
    logs: Logs | None = None
    headers: Sequence[Header] = ()
    reads: Sequence[Answer] = ()
    heads: Heads | None = None
    fresh: bool = True
    first: int | None = None
    """The step's first block, for metric history."""
    since: int | None = None
    """The earliest block of which it says something new where that is below `first`: owners of wallets met late."""
    final: int | None = None
    """The step's last block where the step is final as it is; else `Finalized` says so, after a second look."""
    spelled: dict[str, str | bytes] = field(default_factory=dict)
    """COPY data of tables that `spell` has made already."""
    truth: bool = True
    """Whether logs, headers and reads are to be written: they are in the tables when it is derived again from them."""


SPELLED = ("position_change", "action", "market_state")
"""Tables with a row a log or a block."""


def spell(chain_id: int, step: StepRows) -> None:
    """Turn a step's rows into COPY data ahead of its commit: whoever books has time while the one who commits has none."""
    if step.truth and step.logs is not None and len(step.logs):
        step.spelled["raw_log"] = encode_logs(chain_id, step.logs)
    for name in SPELLED:
        if step.rows[name]:
            step.spelled[name] = _spelled(chain_id, COLUMNS[name], step.rows[name])
    if step.rows["position_change"]:
        newest = list({row[:3]: row for row in step.rows["position_change"]}.values())
        step.spelled["position"] = _spelled(chain_id, COLUMNS["position_change"], newest)


def _spelled(chain_id: int, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    return encode(("chain_id", *names), ([chain_id] * len(rows), *zip(*rows, strict=True)))


class Writer:
    """Writes one chain. Not thread-safe: one thread owns the connection."""

    def __init__(self, connection: psycopg.Connection[Any], chain_id: int) -> None:
        self.connection = connection
        self.chain_id = chain_id

    def write(self, step: StepRows) -> None:
        """Write a step inside the open transaction, or in one of its own."""
        if not step.spelled:
            spell(self.chain_id, step)
        with self.connection.transaction():
            if step.headers and step.truth:
                self._blocks(step.headers, step.fresh)
            if "raw_log" in step.spelled:
                logs = step.spelled["raw_log"]
                self._copy_rows("raw_log", LOG_COLUMNS, logs, upsert=not step.fresh, binary=True)
            for answer in step.reads:
                read = answer.read
                step.rows["node_read"].append((read.block_number, read.to, read.data, answer.result, read.reason))
            for name, names in COLUMNS.items():
                rows = step.rows[name] if name != "token" else self._tokens(step.rows[name])
                if rows:
                    text = step.spelled.get(name) or _spelled(self.chain_id, names, rows)
                    self._copy_rows(name, names, text, upsert=name in UPSERTED or not step.fresh)
            if "position" in step.spelled:
                self._positions(step.spelled["position"])
            for cursor in step.cursors:
                self._cursor(cursor)
            if step.heads is not None:
                self.saw(step.heads, final=step.final)
        step.spelled.clear()

    def forget(self, protocol: str, *, rows: bool = False) -> None:
        """Delete the listing of a protocol (its cursor and contracts), to be opened anew; with `rows` all its books too.

        What nodes said stays, and so do prices and tokens, which protocols share.
        """
        if rows:
            from indexer.store.schema import BY_BUCKET  # SQLAlchemy: not at every start

            of_protocol = "SELECT deployment_key FROM deployment WHERE chain_id = %(chain)s AND protocol = %(protocol)s"
            markets = f"SELECT market_key FROM market WHERE chain_id = %(chain)s AND deployment_key IN ({of_protocol})"
            both = f"{of_protocol} UNION ALL {markets}"
            chosen = {
                "position": ("market_key", markets), "position_change": ("market_key", markets),
                "market_state": ("market_key", markets), "param": ("subject", both), "account_setting": ("subject", both),
                "action": ("deployment_key", of_protocol), "perp_action": ("deployment_key", of_protocol),
                "market_hour": ("market_key", markets),
                "token_rate": ("token", f"SELECT token FROM token_link WHERE deployment_key IN ({of_protocol})"),
                "token_link": ("deployment_key", of_protocol),
                "wallet_owner": ("deployment_key", of_protocol), "wallet_state": ("deployment_key", of_protocol),
                **{table.name: ("deployment_key", of_protocol) for table in BY_BUCKET if "deployment_key" in table.c},
                "market": ("deployment_key", of_protocol),
                **{f"risk_{table}": ("deployment_key", of_protocol) for table in ("head", "head_state", "pressure", "level")},
            }  # fmt: skip
            for table, (column, keys) in chosen.items():
                self.connection.execute(
                    sql.SQL("DELETE FROM {} WHERE chain_id = %(chain)s AND {} IN ({})").format(
                        sql.Identifier(table), sql.Identifier(column), sql.SQL(keys)
                    ),
                    {"chain": self.chain_id, "protocol": protocol},
                )
        for table in ("cursor", "contract"):
            query = sql.SQL("DELETE FROM {} WHERE chain_id = %s AND protocol = %s")
            self.connection.execute(query.format(sql.Identifier(table)), (self.chain_id, protocol))

    def undo(self, ancestor: int, *, keep_truth: bool = False) -> None:
        """Delete every row above a block and read the newest that remain. Part of the caller's transaction.

        `keep_truth` leaves headers, logs and reads: they are what a rebuild reads.
        """
        from indexer.store.schema import BY_BLOCK, TRUTH  # SQLAlchemy: not at every start

        with self.connection.transaction(), self.connection.cursor() as cur:
            for table in BY_BLOCK:
                if keep_truth and table in TRUTH:
                    continue
                query = sql.SQL("DELETE FROM {} WHERE chain_id = %s AND block_number > %s")
                cur.execute(query.format(sql.Identifier(table.name)), (self.chain_id, ancestor))
            cur.execute(
                """
                WITH gone AS (
                    DELETE FROM position WHERE chain_id = %(chain)s AND block_number > %(ancestor)s
                    RETURNING market_key, account, side
                )
                INSERT INTO position
                SELECT DISTINCT ON (c.market_key, c.account, c.side)
                       c.chain_id, c.market_key, c.account, c.side, c.block_number, c.log_index, c.leg,
                       c.shares_raw, c.basis_raw, c.is_collateral, c.extra
                FROM position_change c JOIN gone USING (market_key, account, side)
                WHERE c.chain_id = %(chain)s AND c.block_number <= %(ancestor)s
                ORDER BY c.market_key, c.account, c.side, c.block_number DESC, c.log_index DESC, c.leg DESC
                ON CONFLICT (chain_id, market_key, account, side) DO UPDATE SET
                    block_number = excluded.block_number, log_index = excluded.log_index, leg = excluded.leg,
                    shares_raw = excluded.shares_raw, basis_raw = excluded.basis_raw,
                    is_collateral = excluded.is_collateral, extra = excluded.extra
                """,
                {"chain": self.chain_id, "ancestor": ancestor},
            )

    def replaced(self, first: BlockRef, depth: int, wall_clock: int) -> None:
        """Log a reorg, for operation."""
        self.connection.execute(
            "INSERT INTO reorg VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (self.chain_id, first.number, bytes.fromhex(first.hash[2:]), depth, wall_clock),
        )

    def saw(self, heads: Heads, wall_clock: int | None = None, final: int | None = None) -> None:
        """Note what the node last said of the chain's heads, and `final`, up to which committed rows are proven."""
        self.connection.execute(
            """
            UPDATE chain SET head_block = %s, safe_block = %s, finalized_block = greatest(finalized_block, %s),
                seen_at = coalesce(%s, seen_at)
            WHERE chain_id = %s
            """,
            (heads.latest, heads.safe, final, wall_clock, self.chain_id),
        )

    def _copy_rows(
        self, name: str, names: Sequence[str], data: str | bytes, *, upsert: bool, binary: bool = False
    ) -> None:
        fields = sql.SQL(", ").join(map(sql.Identifier, ("chain_id", *names)))
        target = sql.Identifier(name)
        with self.connection.cursor() as cur:
            if upsert:
                target = sql.Identifier(f"new_{name}")
                cur.execute(
                    sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS").format(
                        target, sql.Identifier(name)
                    )
                )
            form = sql.SQL("(FORMAT binary)" if binary else "")
            with cur.copy(sql.SQL("COPY {} ({}) FROM STDIN {}").format(target, fields, form)) as copy:
                copy.write(data)
            if upsert:
                cur.execute(
                    sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} ON CONFLICT DO NOTHING").format(
                        sql.Identifier(name), fields, target
                    )
                )
                cur.execute(sql.SQL("TRUNCATE {}").format(target))

    def _tokens(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Join notes of one token by several protocols, with what is there already (whose row makes room for the new).

        The earliest block stays and the most telling kind, whichever protocol came by first.
        """
        if not rows:
            return []
        names = COLUMNS["token"]
        there = self.connection.execute(
            sql.SQL("DELETE FROM token WHERE chain_id = %s AND address = ANY(%s) RETURNING {}").format(
                sql.SQL(", ").join(map(sql.Identifier, names))
            ),
            (self.chain_id, [bytes.fromhex(row[0][2:]) for row in rows]),
        ).fetchall()
        found: dict[str, tuple[Any, ...]] = {}
        for row in [*(tuple("0x" + v.hex() if isinstance(v, bytes) else v for v in row) for row in there), *rows]:
            found[row[0]] = _joined(found[row[0]], row) if row[0] in found else row
        return list(found.values())

    def _blocks(self, headers: Sequence[Header], fresh: bool) -> None:
        rows = [(header.number, header.hash, header.parent_hash or None, header.timestamp) for header in headers]
        self._copy_rows("block", BLOCK_COLUMNS, _spelled(self.chain_id, BLOCK_COLUMNS, rows), upsert=not fresh)

    def _positions(self, text: str | bytes) -> None:
        """Upsert the newest state of every balance that changed."""
        names = COLUMNS["position_change"]
        fields = sql.SQL(", ").join(map(sql.Identifier, ("chain_id", *names)))
        updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names[3:])
        with self.connection.cursor() as cur:
            cur.execute("CREATE TEMP TABLE IF NOT EXISTS new_position (LIKE position) ON COMMIT DELETE ROWS")
            with cur.copy(sql.SQL("COPY new_position ({}) FROM STDIN").format(fields)) as copy:
                copy.write(text)
            cur.execute(
                sql.SQL(
                    "INSERT INTO position ({0}) SELECT {0} FROM new_position "
                    "ON CONFLICT (chain_id, market_key, account, side) DO UPDATE SET {1}"
                ).format(fields, updates)
            )
            cur.execute("TRUNCATE new_position")

    def _cursor(self, cursor: CursorRow) -> None:
        block_hash = bytes.fromhex(cursor.block_hash[2:]) if cursor.block_hash else None
        self.connection.execute(
            """
            INSERT INTO cursor (chain_id, protocol, start_block, block_number, block_hash, status, error)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (chain_id, protocol) DO UPDATE SET start_block = excluded.start_block,
                block_number = excluded.block_number, block_hash = excluded.block_hash, status = excluded.status,
                error = excluded.error
            """,
            (
                self.chain_id, cursor.protocol, cursor.start_block, cursor.block_number, block_hash, cursor.status,
                Jsonb(dict(cursor.error)) if cursor.error else None,
            ),
        )  # fmt: skip


_TELLING = (
    "plain", "unclassified", "erc4626", "cdp_stable", "debt_token", "lending_receipt", "ctoken", "vault_share",
)  # fmt: skip
"""Kinds of token, the most telling last."""


def _joined(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Join two rows of `token` about one token; the same in either order."""
    first, second = sorted((one, other), key=lambda row: row[1])
    symbol, decimals = (first[at] if first[at] is not None else second[at] for at in (2, 3))
    kind = max(first, second, key=lambda row: _TELLING.index(row[4]))[4:]
    return (first[0], first[1], symbol, decimals, *kind)
