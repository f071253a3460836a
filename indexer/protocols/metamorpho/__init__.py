"""MetaMorpho: vaults whose assets are lent in Morpho Blue; the share's rate from the vault's own books.

Source   morpho-org/metamorpho MetaMorphoFactory, MetaMorpho
Units    assets in base units of the asset, shares with 18 decimals or more
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, Finds, Protocol, Wants, changes
from indexer.protocols.metamorpho import rules


def create_meta_morpho(e: Events) -> Sequence[Fact]:
    vaults = e["metaMorpho"]
    return [
        Finds(e, "MetaMorpho", vaults),
        Wants(e, vaults, rules.DECIMALS_OFFSET, "vault decimals offset"),
        changes(e, rules.created, vaults, e["asset"]),
    ]


def accrue_interest(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.assets_told, e["newTotalAssets"])]


def update_last_total_assets(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.assets_told, e["updatedTotalAssets"])]


def transfer(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.transferred, e["from"], e["to"], e["value"])]


PROTOCOL = Protocol(
    slug="metamorpho",
    project="morpho",
    version="1",
    kind="link",
    contracts=[
        Contract("MetaMorphoFactory", {"CreateMetaMorpho": create_meta_morpho}),
        Contract(
            "MetaMorpho",
            {
                "AccrueInterest": accrue_interest,
                "UpdateLastTotalAssets": update_last_total_assets,
                "Transfer": transfer,
            },
        ),
    ],
    required=("MetaMorphoFactory",),
)
