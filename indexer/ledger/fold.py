"""Fold the changes of a step into a Book, in chain order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

from indexer.errors import BadData
from indexer.ledger.book import Book, PositionKey
from indexer.protocol import Actions, Changes, PerpActions

END_OF_BLOCK = 2**31 - 1
"""log_index of what was read at a block's end: after every log of the block."""

EndOfBlock = tuple[int, Callable[..., None], tuple[Any, ...]]
"""(block number, rule, arguments) of an answer that is booked at the end of its block."""


def fold(book: Book, batches: Sequence[Changes], ends: Sequence[EndOfBlock] = ()) -> None:
    """Apply every change to the book, ordered by (block, log index); changes of one log in the order given.

    `early` batches come first within their block, `ends` last.

    Shape   any number of batches, each in chain order; rows of different batches interleave
    Raises  BadData with its block number when a change cannot be booked; the book is then useless and must be
            loaded anew
    Holds   folding a range in one step or in several gives the same rows
    """
    rows: list[tuple[int, bool, int, Callable[..., None], tuple[Any, ...]]] = []
    for batch in batches:
        rows.extend(
            zip(
                batch.events.block_number,
                repeat(not batch.early),
                batch.events.log_index,
                repeat(batch.rule),
                zip(*batch.arguments, strict=False),  # `always` columns are endless
                strict=False,
            )
        )
    rows.extend((block, True, END_OF_BLOCK, rule, arguments) for block, rule, arguments in ends)
    rows.sort(key=itemgetter(0, 1, 2))
    try:
        for block_number, _, log_index, rule, arguments in rows:
            if block_number != book.block_number:
                book.close_block()
                book.block_number = block_number
            book.log_index = log_index
            rule(book, *arguments)
    except BadData as error:
        error.protocol = error.protocol or book.protocol
        error.block_number = book.block_number if error.block_number is None else error.block_number
        raise
    book.close_block()


def touched(book: Book, batches: Iterable[Changes]) -> Iterable[PositionKey]:
    """Yield the balances that the batches say they will need, for one bulk load. Unlisted markets are left out."""
    tokens, markets = book.tokens, book.markets
    for batch in batches:
        for references, accounts, side in batch.touches:
            for reference, account in zip(references, accounts, strict=False):
                if side is None:
                    found = tokens.get(reference)
                    if found is not None:
                        yield found[0].key, account, found[1]
                else:
                    deployment = book.deployments[reference[0]]
                    market = markets.get((deployment.key, reference[1]))
                    if market is not None:
                        yield market.key, account, side


def action_rows(book: Book, batches: Iterable[Actions]) -> list[tuple[Any, ...]]:
    """Return the rows of `action`: market and token resolved by the book's registry, in the order of rows.COLUMNS."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        events, size = batch.events, len(batch.events)
        deployments = [book.deployments[address].key for address in events.address]
        keys: Sequence[int | None] = [None] * size
        tokens: Iterable[str | None] = batch.token if isinstance(batch.token, list) else [None] * size
        if batch.market == "receipt":
            keys = [book.market_of_token(address)[0].key for address in events.address]
            tokens = [book.asset_of_token(address) for address in events.address]
        elif batch.market is not None:
            references = list(zip(deployments, batch.market, strict=True))
            keys = [book.market(reference).key for reference in references]
            if batch.token == "collateral":
                tokens = [book.listings[reference].collateral_asset for reference in references]
            elif batch.token is None:
                tokens = [book.listings[reference].asset for reference in references]
        kinds = repeat(batch.transaction_type) if isinstance(batch.transaction_type, str) else batch.transaction_type
        absent: Iterable[None] = repeat(None)
        found = zip(
            events.block_number, events.log_index, repeat(batch.leg), events.tx_index, events.tx_hash, deployments,
            keys, kinds, tokens, batch.borrower or absent, batch.depositor or absent, batch.on_behalf_of or absent,
            batch.repayer or absent, batch.liquidator or absent, batch.recipient or absent, batch.amount or absent,
            batch.fee or absent, events.address, strict=False,
        )  # fmt: skip
        if batch.where is None:
            rows.extend(found)
        else:
            rows.extend(row for row, exists in zip(found, batch.where, strict=False) if exists)
    rows.sort(key=itemgetter(0, 1, 2))
    return rows


def perp_action_rows(book: Book, batches: Iterable[PerpActions]) -> list[tuple[Any, ...]]:
    """Return the rows of `perp_action`, in the order of rows.COLUMNS."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        events = batch.events
        deployments = [book.deployments[address].key for address in events.address]
        keys: Iterable[int | None] = repeat(None)
        if batch.market is not None:
            keys = [book.market(reference).key for reference in zip(deployments, batch.market, strict=True)]
        absent: Iterable[None] = repeat(None)
        rows.extend(
            zip(
                events.block_number, events.log_index, repeat(batch.leg), events.tx_index, events.tx_hash, deployments,
                keys, repeat(batch.action) if isinstance(batch.action, str) else batch.action, batch.trader,
                batch.side or absent, batch.size or absent, batch.price or absent, batch.margin_delta or absent,
                batch.fee or absent, batch.pnl or absent, batch.funding or absent, repeat(batch.is_liquidation),
                events.address, strict=False,
            )
        )  # fmt: skip
    rows.sort(key=itemgetter(0, 1, 2))
    return rows
