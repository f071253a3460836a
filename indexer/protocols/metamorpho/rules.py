"""How a vault's own events become the rate of its share.

Source   morpho-org/metamorpho MetaMorpho._convertToAssetsWithTotals
Units    rate = (total assets + 1) / (total supply + 10 ** offset), as of the vault's last interaction
"""

from __future__ import annotations

from indexer.decode import words
from indexer.decode.abi import selector
from indexer.protocol import BookLike
from indexer.types import Address
from indexer.units import ZERO_ADDRESS

DECIMALS_OFFSET = selector("DECIMALS_OFFSET()")


def created(book: BookLike, factory: Address, vault: Address, asset: Address) -> None:
    """A vault exists. Without its decimals offset (an unanswered read) it has no rate of its own here."""
    key = book.deployment(factory).key
    book.add_link(key, vault, "vault_share", asset, issuer="morpho", rule="told",
                  source="convertToAssets(uint256); UpdateLastTotalAssets, AccrueInterest, Transfer")  # fmt: skip
    book.set_param(key, "asset", text=asset, qualifier=vault)
    offset = words.unsigned(book.answer(vault, DECIMALS_OFFSET))
    if offset is not None and offset <= 18:
        book.set_param(key, "decimals_offset", offset, qualifier=vault)


def assets_told(book: BookLike, vault: Address, assets: int) -> None:
    """The vault booked its assets, interest up to this block in them."""
    book.set_param(book.deployment(vault).key, "total_assets", assets, qualifier=vault)
    _rate(book, vault)


def transferred(book: BookLike, vault: Address, giver: Address, taker: Address, shares: int) -> None:
    """Shares were minted (also as fee) or burned; between holders nothing changes."""
    change = shares * ((giver == ZERO_ADDRESS) - (taker == ZERO_ADDRESS))
    if change:
        key = book.deployment(vault).key
        supply = int(book.param(key, "total_supply", vault) or 0) + change
        book.set_param(key, "total_supply", supply, qualifier=vault)
        _rate(book, vault)


def _rate(book: BookLike, vault: Address) -> None:
    key = book.deployment(vault).key
    asset, offset = book.param(key, "asset", vault), book.param(key, "decimals_offset", vault)
    assets, supply = book.param(key, "total_assets", vault), book.param(key, "total_supply", vault)
    if asset is not None and offset is not None and assets is not None and supply is not None:
        book.add_rate(vault, str(asset), int(assets) + 1, int(supply) + 10 ** int(offset))
