"""What M6 and M7 need of the step that is being committed, out of its rows: what is in memory is not read again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from indexer.ledger.rows import COLUMNS
from indexer.store.writer import StepRows

LATE: Final = 2**31 - 1
"""Transaction index of what was read at a block's end."""


class Change(NamedTuple):
    """A balance after a log, and before it."""

    block: int
    log: int
    tx: int
    time: int
    market: int
    account: str
    side: str
    shares: Any
    before: Any
    backs: bool
    backed: bool


class Action(NamedTuple):
    """What was done on behalf of an account at a market."""

    block: int
    tx: int
    log: int
    time: int
    kind: str
    market: int
    account: str
    token: str
    amount: int
    contract: str | None


@dataclass(slots=True)
class Balances:
    """What one account holds after the changes that were noted."""

    held: dict[tuple[int, str], tuple[Any, bool]] = field(default_factory=dict)
    """Shares by market and side, and whether they back debt."""
    backs: dict[int, bool] = field(default_factory=dict)
    """Whether the supply that changed last in a market backs debt."""

    def note(self, changes: Iterable[Change]) -> None:
        """Take in changes, in chain order."""
        for change in changes:
            self.held[change.market, change.side] = change.shares, change.backs
            if change.side != "debt":
                self.backs[change.market] = change.backs


def _of(table: str, *names: str) -> list[int]:
    return [COLUMNS[table].index(name) for name in names]


_BLOCK, _LOG, _LEG, _TX, _DEPLOYMENT, _MARKET, _TYPE, _TOKEN, _BEHALF, _RECIPIENT, _AMOUNT, _CONTRACT = _of(
    "action", "block_number", "log_index", "leg", "tx_index", "deployment_key", "market_key", "transaction_type", "token",
    "on_behalf_of", "recipient", "amount_raw", "contract",
)  # fmt: skip
_C_MARKET, _C_ACCOUNT, _C_SIDE, _C_BLOCK, _C_LOG, _C_LEG, _C_SHARES, _C_BACKS = _of(
    "position_change",
    "market_key",
    "account",
    "side",
    "block_number",
    "log_index",
    "leg",
    "shares_raw",
    "is_collateral",
)
(_P_BLOCK,) = _of("price", "block_number")


class Fresh:
    """A step of which every row is in memory: no row of its blocks can be there already."""

    def __init__(self, step: StepRows, first: int, last: int, kinds: Collection[str]) -> None:
        """Sort the rows of blocks `first` to `last`; of actions those of `kinds`."""
        self.first = first
        self._times = {header.number: header.timestamp for header in step.headers}
        logs = step.logs
        self._tx = (
            dict(zip(zip(logs.block_number, logs.log_index, strict=True), logs.tx_index, strict=True)) if logs else {}
        )
        self.accounts: set[str] = set()
        """Whose books were acted on."""
        self._changes: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in step.rows["position_change"]:
            if row[_C_BLOCK] <= last:
                self._changes[row[_C_ACCOUNT]].append(row)
        self.accounts.update(self._changes)
        self._actions: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._flashes: dict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
        for row in step.rows["action"]:
            if row[_BLOCK] > last:
                continue
            account, kind = row[_BEHALF], row[_TYPE]
            if kind == "flashloan":
                self._flashes[row[_BLOCK], row[_TX]].append(row)
            if row[_MARKET] is not None:
                if account is not None:
                    self.accounts.add(account)
                    if kind in kinds and row[_AMOUNT] is not None:
                        self._actions[account].append(row)
            if kind == "transfer" and row[_RECIPIENT] is not None:
                self.accounts.add(row[_RECIPIENT])
        self.price_blocks = {row[_P_BLOCK] for row in step.rows["price"]}

    def changes(self, accounts: Mapping[str, Balances]) -> list[Change]:
        """Return how balances of accounts changed that held these before; in chain order."""
        found = []
        for account, balances in accounts.items():
            held: dict[tuple[int, str], tuple[Any, bool]] = {}
            for row in sorted(
                self._changes.get(account, ()), key=lambda row: (row[_C_BLOCK], row[_C_LOG], row[_C_LEG])
            ):
                block, log, key = row[_C_BLOCK], row[_C_LOG], (row[_C_MARKET], row[_C_SIDE])
                before, backed = held.get(key) or balances.held.get(key, (0, False))
                held[key] = row[_C_SHARES], row[_C_BACKS]
                found.append(Change(
                    block, log, self._tx.get((block, log), LATE), self._times.get(block, 0), row[_C_MARKET], account,
                    row[_C_SIDE], row[_C_SHARES], before, row[_C_BACKS], backed,
                ))  # fmt: skip
        return found

    def actions(self, accounts: Iterable[str]) -> list[Action]:
        """Return what was done on behalf of accounts, in chain order."""
        return [
            Action(row[_BLOCK], row[_TX], row[_LOG], self._times.get(row[_BLOCK], 0), row[_TYPE], row[_MARKET], account,
                   row[_TOKEN], row[_AMOUNT], row[_CONTRACT])
            for account in accounts
            for row in sorted(self._actions.get(account, ()), key=lambda row: (row[_BLOCK], row[_LOG], row[_LEG]))
        ]  # fmt: skip

    def flashes(self, places: Iterable[tuple[int, int]]) -> list[tuple[Any, ...]]:
        """Return block, transaction, log, deployment, token and amount of the flash loans of these transactions."""
        return [
            (row[_BLOCK], row[_TX], row[_LOG], row[_DEPLOYMENT], row[_TOKEN], row[_AMOUNT])
            for place in places
            for row in sorted(self._flashes.get(place, ()), key=lambda row: (row[_LOG], row[_LEG]))
        ]
