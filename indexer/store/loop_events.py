"""What M6 and M7 read of some owners: their actions, toggles and emptied balances, and the transfers beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import psycopg

from indexer.aggregation.lots import Act, ActKind, Move, Receipt
from indexer.aggregation.provenance import Event

Connection = psycopg.Connection[Any]

KINDS: Final[dict[str, ActKind]] = {
    "supply": "supply", "supply_collateral": "supply", "withdraw": "withdraw", "withdraw_collateral": "withdraw",
    "borrow": "borrow", "repay": "repay", "seize": "seize", "flashloan": "flash",
}  # fmt: skip
"""Action to what it is for recursion. A liquidation's repayment is not the owner's money; the emptied debt tells."""

LATE: Final = 2**31 - 1
"""Transaction index of what was read at a block's end."""


@dataclass(slots=True)
class OwnerEvents:
    """Everything about one owner, unordered."""

    addresses: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts, and the first block that is wanted of each."""

    accounts: list[bytes]
    since: list[int]


@dataclass(frozen=True, slots=True)
class Registry:
    """What tokens are: receipts of lending markets, and what claim tokens are claims on."""

    receipts: dict[Hashable, Receipt]
    base_of: dict[Hashable, Hashable]
    flows: bool


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def touched(connection: Connection, chain_id: int, first: int, last: int) -> set[str]:
    """Return the accounts whose books were acted on in these blocks and that have ever borrowed."""
    found = connection.execute(
        """
        SELECT DISTINCT t.account FROM (
            SELECT on_behalf_of AS account FROM action
            WHERE chain_id = %(chain)s AND block_number BETWEEN %(first)s AND %(last)s AND market_key IS NOT NULL
            UNION
            SELECT recipient FROM action
            WHERE chain_id = %(chain)s AND block_number BETWEEN %(first)s AND %(last)s AND transaction_type = 'transfer'
            UNION
            SELECT account FROM position_change
            WHERE chain_id = %(chain)s AND block_number BETWEEN %(first)s AND %(last)s
        ) t
        WHERE EXISTS (SELECT FROM position p WHERE p.chain_id = %(chain)s AND p.account = t.account AND p.side = 'debt')
        """,
        {"chain": chain_id, "first": first, "last": last},
    )
    return {_hex(row[0]) for row in found}


def owners_of(connection: Connection, chain_id: int, accounts: Iterable[str]) -> dict[str, str]:
    """Return address to owner for these accounts and for every other address of the same owners."""
    known = {
        row[0]: row[1] for row in connection.execute("SELECT address, owner_id FROM owners_at(%s, NULL)", (chain_id,))
    }
    found = {account: known.get(account, account) for account in accounts}
    wanted = set(found.values())
    found.update((address, owner) for address, owner in known.items() if owner in wanted)
    found.update((owner, owner) for owner in wanted)
    return found


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
    return Registry(receipts, base, bool(row and row[0]))


def load(
    connection: Connection, chain_id: int, owners: dict[str, str], since: Mapping[str, int] | None = None
) -> dict[str, OwnerEvents]:
    """Return the events of owners by owner; `owners` maps every address of theirs to its owner.

    `since`: owner to the first block that is wanted of it, from the first block on where it has none.
    """
    begin = since or {}
    accounts = Accounts([bytes.fromhex(address[2:]) for address in owners], [begin.get(o, 0) for o in owners.values()])
    found: dict[str, OwnerEvents] = defaultdict(OwnerEvents)
    for address, owner in owners.items():
        found[owner].addresses.add(address)
    groups: dict[tuple[int, int], set[str]] = defaultdict(set)
    changes = _changes(connection, chain_id, accounts)
    debts: dict[tuple[int, int, Hashable, bytes], Any] = {}
    backing: dict[tuple[Hashable, bytes], list[tuple[int, int, bool]]] = defaultdict(list)
    for row in changes:
        if row[5] == "debt":
            debts[row[0], row[1], row[3], row[4]] = row[7]
        else:
            before = backing[row[3], row[4]]
            if not before and begin:
                before.append((-1, 0, row[12]))  # what it was before
            before.append((row[0], row[2], row[8]))
    actions = list(_actions(connection, chain_id, accounts))
    if begin:
        lacking = {(act.market, account) for act, account in actions if act.kind == "supply"} - backing.keys()
        for (market, account), flag in _backed_before(connection, chain_id, lacking, begin, owners).items():
            backing[market, account].append((-1, 0, flag))
    for act, account in actions:
        owner = owners[_hex(account)]
        moved = debts.get((act.block, act.log, act.market, account))
        kind = act.kind
        # where one event is both, the books say which it was (Compound v3's base token)
        if kind == "withdraw" and moved is not None and moved > 0:
            kind = "borrow"
        elif kind == "supply" and moved is not None and moved < 0:
            kind = "repay"
        backed = act.collateral
        if kind == "supply":
            states = [flag for block, tx, flag in backing[act.market, account] if (block, tx) <= (act.block, act.tx)]
            backed = bool(states) and states[-1]
        found[owner].events.append(
            Act(act.block, act.tx, act.log, act.time, kind, act.scope, act.market, act.protocol, act.token,
                act.amount, act.usd, backed, act.custody)
        )  # fmt: skip
        groups[act.block, act.tx].add(owner)
    _toggles(changes, owners, found)
    places = list(groups)
    for flash in _flashes(connection, chain_id, places):
        for owner in groups[flash.block, flash.tx]:
            found[owner].events.append(flash)
    for move in _moves(connection, chain_id, accounts, places):
        mine = {owners[end] for end in (str(move.sender), str(move.receiver)) if end in owners}
        for owner in mine | groups.get((move.block, move.tx), set()):
            found[owner].events.append(move)
    return found


def _changes(connection: Connection, chain_id: int, accounts: Accounts) -> list[tuple[Any, ...]]:
    """Every change of these accounts' balances: block, log, tx, market, account, side, shares, delta, backs, scope, ..."""
    return connection.execute(
        """
        SELECT c.block_number, c.log_index, coalesce(l.tx_index, %(late)s), c.market_key, c.account, c.side, c.shares_raw,
               c.shares_raw - coalesce(lag(c.shares_raw) OVER w, x.shares_raw, 0), c.is_collateral,
               CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_key ELSE m.deployment_key END, d.protocol,
               CASE WHEN c.side = 'collateral' THEN coalesce(m.collateral_asset, m.asset) ELSE m.asset END,
               coalesce(lag(c.is_collateral) OVER w, x.is_collateral, false), coalesce(b.block_timestamp, 0),
               coalesce(lag(c.shares_raw) OVER w, x.shares_raw, 0)
        FROM unnest(%(accounts)s::bytea[], %(since)s::bigint[]) a (account, since)
        JOIN position p ON p.chain_id = %(chain)s AND p.account = a.account AND p.block_number >= a.since
        JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
        JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'lending'
        LEFT JOIN LATERAL (
            SELECT x.shares_raw, x.is_collateral FROM position_change x
            WHERE a.since > 0 AND x.chain_id = p.chain_id AND x.market_key = p.market_key AND x.account = p.account
              AND x.side = p.side AND x.block_number < a.since
            ORDER BY x.block_number DESC, x.log_index DESC, x.leg DESC LIMIT 1
        ) x ON true
        JOIN position_change c ON c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account
            AND c.side = p.side AND c.block_number >= a.since
        LEFT JOIN raw_log l ON l.chain_id = c.chain_id AND l.block_number = c.block_number AND l.log_index = c.log_index
        LEFT JOIN block b ON b.chain_id = c.chain_id AND b.block_number = c.block_number
        WINDOW w AS (PARTITION BY c.market_key, c.account, c.side ORDER BY c.block_number, c.log_index, c.leg)
        ORDER BY c.block_number, c.log_index, c.leg
        """,
        {"chain": chain_id, "accounts": accounts.accounts, "since": accounts.since, "late": LATE},
    ).fetchall()


