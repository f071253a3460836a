"""What M6 and M7 read of some owners: their actions, toggles and emptied balances, and the transfers beside them.

Of owners that are followed already, what a step adds is in memory (`indexer.store.loop_step`); of others it is read here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

import psycopg

from indexer.aggregation.lots import Act, ActKind, Move
from indexer.aggregation.transactions import Event
from indexer.store.loop_step import LATE, Action, Balances, Change, Fresh
from indexer.store.loop_tokens import Deployments, Market, markets_of, prices_of

Connection = psycopg.Connection[Any]

KINDS: Final[dict[str, ActKind]] = {
    "supply": "supply", "supply_collateral": "supply", "withdraw": "withdraw", "withdraw_collateral": "withdraw",
    "borrow": "borrow", "repay": "repay", "seize": "seize", "flashloan": "flash",
}  # fmt: skip
"""Action to what it is for recursion. A liquidation's repayment is not the owner's money; the emptied debt tells."""

ACTIONS: Final = frozenset(KINDS) - {"flashloan"}

PRICED: Final = frozenset({"supply", "supply_collateral", "borrow", "withdraw"})
"""Actions whose USD value is asked for."""

EXACT: Final = Context(prec=1000, rounding=ROUND_HALF_UP)
"""Rounds as PostgreSQL's `round` does."""

USD_PLACES: Final = Decimal("1e-18")


