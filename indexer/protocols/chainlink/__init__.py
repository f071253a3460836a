"""Chainlink price feeds: `AnswerUpdated` of the aggregators behind the proxies that applications hold.

Source   @chainlink/contracts 0.8 AggregatorV2V3Interface, AggregatorProxyInterface
Units    answers are integers with the feed's own decimals; USD feeds price one whole token
Omits    rounds and observations; proxies of the older generation change their aggregator without an event
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, Finds, Protocol, Wants, changes
from indexer.protocols.chainlink import rules


def answer_updated(e: Events) -> Sequence[Fact]:
    # one read of each feed in a batch is enough: what it says does not change
    row_of = {address: row for row, address in reversed(list(enumerate(e.address)))}
    first = [address if row_of[address] == row else "" for row, address in enumerate(e.address)]
    return [
        Wants(e, first, rules.DECIMALS, "feed decimals"),
        Wants(e, first, rules.DESCRIPTION, "feed pair"),
        changes(e, rules.answered, e["current"]),
    ]


def aggregator_confirmed(e: Events) -> Sequence[Fact]:
    return [Finds(e, "Aggregator", e["latest"])]


PROTOCOL = Protocol(
    slug="chainlink",
    project="chainlink",
    version="1",
    kind="oracle",
    contracts=[
        Contract("Aggregator", {"AnswerUpdated": answer_updated}),
        Contract("AggregatorProxy", {"AggregatorConfirmed": aggregator_confirmed}),
    ],
    required=("Token",),
)