def _backed_before(
    connection: Connection, chain_id: int, pairs: Collection[tuple[Hashable, bytes]], since: Mapping[str, int],
    owners: Mapping[str, str],
) -> dict[tuple[Hashable, bytes], bool]:  # fmt: skip
    """Return whether these (market, account) backed debt before the blocks that were loaded."""
    if not pairs:
        return {}
    rows = connection.execute(
        """
        SELECT s.market_key, s.account, x.is_collateral
        FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) s (market_key, account, since)
        CROSS JOIN LATERAL (
            SELECT c.is_collateral FROM position_change c
            WHERE c.chain_id = %s AND c.market_key = s.market_key AND c.account = s.account AND c.side <> 'debt'
              AND c.block_number < s.since
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) x
        """,
        (
            [market for market, _ in pairs], [account for _, account in pairs],
            [since.get(owners[_hex(account)], 0) for _, account in pairs], chain_id,
        ),
    )  # fmt: skip
    return {(market, account): flag for market, account, flag in rows}


def _toggles(changes: Iterable[tuple[Any, ...]], owners: dict[str, str], found: dict[str, OwnerEvents]) -> None:
    """Add what no action says: a balance that became zero, collateral switched on or off."""
    for row in changes:
        block, log, tx, market, account, side, shares, delta, backs, scope, protocol, token, backed, time, before = row
        kind: ActKind | None = None
        if not shares and delta:
            kind = "debt_emptied" if side == "debt" else "collateral_emptied"
        elif side != "debt" and backs != backed and shares and before:
            kind = "enabled" if backs else "disabled"
        if kind is not None:
            found[owners[_hex(account)]].events.append(
                Act(block, tx, log, time, kind, scope, market, protocol, _hex(token), 0)
            )


