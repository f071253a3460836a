"""A Desk keeps the books of one protocol on one chain: logs in, rows out. Pure; the caller does the fetching.

facts = desk.translate(logs)          decode and split into facts
new = desk.learn(facts)               contracts found: fetch their logs, translate them too, until none is new
reads = desk.wanted(facts)            view calls that the rules need
rows = desk.settle(facts, ...)        fold into the book, in chain order
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

from indexer.decode import abi, words
from indexer.decode.router import Router, layouts_by_topic
from indexer.errors import BadData
from indexer.ledger import flows
from indexer.ledger.book import Book
from indexer.ledger.fold import EndOfBlock, action_rows, fold, perp_action_rows, touched
from indexer.ledger.rows import Rows
from indexer.protocol import (
    Actions,
    Changes,
    Deployment,
    Finds,
    Listing,
    MarketRef,
    PerpActions,
    PriceFeed,
    Protocol,
    Wants,
    wanted_reads,
)
from indexer.types import Address, Answer, Logs, Read, Watch
from indexer.units import NATIVE_SYMBOLS, NATIVE_TOKEN, ZERO_ADDRESS

SYMBOL, DECIMALS, ASSET = abi.selector("symbol()"), abi.selector("decimals()"), abi.selector("asset()")


@dataclass(slots=True)
class Facts:
    """What a batch of logs says, by kind of fact."""

    actions: list[Actions] = field(default_factory=list)
    perp_actions: list[PerpActions] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)
    finds: list[Finds] = field(default_factory=list)
    wants: list[Wants] = field(default_factory=list)

    def extend(self, other: Facts) -> None:
        """Append the facts of another batch."""
        self.actions += other.actions
        self.perp_actions += other.perp_actions
        self.changes += other.changes
        self.finds += other.finds
        self.wants += other.wants


@dataclass(frozen=True, slots=True)
class FeedPeriods:
    """Price feeds by the block from which on they are read, ascending; the first period is from block 0."""

    periods: list[tuple[int, list[PriceFeed]]]

    def at(self, block: int) -> int:
        """Return the place of the period that a block is in."""
        return bisect_right(self.periods, block, key=itemgetter(0)) - 1

    def reads(self, blocks: Iterable[int]) -> list[Read]:
        """Return the reads of the prices at the end of these blocks."""
        return [
            Read(block, feed.to, feed.data, "price") for block in blocks for feed in self.periods[self.at(block)][1]
        ]

    def by_call(self) -> list[dict[tuple[Address, str], list[PriceFeed]]]:
        """Return for each period what an answered call is the price of."""
        found: list[dict[tuple[Address, str], list[PriceFeed]]] = [{} for _ in self.periods]
        for calls, (_, feeds) in zip(found, self.periods, strict=True):
            for feed in feeds:
                calls.setdefault((feed.to, feed.data), []).append(feed)
        return found


class Desk:
    """One protocol on one chain: its router, its handlers and its book."""

    def __init__(self, protocol: Protocol, book: Book, *, wallet_flows: bool = False) -> None:
        self.protocol = protocol
        self.wallet_flows = wallet_flows
        self.book = book
        self._flowing: dict[Address, int] = {}
        self._before: tuple[dict[MarketRef, Listing], dict[tuple[int, str, str], int | str | None]] = ({}, {})
        self.pending: Sequence[tuple[int, Address]] = ()
        """Balance changes before the next range of accounts that are wallets, not watched yet: (block, account)."""
        self._handlers = {contract.kind: contract.handlers for contract in protocol.contracts}
        self.router = Router(
            {
                contract.kind: layouts_by_topic(
                    layout
                    for name in contract.handlers
                    for layout in abi.events(protocol.abi_folder, contract.kind)[name]
                )
                for contract in protocol.contracts
            }
            | {flows.WALLET_TOKEN: {}}
        )

    # ------------------------------------------------------------------------------------------------- opening

    def open(self, deployments: Iterable[Deployment]) -> None:
        """Begin the books of deployments that have none yet: their listed contracts and what the listing says."""
        for deployment in deployments:
            self.book.opened[deployment.key] = deployment
            for kind, address in deployment.contracts.items():
                if kind in self._handlers:
                    self.watch_contract(deployment, address, kind, block_number=0, log_index=-1)
            if self.protocol.open_deployment is not None:
                self.book.block_number, self.book.log_index = deployment.start_block, -1
                self.protocol.open_deployment(self.book, deployment)
                self.book.close_block()

    def watch_contract(
        self, deployment: Deployment, address: Address, kind: str, block_number: int, log_index: int
    ) -> bool:
        """Watch a contract and note it as a row. Returns whether it was new."""
        if not self.router.add(address, kind):
            return False
        self.book.deployments.setdefault(address, deployment)
        self.book.rows["contract"].append((address, self.protocol.slug, kind, deployment.key, block_number, log_index))
        return True

    def know_contract(self, deployment: Deployment, address: Address, kind: str) -> None:
        """Watch a contract that is already in the tables."""
        self.router.add(address, kind)
        self.book.deployments.setdefault(address, deployment)

    def watch(self) -> Watch:
        """Return what this desk needs from the node."""
        topics = self.router.topics()
        return Watch(frozenset(self.router.contracts), topics | {flows.TRANSFER} if self.wallet_flows else topics)

    # ------------------------------------------------------------------------------------------------ each step

    def translate(self, logs: Logs) -> Facts:
        """Decode a batch and split it into facts. Raises DecodeError, located."""
        facts = Facts()
        try:
            for route in self.router.route(logs):
                events = route.layout.decode(logs, route.rows)
                for fact in self._handlers[route.kind][route.layout.name](events):
                    match fact:
                        case Actions():
                            facts.actions.append(fact)
                        case PerpActions():
                            facts.perp_actions.append(fact)
                        case Changes():
                            facts.changes.append(fact)
                        case Finds():
                            facts.finds.append(fact)
                        case Wants():
                            facts.wants.append(fact)
        except BadData as error:
            error.protocol = self.protocol.slug
            raise
        return facts

    def learn(self, facts: Facts) -> dict[Address, int]:
        """Watch the contracts that were found. Returns the new ones with the block to read them from."""
        new: dict[Address, int] = {}
        for find in facts.finds:
            events = find.events
            for n, address in enumerate(find.address):
                if address and address != ZERO_ADDRESS:
                    block, log = events.block_number[n], events.log_index[n]
                    deployment = self.book.deployments[events.address[n]]
                    fresh = address not in self.router.contracts
                    if self.watch_contract(deployment, address, find.kind, block, log) and fresh:
                        new[address] = max(block - find.past, min(block, deployment.start_block))
        return new

    def meet(self, changes: Iterable[tuple[int, Address]]) -> dict[Address, int]:
        """Watch the wallets among accounts whose balance changed, given as (block, account).

        Only from a change on that is no earlier than the wallet itself. Returns the new ones with the block of their
        creation, from which on their logs are to be read.
        """
        new: dict[Address, int] = {}
        for block, account in sorted(set(changes)):
            created, key = self.book.wallets.get(account, (block + 1, 0))
            if created <= block and account not in self.book.met:
                self.book.met[account] = block
                if self.watch_contract(self.book.opened[key], account, self.protocol.wallet, block, -1):
                    new[account] = created
        return new

    def wanted(self, facts: Facts) -> list[Read]:
        """Return the view calls that booking the facts needs."""
        return [read for want in facts.wants for read in wanted_reads(want)]

    def state_reads(self, blocks: Sequence[int]) -> list[Read]:
        """Return the reads of state that events do not tell, at the given blocks."""
        if self.protocol.state_reads is None:
            return []
        wanted = self.protocol.state_reads(self.book.market_facts())
        return [Read(block, to, data, "state") for block in blocks for to, data in wanted]

    def settle(
        self, facts: Facts, answers: Sequence[Answer], timestamps: Mapping[int, int], told: Sequence[Answer] = ()
    ) -> None:
        """Book the facts in chain order; rows gather in the book until `take_rows`.

        `told` are answers at the end of blocks that the protocol has a rule for; others among them are left out.

        Raises  BadData, located; the book is then useless and must be loaded anew
        """
        self.book.answers = {(block, to, data): result for (block, to, data, *_), result in answers}
        self.book.timestamps = timestamps
        self._before = dict(self.book.listings), dict(self.book.params)
        self.book.prefetch(touched(self.book, facts.changes))
        fold(self.book, facts.changes, self._told(told))
        self.book.rows["action"].extend(action_rows(self.book, facts.actions))
        self.book.rows["perp_action"].extend(perp_action_rows(self.book, facts.perp_actions))

    def _told(self, answers: Sequence[Answer]) -> list[EndOfBlock]:
        rules, watched, stamps = self.protocol.read_rules, self.router.contracts, self.book.timestamps
        found: list[EndOfBlock] = []
        for answer in answers:
            (block, to, data, *_), result = answer
            rule = rules.get(data[:10])
            if rule is not None and result is not None and to in watched and block in stamps:
                found.append((block, rule, (to, data, result)))
        return found

    # --------------------------------------------------------------------------------------------------- tokens

    def token_reads(self) -> list[Read]:
        """Return the metadata reads of the tokens noted in this step."""
        return [
            Read(block, address, data, reason)
            for address, (block, _, _, _) in self.book.new_tokens().items()
            for data, reason in ((SYMBOL, "token symbol"), (DECIMALS, "token decimals"), (ASSET, "vault asset"))
        ]

    def book_tokens(self, answers: Sequence[Answer]) -> None:
        """Turn the metadata answers into rows of `token`. What a token does not say stays NULL."""
        found = {(answer.read.to, answer.read.data): answer.result for answer in answers}
        noted = dict(self.book.new_tokens())
        self.book.new_tokens().clear()
        for token, (block, kind, issuer, underlying) in noted.items():
            decimals = words.unsigned(found.get((token, DECIMALS)))
            decimals = decimals if decimals is not None and decimals < 256 else None
            if kind == "unclassified":
                underlying = words.address(found.get((token, ASSET)))
                if underlying:
                    kind = "erc4626"
                    self.book.vaults[token] = block, underlying
                    self.book.block_number = block
                    self.book.add_token(underlying, "unclassified")
            symbol = words.text(found.get((token, SYMBOL)))
            if token == NATIVE_TOKEN:
                symbol, decimals, kind = NATIVE_SYMBOLS.get(self.book.chain_id), 18, "plain"
            self.book.known_tokens[token] = decimals
            self.book.rows["token"].append((token, block, symbol, decimals, kind, issuer, underlying))

    # --------------------------------------------------------------------------------------------- wallet flows

    def learn_tokens(self) -> dict[Address, int]:
        """Watch the tokens noted in this step. Returns those whose logs nobody has fetched, with the block from which on."""
        self._flowing = flows.watched_tokens(self.book.rows["token"])
        deployment = min(self.book.deployments.values(), key=lambda one: (one.start_block, one.key), default=None)
        lacking: dict[Address, int] = {}
        if deployment is None:
            return lacking
        for token, block in self._flowing.items():
            if token not in self.router.contracts:
                lacking[token] = block
            self.watch_contract(deployment, token, flows.WALLET_TOKEN, block, -1)
        return lacking

    def book_transfers(self, parts: Iterable[Logs]) -> None:
        """Turn the Transfer logs of watched tokens into rows of `token_transfer`."""
        kinds = self.router.contracts.items()
        since = {address: self._flowing.get(address, 0) for address, kind in kinds if flows.WALLET_TOKEN in kind}
        self.book.rows["token_transfer"].extend(flows.transfer_rows(parts, since))

    # --------------------------------------------------------------------------------------------------- prices

    def feeds(self) -> FeedPeriods:
        """Return the prices that this protocol's accounts depend on at the end of each block of this step.

        A market listed, or an oracle replaced, in the middle of a range is read from that block on and not before, so
        the rows do not depend on where ranges begin and end.
        """
        if self.protocol.feeds is None:
            return FeedPeriods([(0, [])])
        protocol_feeds = self.protocol.feeds
        book, facts = self.book, self.book.market_facts()
        listings, params = dict(self._before[0]), dict(self._before[1])
        since = [block for block, _ in book.vaults.values()]
        first = min(since, default=0)

        def at_block(block: int) -> list[PriceFeed]:
            own = protocol_feeds(replace(facts, listings=listings, params=params))
            return [*own, *self._vault_rates(block)]

        periods = [(0, at_block(first - 1))]
        references = {market.key: reference for reference, market in book.markets.items()}
        markets, settings = book.rows["market"], book.rows["param"]
        for block in sorted({row[1] for row in markets} | {row[3] for row in settings} | set(since)):
            for reference in [references[row[0]] for row in markets if row[1] == block]:
                listings[reference] = book.listings[reference]
            for subject, name, qualifier, at, _, value, text in settings:
                if at == block:
                    params[subject, name, qualifier] = text if value is None else value
            found = at_block(block)
            if found != periods[-1][1]:
                periods.append((block, found))
        return FeedPeriods(periods)

    def _vault_rates(self, block: int) -> list[PriceFeed]:
        """Return the rates of the ERC-4626 shares met up to a block: assets for one whole share."""
        found = []
        for vault, (since, underlying) in self.book.vaults.items():
            share, asset = self.book.known_tokens.get(vault), self.book.known_tokens.get(underlying)
            if since <= block and share is not None:
                data = abi.call("convertToAssets(uint256)", 10**share)
                found.append(PriceFeed(vault, data, vault, None if asset is None else 10**asset, underlying))
        return found

    def book_prices(self, answers: Sequence[Answer], feeds: FeedPeriods) -> None:
        """Turn answers of price feeds into rows of `price`; a reverted read leaves no price. Others are ignored."""
        by_call = feeds.by_call()
        seen: set[tuple[Address, Address, int]] = set()
        for answer in answers:
            price = words.unsigned(answer.result)
            for feed in by_call[feeds.at(answer.read.block_number)].get((answer.read.to, answer.read.data), ()):
                key = (feed.to, feed.asset, answer.read.block_number)
                if price is None or key in seen:
                    continue
                seen.add(key)
                if self.protocol.kind == "link":  # a rate, not a price: oracles come first wherever both exist
                    rate = (feed.asset, feed.quote, answer.read.block_number, -1, price, feed.unit_raw)
                    self.book.rows["token_rate"].append(rate)
                else:
                    self.book.rows["price"].append(
                        (feed.to, feed.asset, answer.read.block_number, -1, price, feed.unit_raw, feed.quote, "oracle")
                    )

    def take_rows(self) -> Rows:
        """Return the rows of this step."""
        return self.book.take_rows()