@dataclass(slots=True)
class OwnerEvents:
    """What is new of one owner, unordered; `changes` of its balances in chain order."""

    events: list[Event] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts, and the first block that is wanted of each."""

    accounts: list[bytes]
    since: list[int]


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


def borrowers(connection: Connection, chain_id: int, accounts: Collection[str]) -> set[str]:
    """Return those of these accounts that have ever borrowed."""
    found = connection.execute(
        """
        SELECT a.account FROM unnest(%b::bytea[]) a (account)
        WHERE EXISTS (SELECT FROM position p WHERE p.chain_id = %s AND p.account = a.account AND p.side = 'debt')
        """,
        ([bytes.fromhex(account[2:]) for account in accounts], chain_id),
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


def load(
    connection: Connection, chain_id: int, deployments: Deployments, owners: Mapping[str, str],
    since: Mapping[str, int], *, flows: bool, fresh: Fresh | None = None, balances: Mapping[str, Balances] | None = None,
    priced_at: Callable[[int], int] = int,
) -> dict[str, OwnerEvents]:  # fmt: skip
    """Return the events of owners by owner; `owners` maps every address of theirs to its owner.

    `since`: owner to the first block that is wanted of it, from the first block on where it has none. `fresh` is what the
    newest step brought, `balances` what accounts held before it: of those accounts everything wanted is in the two.
    `priced_at`: a block at which prices were the same as at this one, the fewer different ones the better.
    """
    held = balances or {}
    slow = [address for address in owners if address not in held]
    accounts = Accounts([bytes.fromhex(a[2:]) for a in slow], [since.get(owners[a], 0) for a in slow])
    found: dict[str, OwnerEvents] = defaultdict(OwnerEvents)
    changes = _changes(connection, chain_id, accounts) if slow else []
    actions = _actions(connection, chain_id, accounts) if slow else []
    if fresh is not None:
        changes += fresh.changes(held)
        actions += fresh.actions(held)
    keys = {change.market for change in changes} | {action.market for action in actions}
    markets = markets_of(connection, chain_id, keys, deployments)
    groups = _acts(connection, chain_id, owners, since, held, found, changes, actions, markets, priced_at)
    for change in changes:
        owner = found[owners[change.account]]
        owner.changes.append(change)
        toggle = _toggle(change, markets.get(change.market))
        if toggle is not None:
            owner.events.append(toggle)
    for flash in _flashes(connection, chain_id, deployments, list(groups), fresh):
        for name in groups[flash.block, flash.tx]:
            found[name].events.append(flash)
    if flows:
        everyone = Accounts([bytes.fromhex(a[2:]) for a in owners], [since.get(owner, 0) for owner in owners.values()])
        for move in _moves(connection, chain_id, everyone, list(groups)):
            mine = {owners[end] for end in (str(move.sender), str(move.receiver)) if end in owners}
            for name in mine | groups.get((move.block, move.tx), set()):
                found[name].events.append(move)
    return found


def _acts(
    connection: Connection, chain_id: int, owners: Mapping[str, str], since: Mapping[str, int],
    held: Mapping[str, Balances], found: dict[str, OwnerEvents], changes: Sequence[Change], actions: Sequence[Action],
    markets: Mapping[int, Market], priced_at: Callable[[int], int],
) -> dict[tuple[int, int], set[str]]:  # fmt: skip
    """Add what the actions say, and return the owners that acted in each transaction."""
    debts: dict[tuple[int, int, int, str], Any] = {}
    backing: dict[tuple[int, str], list[tuple[int, int, bool]]] = {}
    for change in changes:
        if change.side == "debt":
            debts[change.block, change.log, change.market, change.account] = change.shares - change.before
        else:
            states = backing.setdefault((change.market, change.account), [])
            if not states:
                states.append((-1, 0, change.backed))  # what it was before
            states.append((change.block, change.tx, change.backs))
    lacking = {(row.market, row.account) for row in actions if KINDS[row.kind] == "supply"} - backing.keys()
    for place, flag in _backed_before(connection, chain_id, lacking, since, owners, held).items():
        backing[place] = [(-1, 0, flag)]
    lending = [row for row in actions if row.market in markets]
    usd = prices_of(
        connection, chain_id,
        {(row.token, markets[row.market].oracle, priced_at(row.block)) for row in lending if row.kind in PRICED},
    )  # fmt: skip
    custody: dict[tuple[int, str | None], frozenset[Hashable]] = {}
    groups: dict[tuple[int, int], set[str]] = defaultdict(set)
    for row in lending:
        market, kind, owner = markets[row.market], KINDS[row.kind], owners[row.account]
        moved = debts.get((row.block, row.log, row.market, row.account))
        # where one event is both, the books say which it was (Compound v3's base token)
        if kind == "withdraw" and moved is not None and moved > 0:
            kind = "borrow"
        elif kind == "supply" and moved is not None and moved < 0:
            kind = "repay"
        backed = True
        if kind == "supply":
            flags = [flag for block, tx, flag in backing.get((row.market, row.account), ()) if (block, tx) <= row[:2]]
            backed = bool(flags) and flags[-1]
        holders = custody.get((row.market, row.contract))
        if holders is None:
            holders = frozenset([holder for holder in (market.supply_token, row.contract) if holder is not None])
            custody[row.market, row.contract] = holders
        price = usd.get((row.token, market.oracle, priced_at(row.block))) if row.kind in PRICED else None
        value = None
        if price is not None:
            value = EXACT.quantize(EXACT.multiply(Decimal(row.amount), price), USD_PLACES)
        found[owner].events.append(
            Act(row.block, row.tx, row.log, row.time, kind, market.scope, row.market, market.protocol, row.token,
                row.amount, value, backed, holders)
        )  # fmt: skip
        groups[row.block, row.tx].add(owner)
    return groups


def _toggle(change: Change, market: Market | None) -> Act | None:
    """Return what no action says: a balance that became zero, collateral switched on or off."""
    kind: ActKind | None = None
    if not change.shares and change.before:
        kind = "debt_emptied" if change.side == "debt" else "collateral_emptied"
    elif change.side != "debt" and change.backs != change.backed and change.shares and change.before:
        kind = "enabled" if change.backs else "disabled"
    if kind is None or market is None:
        return None
    token = market.asset
    if change.side == "collateral" and market.collateral_asset is not None:
        token = market.collateral_asset
    return Act(
        change.block, change.tx, change.log, change.time, kind, market.scope, change.market, market.protocol, token, 0
    )


def _changes(connection: Connection, chain_id: int, accounts: Accounts) -> list[Change]:
    """Return every change of these accounts' balances."""
    rows = connection.execute(
        """
        SELECT c.block_number, c.log_index, coalesce(l.tx_index, %(late)s), coalesce(b.block_timestamp, 0), c.market_key,
               '0x' || encode(c.account, 'hex'), c.side, c.shares_raw, coalesce(lag(c.shares_raw) OVER w, x.shares_raw, 0),
               c.is_collateral, coalesce(lag(c.is_collateral) OVER w, x.is_collateral, false)
        FROM unnest(%(accounts)b::bytea[], %(since)b::bigint[]) a (account, since)
        JOIN position p ON p.chain_id = %(chain)s AND p.account = a.account AND p.block_number >= a.since
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
    )
    return [Change(*row) for row in rows]


def _backed_before(
    connection: Connection, chain_id: int, pairs: Collection[tuple[int, str]], since: Mapping[str, int],
    owners: Mapping[str, str], held: Mapping[str, Balances],
) -> dict[tuple[int, str], bool]:  # fmt: skip
    """Return whether these (market, account) backed debt before the blocks that were loaded."""
    found = {
        (market, account): held[account].backs[market]
        for market, account in pairs
        if account in held and market in held[account].backs
    }
    asked = [pair for pair in pairs if pair[1] not in held and owners[pair[1]] in since]
    rows = connection.execute(
        """
        SELECT s.market_key, '0x' || encode(s.account, 'hex'), x.is_collateral
        FROM unnest(%s::bigint[], %b::bytea[], %s::bigint[]) s (market_key, account, since)
        CROSS JOIN LATERAL (
            SELECT c.is_collateral FROM position_change c
            WHERE c.chain_id = %s AND c.market_key = s.market_key AND c.account = s.account AND c.side <> 'debt'
              AND c.block_number < s.since
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) x
        """,
        (
            [market for market, _ in asked], [bytes.fromhex(account[2:]) for _, account in asked],
            [since[owners[account]] for _, account in asked], chain_id,
        ),
    ) if asked else ()  # fmt: skip
    found.update(((market, account), flag) for market, account, flag in rows)
    return found


def _actions(connection: Connection, chain_id: int, accounts: Accounts) -> list[Action]:
    """Return what these accounts did at markets."""
    rows = connection.execute(
        """
        SELECT a.block_number, a.tx_index, a.log_index, coalesce(b.block_timestamp, 0), a.transaction_type, a.market_key,
               '0x' || encode(a.on_behalf_of, 'hex'), '0x' || encode(a.token, 'hex'), a.amount_raw,
               '0x' || encode(a.contract, 'hex')
        FROM unnest(%b::bytea[], %b::bigint[]) s (account, since)
        JOIN action a ON a.on_behalf_of = s.account AND a.block_number >= s.since
        LEFT JOIN block b ON b.chain_id = a.chain_id AND b.block_number = a.block_number
        WHERE a.chain_id = %s AND a.market_key IS NOT NULL AND a.amount_raw IS NOT NULL AND a.transaction_type = ANY(%s)
        ORDER BY a.block_number, a.log_index, a.leg
        """,
        (accounts.accounts, accounts.since, chain_id, list(ACTIONS)),
    )
    return [Action._make((*row[:8], int(row[8]), row[9])) for row in rows]


def _flashes(
    connection: Connection, chain_id: int, deployments: Deployments, places: Collection[tuple[int, int]],
    fresh: Fresh | None,
) -> list[Act]:  # fmt: skip
    """Return the flash loans of these transactions, given as (block, index)."""
    found: list[tuple[Any, ...]] = []
    if fresh is not None:
        found += fresh.flashes(places)
        places = [place for place in places if place[0] < fresh.first]
    if places:
        found += connection.execute(
            """
            SELECT a.block_number, a.tx_index, a.log_index, a.deployment_key, '0x' || encode(a.token, 'hex'), a.amount_raw
            FROM unnest(%s::bigint[], %s::int[]) p (block_number, tx_index)
            JOIN action a ON a.chain_id = %s AND a.block_number = p.block_number AND a.tx_index = p.tx_index
                AND a.transaction_type = 'flashloan'
            """,
            ([place[0] for place in places], [place[1] for place in places], chain_id),
        ).fetchall()
    return [
        Act(block, tx, log, 0, "flash", None, None, deployments[key][0], token, int(amount))
        for block, tx, log, key, token, amount in found
    ]


def _moves(
    connection: Connection, chain_id: int, accounts: Accounts, places: Collection[tuple[int, int]]
) -> list[Move]:
    rows = connection.execute(
        """
        SELECT t.block_number, t.tx_index, t.log_index, t.token, t.from_address, t.to_address, t.amount_raw,
               coalesce(b.block_timestamp, 0)
        FROM (
            SELECT t.* FROM unnest(%(accounts)b::bytea[], %(since)b::bigint[]) a (account, since)
            JOIN token_transfer t ON t.chain_id = %(chain)s AND t.from_address = a.account AND t.block_number >= a.since
            UNION SELECT t.* FROM unnest(%(accounts)b::bytea[], %(since)b::bigint[]) a (account, since)
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