def _actions(connection: Connection, chain_id: int, accounts: Accounts) -> Iterable[tuple[Act, bytes]]:
    rows = connection.execute(
        """
        SELECT a.block_number, a.tx_index, a.log_index, coalesce(b.block_timestamp, 0), a.transaction_type,
               CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_key ELSE m.deployment_key END, m.market_key, d.protocol,
               a.token, a.amount_raw,
               CASE WHEN a.transaction_type IN ('supply', 'supply_collateral', 'borrow', 'withdraw') THEN
                   round(a.amount_raw * unit_of(t.decimals)
                         * (SELECT u.price_usd FROM usd_price_at(a.chain_id, a.token, a.block_number, m.oracle) u), 18) END,
               a.on_behalf_of, m.supply_token, a.contract
        FROM unnest(%s::bytea[], %s::bigint[]) s (account, since)
        JOIN action a ON a.on_behalf_of = s.account AND a.block_number >= s.since
        JOIN market m USING (chain_id, market_key)
        JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'lending'
        LEFT JOIN token t ON t.chain_id = a.chain_id AND t.address = a.token
        LEFT JOIN block b ON b.chain_id = a.chain_id AND b.block_number = a.block_number
        WHERE a.chain_id = %s AND a.amount_raw IS NOT NULL AND a.transaction_type = ANY(%s)
        """,
        (accounts.accounts, accounts.since, chain_id, [kind for kind in KINDS if kind != "flashloan"]),
    )
    for row in rows:
        usd: Decimal | None = row[10]
        yield (
            Act(
                row[0],
                row[1],
                row[2],
                row[3],
                KINDS[row[4]],
                row[5],
                row[6],
                row[7],
                _hex(row[8]),
                int(row[9]),
                usd,
                True,
                frozenset(_hex(held) for held in row[12:14] if held is not None),
            ),
            row[11],
        )


def _flashes(connection: Connection, chain_id: int, places: Collection[tuple[int, int]]) -> list[Act]:
    rows = connection.execute(
        """
        SELECT a.block_number, a.tx_index, a.log_index, d.protocol, a.token, a.amount_raw
        FROM unnest(%s::bigint[], %s::int[]) p (block_number, tx_index)
        JOIN action a ON a.chain_id = %s AND a.block_number = p.block_number AND a.tx_index = p.tx_index
            AND a.transaction_type = 'flashloan'
        JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.deployment_key
        """,
        ([place[0] for place in places], [place[1] for place in places], chain_id),
    )
    return [Act(row[0], row[1], row[2], 0, "flash", None, None, row[3], _hex(row[4]), int(row[5])) for row in rows]


def _moves(
    connection: Connection, chain_id: int, accounts: Accounts, places: Collection[tuple[int, int]]
) -> list[Move]:
    rows = connection.execute(
        """
        SELECT t.block_number, t.tx_index, t.log_index, t.token, t.from_address, t.to_address, t.amount_raw,
               coalesce(b.block_timestamp, 0)
        FROM (
            SELECT t.* FROM unnest(%(accounts)s::bytea[], %(since)s::bigint[]) a (account, since)
            JOIN token_transfer t ON t.chain_id = %(chain)s AND t.from_address = a.account AND t.block_number >= a.since
            UNION SELECT t.* FROM unnest(%(accounts)s::bytea[], %(since)s::bigint[]) a (account, since)
            JOIN token_transfer t ON t.chain_id = %(chain)s AND t.to_address = a.account AND t.block_number >= a.since
            UNION SELECT t.* FROM unnest(%(blocks)s::bigint[], %(txs)s::int[]) p (block_number, tx_index)
            JOIN token_transfer t ON t.chain_id = %(chain)s AND t.block_number = p.block_number AND t.tx_index = p.tx_index
        ) t
        LEFT JOIN block b ON b.chain_id = t.chain_id AND b.block_number = t.block_number
        """,
        {
            "chain": chain_id, "accounts": accounts.accounts, "since": accounts.since,
            "blocks": [place[0] for place in places], "txs": [place[1] for place in places],
        },
    )  # fmt: skip
    return [Move(row[0], row[1], row[2], _hex(row[3]), _hex(row[4]), _hex(row[5]), int(row[6]), row[7]) for row in rows]
