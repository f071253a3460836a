"""Lido: stETH is ether one for one, wstETH is a share of it whose rate moves with each oracle report.

Source   lidofinance/core Lido, WstETH
Units    shares and ether with 18 decimals
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, Protocol, changes
from indexer.protocols.lido import rules


def token_rebased(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.rebased, e["postTotalEther"], e["postTotalShares"])]


def internal_share_rate_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.internal_rate, e["postInternalEther"], e["postInternalShares"])]


PROTOCOL = Protocol(
    slug="lido",
    project="lido",
    version="1",
    kind="link",
    contracts=[
        Contract("StETH", {"TokenRebased": token_rebased, "InternalShareRateUpdated": internal_share_rate_updated}),
    ],
    required=("StETH",),
    feeds=rules.feeds,
    open_deployment=rules.open_deployment,
)
