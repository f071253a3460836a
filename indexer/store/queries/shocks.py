"""What a simulation needs beside legs: liquidation rules in force, markets' cash and debt, assets that fall together.

The API does not import this.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

import numpy as np
from psycopg import Connection

from indexer.aggregation.legs import Legs
from indexer.aggregation.liquidation_rules import AAVE_V3_0, AAVE_V3_3, BY_PROTOCOL, Rule
from indexer.aggregation.stress import Markets
from indexer.store.queries.rows import select

MARKETS: Final[LiteralString] = """
SELECT m.market_key, m.asset, m.total_supply::float8 AS supply, m.total_debt::float8 AS debt, m.market_id
FROM markets_at(%(chain_id)s, %(block)s) m
"""

RULES: Final[LiteralString] = """
SELECT d.deployment_key, d.protocol, r.regime, v.value_text AS version, f.value_raw::float8 / 1e18 AS close_factor
FROM deployment d
LEFT JOIN (SELECT m.deployment_key, min(m.regime) AS regime FROM markets_at(%(chain_id)s, %(block)s) m GROUP BY 1) r
    ON r.deployment_key = d.deployment_key
LEFT JOIN params_at(%(chain_id)s, %(block)s) v
    ON v.chain_id = d.chain_id AND v.subject = d.deployment_key AND v.name = 'contract_version' AND v.qualifier = ''
LEFT JOIN params_at(%(chain_id)s, %(block)s) f
    ON f.chain_id = d.chain_id AND f.subject = d.deployment_key AND f.name = 'close_factor_raw' AND f.qualifier = ''
WHERE d.chain_id = %(chain_id)s
"""

TOGETHER: Final[LiteralString] = """
WITH lent AS (
    SELECT DISTINCT asset FROM market WHERE chain_id = %(chain_id)s AND block_number <= %(block)s
), claim AS (
    SELECT l.asset, c.underlying
    FROM lent l
    CROSS JOIN LATERAL (
        SELECT (array_agg(k.underlying))[1] AS underlying FROM token_claims_of(%(chain_id)s, l.asset, %(block)s) k HAVING count(*) = 1
    ) c
    WHERE c.underlying IS NOT NULL  -- no pair: its share is no claim on one thing
)
SELECT hex(underlying) AS together, hex(asset) AS asset FROM claim
UNION
SELECT hex(underlying), hex(underlying) FROM claim
UNION
SELECT g.root, g.asset
FROM (SELECT asset_group_of(%(chain_id)s, asset, %(block)s) AS root, hex(asset) AS asset FROM lent) g
WHERE g.root ~ '^0x[0-9a-f]{40}$'  -- not usd, whose members lose their peg one by one, and not a pair's two roots
UNION
SELECT m.deployment_key::text || ' e-mode ' || c.key, '0x' || encode(m.asset, 'hex')
FROM aave_emode(%(chain_id)s, %(block)s) e
JOIN market m ON m.chain_id = e.chain_id AND m.market_key = e.market_key
CROSS JOIN LATERAL jsonb_each(e.rules) c
WHERE strpos(lower(coalesce(c.value ->> 4, '')), 'stable') = 0
"""


def rules_at(connection: Connection[Any], chain_id: int, block: int) -> dict[int, Rule]:
    """Return the rule of each deployment where the books say more than its protocol's name.

    Aave: from 3.3 by its regime (3.4 and later) or by the deployment parameter contract_version; Compound: its close factor.
    """
    found: dict[int, Rule] = {}
    for row in select(connection, RULES, {"chain_id": chain_id, "block": block}):
        rule = BY_PROTOCOL.get(row["protocol"])
        if row["protocol"] in ("aave_v3", "spark"):
            new = row["regime"] in ("half_up_b", "directed_b") or str(row["version"] or "") >= "3.3"
            rule = AAVE_V3_3 if new else AAVE_V3_0
        elif row["close_factor"] and rule is not None and 0 < row["close_factor"] <= 1:
            rule = Rule(close_factor=row["close_factor"])
        if rule is not None:
            found[row["deployment_key"]] = rule
    return found


def markets_at(connection: Connection[Any], chain_id: int, block: int, legs: Legs) -> tuple[Markets, list[str]]:
    """Return cash and debt of every market whose asset some leg is in, and their ids."""
    place = {asset: n for n, asset in enumerate(legs.assets)}
    rows = [
        row
        for row in select(connection, MARKETS, {"chain_id": chain_id, "block": block})
        if row["asset"] in place and row["supply"] is not None and row["debt"] is not None
    ]
    supply, debt = (np.array([row[name] for row in rows], np.float64) for name in ("supply", "debt"))
    keys = np.array([row["market_key"] for row in rows], np.int64)
    assets = np.array([place[row["asset"]] for row in rows], np.int64)
    return Markets(keys, assets, supply - debt, debt), [str(row["market_id"]) for row in rows]


def correlated(connection: Connection[Any], chain_id: int, block: int, legs: Legs) -> list[list[int]]:
    """Return groups of assets that fall together: claims on one token, directly or through other claims, and members of one
    e-mode that is not of stables.

    The books say it, no list of tickers does. Groups that share an asset are one.
    """
    place = {asset: n for n, asset in enumerate(legs.assets)}
    by_reason: dict[str, set[str]] = {}
    for row in select(connection, TOGETHER, {"chain_id": chain_id, "block": block}):
        by_reason.setdefault(row["together"], set()).add(row["asset"])
    groups: list[set[str]] = []
    for members in by_reason.values():
        touching = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members]
        groups.append(members.union(*touching))
    found = [sorted(place[asset] for asset in group if asset in place) for group in groups]
    return sorted(group for group in found if len(group) > 1)
