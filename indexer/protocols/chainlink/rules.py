"""How a Chainlink answer becomes a price row.

Source   @chainlink/contracts 0.8 AggregatorInterface, AggregatorProxyInterface
Units    the answer is an integer with the feed's own `decimals()`
"""

from __future__ import annotations

from typing import Final

from indexer.decode import words
from indexer.decode.abi import selector
from indexer.protocol import BookLike
from indexer.types import Address

DECIMALS: Final = selector("decimals()")
DESCRIPTION: Final = selector("description()")


def answered(book: BookLike, aggregator: Address, answer: int) -> None:
    """A feed has a new answer. Decimals and pair are read once; while they are unknown the price has no unit.

    An answer of zero or below is a feed out of order, which consumers have to refuse: it gives no price.
    """
    deployment = book.deployment(aggregator)
    decimals = book.param(deployment.key, "feed_decimals", aggregator)
    if decimals is None:
        decimals = words.unsigned(book.answer(aggregator, DECIMALS))
        if decimals is not None and decimals < 78:
            book.set_param(deployment.key, "feed_decimals", decimals, qualifier=aggregator)
    pair = book.param(deployment.key, "feed_description", aggregator)
    if pair is None:
        pair = words.text(book.answer(aggregator, DESCRIPTION))
        if pair is not None:
            book.set_param(deployment.key, "feed_description", text=pair, qualifier=aggregator)
    if answer > 0 and pair is not None:
        unit = None if decimals is None else 10 ** int(decimals)
        quote = str(pair).rsplit("/", 1)[-1].strip().lower()
        book.add_price(aggregator, deployment.contracts["Token"], answer, unit, quote)
