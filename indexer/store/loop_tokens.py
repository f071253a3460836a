"""What M6 and M7 need to know of markets and tokens: scopes, receipts, claims, prices."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from indexer.aggregation.lots import Receipt

Connection = psycopg.Connection[Any]

Deployments = Mapping[int, tuple[str, str]]
"""Protocol and kind of each deployment, by its key."""


class Market(NamedTuple):
    """A lending market."""

    scope: int
    """Where collateral backs debt: the deployment where it is pooled, else the market."""
    protocol: str
    asset: str
    collateral_asset: str | None
    supply_token: str | None
    oracle: str | None


@dataclass(frozen=True, slots=True)
class Registry:
    """What tokens are: receipts of lending markets, and what claim tokens are claims on."""

    receipts: dict[Hashable, Receipt]
    base_of: dict[Hashable, Hashable]
    flows: bool
    deployments: Deployments


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _or_none(value: bytes | None) -> str | None:
    return None if value is None else _hex(value)


def registry(connection: Connection, chain_id: int) -> Registry:
    """Return what the chain's tokens are. Receipts whose unit is not their underlying's are left to the actions."""
    rows = connection.execute(
        """
        SELECT m.supply_token, m.asset, m.market_key, coalesce(CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_key END,
               m.deployment_key), d.protocol
        FROM market m JOIN deployment d USING (chain_id, deployment_key)
        JOIN token t ON t.chain_id = m.chain_id AND t.address = m.supply_token AND t.kind = 'lending_receipt'
        JOIN token u ON u.chain_id = m.chain_id AND u.address = m.asset AND u.decimals = t.decimals
        WHERE m.chain_id = %s
        """,
        (chain_id,),
    )
    receipts: dict[Hashable, Receipt] = {_hex(row[0]): Receipt(row[2], row[3], row[4], _hex(row[1])) for row in rows}
    base: dict[Hashable, Hashable] = {
        _hex(row[0]): _hex(row[1])
        for row in connection.execute(
            "SELECT address, underlying FROM token WHERE chain_id = %s AND underlying IS NOT NULL", (chain_id,)
        )
    }
    for token in list(base):
        seen = {token}
        while base[token] in base and base[token] not in seen:
            seen.add(base[token])
            base[token] = base[base[token]]
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM contract WHERE chain_id = %s AND kind = 'WalletToken')", (chain_id,)
    ).fetchone()
    deployments = {
        key: (protocol, kind)
        for key, protocol, kind in connection.execute(
            "SELECT deployment_key, protocol, kind FROM deployment WHERE chain_id = %s", (chain_id,)
        )
    }
    return Registry(receipts, base, bool(row and row[0]), deployments)


def markets_of(
    connection: Connection, chain_id: int, keys: Collection[int], deployments: Deployments
) -> dict[int, Market]:
    """Return those of these markets that are lending markets, by key."""
    rows = connection.execute(
        "SELECT market_key, deployment_key, asset, collateral_asset, supply_token, oracle FROM market "
        "WHERE chain_id = %s AND market_key = ANY(%s)",
        (chain_id, list(keys)),
    )
    found: dict[int, Market] = {}
    for key, deployment, asset, collateral, supply_token, oracle in rows:
        protocol, kind = deployments[deployment]
        if kind == "lending":
            scope = deployment if collateral is None else key
            found[key] = Market(
                scope, protocol, _hex(asset), _or_none(collateral), _or_none(supply_token), _or_none(oracle)
            )
    return found


def prices_of(
    connection: Connection, chain_id: int, wanted: Collection[tuple[str, str | None, int]]
) -> dict[tuple[str, str | None, int], Decimal]:
    """Return the USD price of one base unit of each (token, preferred oracle, block), where there is one."""
    asked = list(wanted)
    rows = connection.execute(
        """
        SELECT k.n, unit_of(t.decimals) * u.price_usd
        FROM unnest(%b::bytea[], %b::bytea[], %b::bigint[]) WITH ORDINALITY k (token, oracle, block_number, n)
        JOIN token t ON t.chain_id = %s AND t.address = k.token
        CROSS JOIN LATERAL usd_price_at(t.chain_id, k.token, k.block_number, k.oracle) u
        WHERE t.decimals IS NOT NULL AND u.price_usd IS NOT NULL
        """,
        (
            [bytes.fromhex(token[2:]) for token, _, _ in asked],
            [bytes.fromhex(oracle[2:]) if oracle else b"" for _, oracle, _ in asked],
            [block for _, _, block in asked], chain_id,
        ),
    ) if asked else ()  # fmt: skip
    return {asked[n - 1]: price for n, price in rows}
