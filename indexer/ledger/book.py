"""The Book: the ledger's working state for one protocol on one chain, and the rows that changes to it leave behind.

Positions are loaded on demand through the `load` function that the caller gives, so the book stays small however
large the protocol is; everything else (markets, parameters) is few and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from indexer.errors import BadData, MissingFact, NegativeBalance, UnknownMarket
from indexer.ledger.rows import Rows
from indexer.protocol import Deployment, Listing, MarketBooks, MarketFacts, MarketRef, PositionState
from indexer.types import Address, key64

PositionKey = tuple[int, Address, str]
"""(market_key, account, side)."""


BadDataT = TypeVar("BadDataT", bound=BadData)

LoadPositions = Callable[[Iterable[PositionKey]], Mapping[PositionKey, PositionState]]


@dataclass(slots=True)
class Book:
    """State and outgoing rows of one protocol on one chain. Rules move it; `fold` drives it."""

    chain_id: int
    protocol: str
    project: str
    load: LoadPositions
    deployments: dict[Address, Deployment] = field(default_factory=dict)
    opened: dict[int, Deployment] = field(default_factory=dict)
    """Every deployment by key, also one of which no contract is watched."""
    markets: dict[MarketRef, MarketBooks] = field(default_factory=dict)
    listings: dict[MarketRef, Listing] = field(default_factory=dict)
    tokens: dict[Address, tuple[MarketBooks, str]] = field(default_factory=dict)
    assets: dict[Address, Address] = field(default_factory=dict)
    known_tokens: dict[Address, int | None] = field(default_factory=dict)
    vaults: dict[Address, tuple[int, Address]] = field(default_factory=dict)
    """ERC-4626 shares met: block from which on, and what one is a share of."""
    wallets: dict[Address, tuple[int, int]] = field(default_factory=dict)
    """Smart wallets that listed factories made: block of creation, deployment."""
    met: dict[Address, int] = field(default_factory=dict)
    """Those of them that are watched: the block in which they first had a position."""
    params: dict[tuple[int, str, str], int | str | None] = field(default_factory=dict)
    positions: dict[PositionKey, PositionState] = field(default_factory=dict)
    complete: bool = False
    """Every balance that there is is in `positions`: nothing else needs to be loaded."""
    rows: Rows = field(default_factory=Rows)
    answers: Mapping[tuple[int, Address, str], str | None] = field(default_factory=dict)
    timestamps: Mapping[int, int] = field(default_factory=dict)
    block_number: int = 0
    log_index: int = 0
    _dirty: dict[int, MarketBooks] = field(default_factory=dict)
    _new_markets: set[int] = field(default_factory=set)
    _new_tokens: dict[Address, tuple[int, str, str | None, Address | None]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------- where we are

    def timestamp(self) -> int:
        """Return the unix time of the block being booked."""
        try:
            return self.timestamps[self.block_number]
        except KeyError:
            raise self._missing(f"timestamp of block {self.block_number}") from None

    def answer(self, to: Address, data: str) -> str | None:
        """Return what a wanted read gave at this block, or None when it reverted or is lacking."""
        return self.answers.get((self.block_number, to, data))

    def deployment(self, address: Address) -> Deployment:
        """Return the deployment that a watched contract belongs to."""
        return self.deployments[address]

    # ------------------------------------------------------------------------------------------------ markets

    def market(self, ref: MarketRef) -> MarketBooks:
        """Return a market. Raises UnknownMarket when no event listed it."""
        try:
            return self.markets[ref]
        except KeyError:
            raise self._located(UnknownMarket(f"{self.protocol}: market {ref[1]} was never listed")) from None

    def has_market(self, ref: MarketRef) -> bool:
        """Return whether a market was listed."""
        return ref in self.markets

    def markets_of(self, deployment_key: int) -> list[MarketBooks]:
        """Return every market of a deployment."""
        return [market for (key, _), market in self.markets.items() if key == deployment_key]

    def asset_of_token(self, token: Address) -> Address:
        """Return the asset that a receipt or debt token is about."""
        return self.assets[token]

    def market_of_token(self, token: Address) -> tuple[MarketBooks, str]:
        """Return the market and side that a receipt or debt token stands for."""
        try:
            return self.tokens[token]
        except KeyError:
            raise self._located(UnknownMarket(f"{self.protocol}: token {token} belongs to no listed market")) from None

    def touch(self, market: MarketBooks) -> None:
        """Note that a market's books change in this block: its state at the block's end becomes a row."""
        self._dirty[market.key] = market

    def add_market(self, ref: MarketRef, listing: Listing) -> MarketBooks:
        """List a market at this block; a second listing of one market replaces the first (a reserve listed anew)."""
        deployment_key = ref[0]
        market_id = f"{self.protocol}:{self.chain_id}:{listing.native_id}"
        market = MarketBooks(
            key64(market_id), listing.regime, supply_index=listing.supply_index, debt_index=listing.debt_index,
            supply_rate=None if listing.supply_index is None else 0,
            debt_rate=None if listing.debt_index is None else 0,
            supply_assets=listing.supply_assets, debt_assets=listing.debt_assets,
        )  # fmt: skip
        self.rows["market"].append(
            (market.key, self.block_number, self.log_index, market_id, deployment_key, listing.accounting,
             listing.asset, listing.collateral_asset, listing.supply_token, listing.debt_token, listing.oracle)
        )  # fmt: skip
        self.know_market(ref, listing, market)
        self._new_markets.add(market.key)
        self.touch(market)
        return market

    def know_market(self, ref: MarketRef, listing: Listing, market: MarketBooks) -> None:
        """Register a market that is already in the tables."""
        self.markets[ref], self.listings[ref] = market, listing
        for token, side in ((listing.supply_token, "supply"), (listing.debt_token, "debt")):
            if token:
                self.tokens[token], self.assets[token] = (market, side), listing.asset

    # ---------------------------------------------------------------------------------------------- positions

    def prefetch(self, keys: Iterable[PositionKey]) -> None:
        """Load the positions that are about to be needed, in one go."""
        missing = {key for key in keys if key not in self.positions}
        if missing:
            found = {} if self.complete else self.load(missing)
            for key in missing:
                self.positions[key] = found.get(key) or PositionState()

    def position(self, market_key: int, account: Address, side: str) -> PositionState:
        """Return a balance, zero when the account never had one."""
        key = (market_key, account, side)
        position = self.positions.get(key)
        if position is None:
            if market_key in self._new_markets:  # listed in this step: no table can have it yet
                position = self.positions[key] = PositionState()
            else:
                self.prefetch((key,))
                position = self.positions[key]
        return position

    def book(self, market_key: int, account: Address, side: str, position: PositionState, leg: int = 0) -> None:
        """Put out the state of a balance after a change. Raises NegativeBalance below zero."""
        if position.shares < 0:
            raise self._located(
                NegativeBalance(f"{self.protocol}: {side} of {account} would be {position.shares} shares")
            )
        self.rows["position_change"].append(
            (market_key, account, side, self.block_number, self.log_index, leg, position.shares, position.basis,
             position.is_collateral, dict(position.extra) if position.extra is not None else None)
        )  # fmt: skip

    # ------------------------------------------------------------------------------- parameters, tokens, prices

    def set_param(
        self, subject: int, name: str, value: int | None = None, text: str | None = None, qualifier: str = ""
    ) -> None:
        """Set a parameter from this log on."""
        self.params[subject, name, qualifier] = text if value is None else value
        self.rows["param"].append((subject, name, qualifier, self.block_number, self.log_index, value, text))

    def param(self, subject: int, name: str, qualifier: str = "") -> int | str | None:
        """Return a parameter's value in force, or None."""
        return self.params.get((subject, name, qualifier))

    def set_account(self, subject: int, account: Address, name: str, value: int) -> None:
        """Set what an account chose from this log on."""
        self.rows["account_setting"].append((subject, account, name, self.block_number, self.log_index, value))

    def add_token(
        self, address: Address, kind: str, issuer: str | None = None, underlying: Address | None = None
    ) -> None:
        """Note a token; its symbol and decimals are read before the step is committed. The first note stays."""
        if address not in self.known_tokens and address not in self._new_tokens:
            self._new_tokens[address] = (self.block_number, kind, issuer, underlying)

    def add_price(
        self, feed: Address, asset: Address, price_raw: int, unit_raw: int | None, quote: str, source: str = "oracle"
    ) -> None:
        """Book a price that an event told. `source` "par" is a value that the protocol decrees for its own books only."""
        self.rows["price"].append((feed, asset, self.block_number, self.log_index, price_raw, unit_raw, quote, source))

    def add_link(
        self, deployment_key: int, token: Address, kind: str, underlying: Address | None = None, *,
        issuer: str | None = None, rule: str | None = None, source: str | None = None, place: int = 0,
        expiry: int | None = None, group: str | None = None,
    ) -> None:  # fmt: skip
        """Book what a token is a claim on from this log on. The first link of a deployment and place stays."""
        self.add_token(token, "unclassified")
        if underlying is not None:
            self.add_token(underlying, "unclassified")
        self.rows["token_link"].append(
            (token, deployment_key, place, self.block_number, self.log_index, kind, issuer, underlying, rule, source,
             expiry, group)
        )  # fmt: skip

    def add_rate(self, token: Address, underlying: Address, numerator: int, denominator: int) -> None:
        """Book that one base unit of a token is numerator / denominator base units of what it is a claim on."""
        if denominator > 0:
            self.rows["token_rate"].append(
                (token, underlying, self.block_number, self.log_index, numerator, denominator)
            )

    def set_wallet(self, deployment_key: int, wallet: Address, kind: str, threshold: int | None) -> None:
        """Book what kind of smart wallet an address is from this log on, and how many of its owners have to sign."""
        self.wallets.setdefault(wallet, (self.block_number, deployment_key))
        self.rows["wallet_state"].append(
            (wallet, self.block_number, self.log_index, deployment_key, kind, threshold, self._since(wallet))
        )

    def set_owner(self, deployment_key: int, wallet: Address, owner: Address, is_owner: bool, leg: int = 0) -> None:
        """Book that an address is, or is no longer, an owner of a smart wallet."""
        self.rows["wallet_owner"].append(
            (wallet, owner, self.block_number, self.log_index, leg, deployment_key, int(is_owner), self._since(wallet))
        )

    def _since(self, wallet: Address) -> int:
        """Return the block that a wallet's row belongs to: undoing what made it watched undoes what it said before."""
        return max(self.block_number, self.met.get(wallet, 0))

    def new_tokens(self) -> dict[Address, tuple[int, str, str | None, Address | None]]:
        """Return tokens noted since the last `take_rows`: address -> (block, kind, issuer, underlying)."""
        return self._new_tokens

    def market_facts(self) -> MarketFacts:
        """Return what `Protocol.feeds` may look at."""
        deployments = self.opened | {deployment.key: deployment for deployment in self.deployments.values()}
        return MarketFacts(tuple(deployments.values()), self.listings, self.params, self.known_tokens)

    # -------------------------------------------------------------------------------------------- closing a step

    def close_block(self) -> None:
        """Put out the books of every market that changed in the block that was just booked."""
        for market in self._dirty.values():
            self.rows["market_state"].append(
                (market.key, self.block_number, market.regime, market.accrued_at, market.supply_index,
                 market.debt_index, market.supply_rate, market.debt_rate, market.supply_shares, market.debt_shares,
                 market.supply_assets, market.debt_assets, market.rate_at_target, market.fee,
                 dict(market.extra) if market.extra is not None else None)
            )  # fmt: skip
        self._dirty.clear()

    def take_rows(self) -> Rows:
        """Return the rows put out so far and start anew."""
        rows, self.rows, self._new_tokens = self.rows, Rows(), {}
        self._new_markets.clear()
        return rows

    def trim(self, keep: int) -> None:
        """Forget the positions that were loaded longest ago, down to `keep`. Only when all rows are committed."""
        surplus = len(self.positions) - keep
        if surplus > 0:
            self.complete = False
            for key in list(self.positions)[:surplus]:
                del self.positions[key]

    def _missing(self, what: str) -> MissingFact:
        return self._located(MissingFact(f"{self.protocol}: {what} is needed and absent"))

    def _located(self, error: BadDataT) -> BadDataT:
        error.protocol, error.block_number = self.protocol, self.block_number
        return error
