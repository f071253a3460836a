"""Perp markets (M3, M8), purges (M11) and market corrections (M21)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_one, select_slice

MARKET: Final[LiteralString] = """
SELECT d.protocol, d.project AS venue, m.market_key, m.block_number AS listed_block,
       EXISTS (SELECT FROM deployment o WHERE o.chain_id = %(chain_id)s AND o.project = %(venue)s AND o.kind = 'perp')
           AS venue_known
FROM (SELECT 1) one
LEFT JOIN (market m JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'perp'
               AND EXISTS (SELECT FROM market_state s WHERE s.chain_id = m.chain_id AND s.market_key = m.market_key
                               AND (interest_of(m.accounting, s)).long_raw IS NOT NULL))
       ON m.chain_id = %(chain_id)s AND m.market_id = %(market)s AND d.project = %(venue)s
"""

STATE_KEY: Final[Keyset] = (("as_of_block", "integer"),)

OPEN_INTEREST: Final[LiteralString] = """
SELECT d.protocol, s.project, s.version, s.deployment, s.venue, s.market, s.symbol, s.oi_convention,
       trim_scale(s.oi_base)::text AS oi_base, trim_scale(s.oi_usd)::text AS oi_usd,
       trim_scale(s.long_oi_base)::text AS long_oi_base, trim_scale(s.short_oi_base)::text AS short_oi_base,
       trim_scale(s.long_oi_usd)::text AS long_oi_usd, trim_scale(s.short_oi_usd)::text AS short_oi_usd,
       trim_scale(s.mark)::text AS mark, trim_scale(s.index)::text AS index,
       s.funding_rate::float8, s.funding_interval_s, s.funding_at_cap,
       trim_scale(s.margin_long)::text AS margin_long, trim_scale(s.margin_short)::text AS margin_short, s.margin_basis,
       s.n_long, s.n_short, s.gross_to_oi::float8,
       (s.oi_usd / nullif(s.margin_long + s.margin_short, 0))::float8 AS notional_to_oi, 'oi_to_margin' AS variant,
       s.is_kept, s.block_number AS as_of_block,
       to_char(s.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of_time
FROM perp_market_state_at(%(chain_id)s, %(block_number)s) s
JOIN deployment d ON d.chain_id = s.chain_id AND d.deployment_key = s.deployment_key
WHERE s.market_key = %(market_key)s AND (%(key_0)s::bigint IS NULL OR s.block_number < %(key_0)s::bigint)
ORDER BY s.block_number DESC LIMIT %(limit)s
"""

IMBALANCE: Final[LiteralString] = """
SELECT d.protocol, s.project, s.version, s.deployment, s.venue, s.market, s.symbol, s.oi_skew::float8, s.account_skew::float8,
       s.leverage_skew::float8, s.leverage_long::float8, s.leverage_short::float8, s.long_short_ratio::float8, s.ratio_basis,
       s.funding_annualised::float8, s.funding_apy, s.funding_at_cap, s.basis::float8, s.notional_to_oi::float8, s.variant,
       s.is_kept, s.block_number AS as_of_block,
       to_char(s.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of_time
FROM imbalance_at(%(chain_id)s, %(block_number)s) s
JOIN deployment d ON d.chain_id = s.chain_id AND d.deployment_key = s.deployment_key
WHERE s.market_key = %(market_key)s AND (%(key_0)s::bigint IS NULL OR s.block_number < %(key_0)s::bigint)
ORDER BY s.block_number DESC LIMIT %(limit)s
"""

PURGES_KEY: Final[Keyset] = (("end_bucket", "integer"), ("id", "text"))

PURGES: Final[LiteralString] = """
SELECT p.id, d.protocol, p.project, p.version, p.deployment, p.venue, p.market, p.symbol, p.exposure_kind, p.kind,
       to_char(p.start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS start_time,
       to_char(p.trough_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS trough_time,
       to_char(p.end_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS end_time,
       p.peak_raw::text, p.trough_raw::text, p.contraction::float8, p.liquidated_raw::text, p.liq_intensity::float8,
       p.burst::float8, p.forced_share::float8, p.side, p.price_move::float8, p.block_number AS as_of_block, p.end_bucket
FROM purge_events_at(%(chain_id)s, %(block_number)s, %(market_key)s) p
JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = p.deployment_key
WHERE (%(kind)s::text IS NULL OR p.kind = %(kind)s)
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(key_0)s::bigint IS NULL OR (p.end_bucket, p.id) < (%(key_0)s::bigint, %(key_1)s::text))
ORDER BY p.end_bucket DESC, p.id DESC LIMIT %(limit)s
"""

CORRECTIONS_KEY: Final[Keyset] = (("opened_bucket", "integer"), ("id", "text"))

CORRECTIONS: Final[LiteralString] = """
SELECT c.id, c.venue, c.market, c.asset, c.symbol, c.kind,
       to_char(c.opened_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS opened_time,
       to_char(c.closed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS closed_time,
       trim_scale(c.peak)::text AS peak, to_char(c.peak_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS peak_time,
       trim_scale(c.trough)::text AS trough,
       to_char(c.trough_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS trough_time,
       c.depth::float8, c.leverage_reset::float8, c.leverage_change::float8, c.liquidated_share::float8, c.purge_ids,
       c.opened_bucket
FROM market_corrections_at(%(chain_id)s, %(block_number)s, %(market_key)s, decode(substr(%(asset)s::text, 3), 'hex')) c
WHERE (%(market_key)s::bigint IS NOT NULL OR c.market IS NULL)
  AND (%(key_0)s::bigint IS NULL OR (c.opened_bucket, c.id) < (%(key_0)s::bigint, %(key_1)s::text))
ORDER BY c.opened_bucket DESC, c.id DESC LIMIT %(limit)s
"""

ASSET_KNOWN: Final[LiteralString] = """
SELECT 1 FROM price WHERE chain_id = %(chain_id)s AND asset = decode(substr(%(asset)s::text, 3), 'hex') LIMIT 1
"""


def market(connection: Connection[Any], chain_id: int, venue: str, market: str) -> Row:
    """Return whether there is such a venue (`venue_known`), and protocol and key of its market, None where there is none."""
    found = select_one(connection, MARKET, {"chain_id": chain_id, "venue": venue, "market": market})
    assert found is not None
    return found


def asset_known(connection: Connection[Any], chain_id: int, asset: str) -> bool:
    """Return whether an asset was ever priced on a chain."""
    return select_one(connection, ASSET_KNOWN, {"chain_id": chain_id, "asset": asset}) is not None


def open_interest(connection: Connection[Any], at: BlockAt, market_key: int, limit: int, after: Key | None) -> Slice:
    """Return a market's open interest as of a block and at the kept intervals before it, newest first."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "market_key": market_key}
    return select_slice(connection, OPEN_INTEREST, STATE_KEY, after, limit, parameters)


def imbalance(connection: Connection[Any], at: BlockAt, market_key: int, limit: int, after: Key | None) -> Slice:
    """Return a market's skews, funding and basis as of a block and at the kept intervals before it, newest first."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "market_key": market_key}
    return select_slice(connection, IMBALANCE, STATE_KEY, after, limit, parameters)


def purges(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, market_key: int | None = None, kind: str | None = None, protocol: str | None = None, deployment: str | None = None,
) -> Slice:  # fmt: skip
    """Return purge events known at a block, of one market or of all, newest first."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "market_key": market_key,
        "kind": kind,
        "protocol": protocol,
        "deployment": deployment,
    }
    return select_slice(connection, PURGES, PURGES_KEY, after, limit, parameters)


def corrections(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, market_key: int | None = None, asset: str | None = None,
) -> Slice:  # fmt: skip
    """Return corrections and depegs known at a block, of one perp market or of assets, newest first."""
    parameters = {
        "chain_id": at.chain_id, "block_number": at.block_number, "market_key": market_key, "asset": asset,
    }  # fmt: skip
    return select_slice(connection, CORRECTIONS, CORRECTIONS_KEY, after, limit, parameters)


PURGES_BETWEEN: Final[LiteralString] = """
SELECT p.id, d.protocol, p.project, p.version, p.deployment, p.venue, p.market, p.symbol, p.exposure_kind, p.kind,
       to_char(p.start_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS start_time,
       to_char(p.trough_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS trough_time,
       to_char(p.end_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS end_time,
       p.peak_raw::text, p.trough_raw::text, p.contraction::float8, p.liquidated_raw::text, p.liq_intensity::float8,
       p.burst::float8, p.forced_share::float8, p.side, p.price_move::float8, p.block_number AS as_of_block, p.end_bucket
FROM purge_events_at(%(chain_id)s, %(block_number)s) p
JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = p.deployment_key
WHERE p.end_bucket > %(after)s AND p.end_bucket <= %(until)s AND d.protocol = ANY (%(protocols)s::text[])
ORDER BY p.end_bucket, p.id
"""


def purges_between(
    connection: Connection[Any], *, chain_id: int, block_number: int, after: int, until: int, protocols: Sequence[str]
) -> list[Row]:
    """Return the purges whose last hour ended after second `after` and by `until`, as known at a block."""
    asked = {
        "chain_id": chain_id, "block_number": block_number, "after": after, "until": until, "protocols": list(protocols),
    }  # fmt: skip
    rows = select(connection, PURGES_BETWEEN, asked)
    return [{name: value for name, value in row.items() if name != "end_bucket"} for row in rows]
