"""What an adapter is: contracts, pure handlers from events to facts, and rules that book the facts.

    Events --handler--> facts (Actions, Changes, Finds, Wants)      stateless, column by column
    Changes --rule----> Book                                        in chain order, one call a change

A handler never looks up state. What depends on state (the account's last index, a market's totals, who receives the
fee) is the business of a rule: a pure function of the ledger's `Book` and the change's own arguments.

`Book` is `indexer.ledger.book.Book`; rules are typed against the `BookLike` protocol here so that this room
stays below the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Literal
from typing import Protocol as Interface

from indexer.decode.layout import Events
from indexer.types import Address, Read

TRANSACTION_TYPES = (
    "supply", "withdraw", "borrow", "repay", "repay_with_atokens", "liquidation", "seize", "transfer", "flashloan",
    "supply_collateral", "withdraw_collateral", "mint_to_treasury", "accrue_fee", "bad_debt", "cover_deficit",
)  # fmt: skip
"""The closed list of `transaction_type`; `docs/glossary.md` says what each means."""

MarketRef = tuple[int, str]
"""(deployment_key, native id): how an event names a market. Aave's native id is the asset, Morpho's the market id."""


# ------------------------------------------------------------------------------------------------ the ledger's side


@dataclass(slots=True)
class PositionState:
    """One balance as of its last change: `shares` never grow with interest; `basis` is the index then, where it matters."""

    shares: int = 0
    basis: int | None = None
    is_collateral: bool = False
    extra: dict[str, int] | None = None
    """Further numbers that this accounting needs of an account, by name (Liquity's snapshots)."""


@dataclass(slots=True)
class MarketBooks:
    """A market's stored books; fields and units as in the table `market_state`."""

    key: int
    regime: str
    accrued_at: int = 0
    supply_index: int | None = None
    debt_index: int | None = None
    supply_rate: int | None = None
    debt_rate: int | None = None
    supply_shares: int = 0
    debt_shares: int = 0
    supply_assets: int | None = None
    debt_assets: int | None = None
    rate_at_target: int | None = None
    fee: int | None = None
    extra: dict[str, int] | None = None
    """Further numbers that this accounting needs of a market, by name (Compound's cash and reserves)."""


class BookLike(Interface):
    """What a rule may do. Every method books at the block and log index that the ledger is at."""

    chain_id: int
    block_number: int
    log_index: int

    def timestamp(self) -> int: ...
    def answer(self, to: Address, data: str) -> str | None: ...
    def deployment(self, address: Address) -> Deployment: ...
    def market(self, ref: MarketRef) -> MarketBooks: ...
    def markets_of(self, deployment_key: int) -> Sequence[MarketBooks]: ...
    def has_market(self, ref: MarketRef) -> bool: ...
    def market_of_token(self, token: Address) -> tuple[MarketBooks, str]: ...
    def touch(self, market: MarketBooks) -> None: ...
    def add_market(self, ref: MarketRef, listing: Listing) -> MarketBooks: ...
    def position(self, market_key: int, account: Address, side: str) -> PositionState: ...
    def book(self, market_key: int, account: Address, side: str, position: PositionState, leg: int = 0) -> None: ...
    def set_param(
        self, subject: int, name: str, value: int | None = None, text: str | None = None, qualifier: str = ""
    ) -> None: ...
    def param(self, subject: int, name: str, qualifier: str = "") -> int | str | None: ...
    def set_account(self, subject: int, account: Address, name: str, value: int) -> None: ...
    def add_token(
        self, address: Address, kind: str, issuer: str | None = None, underlying: Address | None = None
    ) -> None: ...
    def add_price(
        self, feed: Address, asset: Address, price_raw: int, unit_raw: int | None, quote: str, source: str = "oracle"
    ) -> None: ...
    def add_link(
        self, deployment_key: int, token: Address, kind: str, underlying: Address | None = None, *,
        issuer: str | None = None, rule: str | None = None, source: str | None = None, place: int = 0,
        expiry: int | None = None, group: str | None = None,
    ) -> None: ...  # fmt: skip
    def add_rate(self, token: Address, underlying: Address, numerator: int, denominator: int) -> None: ...
    def set_wallet(self, deployment_key: int, wallet: Address, kind: str, threshold: int | None) -> None: ...
    def set_owner(self, deployment_key: int, wallet: Address, owner: Address, is_owner: bool, leg: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """What a market is, from the event that listed it. Addresses lower case."""

    native_id: str
    accounting: str
    regime: str
    asset: Address
    collateral_asset: Address | None = None
    supply_token: Address | None = None
    debt_token: Address | None = None
    oracle: Address | None = None
    supply_index: int | None = None
    debt_index: int | None = None
    supply_assets: int | None = None
    debt_assets: int | None = None


# --------------------------------------------------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class Actions:
    """What someone did: rows of `action`. For people, never summed into balances.

    `market` names the market by its native id within the emitter's deployment; "receipt" when the emitter is a
    receipt token, which knows its market; None when the action is not about one market.
    `token` is the asset moved; None means the market's own asset, "collateral" its collateral asset.
    """

    events: Events
    transaction_type: str | Sequence[str]
    market: Sequence[str] | Literal["receipt"] | None = None
    token: Sequence[Address] | Literal["collateral"] | None = None
    amount: Sequence[int | None] | None = None
    fee: Sequence[int | None] | None = None
    borrower: Sequence[Address] | None = None
    depositor: Sequence[Address] | None = None
    on_behalf_of: Sequence[Address] | None = None
    repayer: Sequence[Address] | None = None
    liquidator: Sequence[Address] | None = None
    recipient: Sequence[Address] | None = None
    leg: int = 0
    where: Sequence[bool] | None = None
    """Rows for which the action exists; None means all."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What moved on the books: `rule(book, *arguments of the row)` is called in chain order.

    `touches` names the balances that the rule will need, as (market or token column, account column, side or None),
    so that the store can load them in one go. A token column resolves its side itself.
    """

    events: Events
    rule: Callable[..., None]
    arguments: tuple[Iterable[Any], ...] = ()
    touches: tuple[tuple[Sequence[Any], Sequence[Address], str | None], ...] = ()
    early: bool = False
    """Booked before everything else of its block: what is published at the end of a batch but held throughout it."""


@dataclass(frozen=True, slots=True)
class Finds:
    """Contracts to watch from the event's block on, as contracts of `kind` of the emitter's deployment.

    An empty or zero address means none in this row.
    `past` reaches back: logs of so many blocks before the event, down to the deployment's start, are booked too, each at
    its own block (a constructor's parameters). Their rules meet books in which the contract's market is not listed.
    """

    events: Events
    kind: str
    address: Sequence[Address]
    past: int = 0


@dataclass(frozen=True, slots=True)
class Wants:
    """View calls that the rules need, at the end of the event's block. Answers reach rules by `book.answer`.

    An empty `to` means none in this row.
    """

    events: Events
    to: Sequence[Address]
    data: str | Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class PerpActions:
    """What someone did on a perp venue: rows of `perp_action`. Amounts in the venue's own units, as its README says.

    `action` is one of PERP_ACTIONS; `side` long or short where the event tells. Columns left None are not told.
    """

    events: Events
    action: str | Sequence[str]
    trader: Sequence[Address]
    market: Sequence[str] | None = None
    side: Sequence[str | None] | None = None
    size: Sequence[int | None] | None = None
    price: Sequence[int | None] | None = None
    margin_delta: Sequence[int | None] | None = None
    fee: Sequence[int | None] | None = None
    pnl: Sequence[int | None] | None = None
    funding: Sequence[int | None] | None = None
    is_liquidation: bool = False
    leg: int = 0


PERP_ACTIONS = (
    "increase", "decrease", "trade", "liquidation", "deposit", "withdraw", "funding", "settle_pnl", "liquidity",
    "bad_debt",
)  # fmt: skip
"""The closed list of `perp_action.action`."""

Fact = Actions | PerpActions | Changes | Finds | Wants


# --------------------------------------------------------------------------------------------------- the adapter

Handler = Callable[[Events], Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class Contract:
    """A kind of contract: the name of its ABI file, and a handler for each of its events that matters."""

    kind: str
    handlers: Mapping[str, Handler]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of a protocol. `contracts` maps ABI file names to addresses (lower case).

    `version` states the contract version where it cannot be read from the chain.
    """

    key: int
    protocol: str
    chain_id: int
    name: str
    start_block: int
    contracts: Mapping[str, Address]
    version: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceFeed:
    """A price that a protocol reads: `eth_call(to, data)` gives one uint256.

    price_raw / unit_raw is the price of one whole token of `asset` in `quote` ("usd" or a token address).
    `unit_raw` is None while the decimals it depends on are unknown.
    """

    to: Address
    data: str
    asset: Address
    unit_raw: int | None
    quote: str


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """What `Protocol.feeds` may look at: markets, parameters and decimals known at the end of a range."""

    deployments: Sequence[Deployment]
    listings: Mapping[MarketRef, Listing]
    params: Mapping[tuple[int, str, str], int | str | None]
    decimals: Mapping[Address, int | None]


@dataclass(frozen=True, slots=True)
class Books:
    """What the SQL interface says at one block, as `Protocol.checks` needs it: rows by column name.

    `positions` are rows of `positions_at`, `health` of `account_health`, `markets` of `markets_at`; `accounts` are all
    those to check, also ones without a row. Restricted to one deployment.
    """

    deployment: Deployment
    accounts: Sequence[Address]
    positions: Sequence[Mapping[str, Any]]
    health: Sequence[Mapping[str, Any]]
    markets: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of the ledger with a contract: `eth_call(to, data)` has to return these words.

    None in `expected` leaves a word out of the comparison.
    """

    what: str
    account: Address
    market_id: str
    to: Address
    data: str
    expected: tuple[int | None, ...]

    @property
    def is_balance(self) -> bool:
        """Whether it is about one account in one market, and not a total, an index or a figure of the whole account."""
        return bool(self.account and self.market_id)


@dataclass(frozen=True, slots=True)
class Protocol:
    """An adapter: everything the house needs to know about one protocol.

    `open_deployment` books what a listing alone says, before the first event (may be None).
    `feeds` lists the prices to read. `required` names the contracts that a deployment must list.
    """

    slug: str
    project: str
    version: str
    kind: Literal["lending", "perp", "oracle", "link"]
    contracts: Sequence[Contract]
    required: Sequence[str]
    feeds: Callable[[MarketFacts], list[PriceFeed]] | None = None
    open_deployment: Callable[[BookLike, Deployment], None] | None = None
    state_reads: Callable[[MarketFacts], list[tuple[Address, str]]] | None = None
    """(contract, calldata) of state that events do not tell; asked wherever prices are read."""

    read_rules: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    """Selector to `rule(book, contract, calldata, result)`: books an answer at the end of its block, asked or recorded."""

    checks: Callable[[Books], list[Check]] | None = None
    """What `leverage verify` asks the contracts."""

    market_is_asset: bool = False
    """Whether the native id of a market is its asset (Aave), so that an action's market names its token."""

    wallet: str = ""
    """Kind of contract that a smart wallet is, watched once it has a position anywhere (`BookLike.set_wallet`)."""

    abi: str = ""
    """Folder in abis/ when it is not the slug: a fork shares its family's ABIs."""

    proven: str = ""
    """How the accounting was proven against the contracts; empty means unproven."""

    @property
    def abi_folder(self) -> str:
        """Return the folder in abis/ that holds this protocol's interfaces."""
        return self.abi or self.slug


# -------------------------------------------------------------------------------------------------------- helpers


def changes(
    events: Events,
    rule: Callable[..., None],
    *columns: Iterable[Any],
    touches: Sequence[tuple[Sequence[Any], Sequence[Address], str | None]] = (),
) -> Changes:
    """Return the Changes of a batch: `rule(book, address, *row of columns)`, the emitter always first."""
    return Changes(events, rule, (events.address, *columns), tuple(touches))


def always(value: Any) -> Iterable[Any]:
    """Return a column with the same value in every row."""
    return repeat(value)


def wanted_reads(want: Wants) -> list[Read]:
    """Return the reads of a batch, one a row."""
    data = [want.data] * len(want.events) if isinstance(want.data, str) else want.data
    return [
        Read(block, to, calldata, want.reason)
        for block, to, calldata in zip(want.events.block_number, want.to, data, strict=True)
        if to
    ]


__all__ = [
    "PERP_ACTIONS", "TRANSACTION_TYPES", "Actions", "BookLike", "Books", "Changes", "Check", "Contract", "Deployment",
    "Fact", "Finds", "Handler", "Listing", "MarketBooks", "MarketFacts", "MarketRef", "PerpActions", "PositionState",
    "PriceFeed", "Protocol", "Wants", "always", "changes", "wanted_reads",
]  # fmt: skip
