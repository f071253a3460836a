"""How a pair's reserves and supply become the two rates of its share.

Source   Uniswap/v2-core UniswapV2Pair.mint, burn, _update, _mintFee
Units    base units
Holds    every mint and burn of shares is followed by a Sync in the same call, so the rates are booked there
"""

from __future__ import annotations

from indexer.protocol import BookLike, Deployment
from indexer.types import Address
from indexer.units import ZERO_ADDRESS


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """A pair that is listed by itself names both tokens."""
    listed = deployment.contracts
    if "Pair" in listed:
        _link(book, deployment, listed["Pair"], listed["Token0"], listed["Token1"])


def pair_created(book: BookLike, factory: Address, pair: Address, token0: Address, token1: Address) -> None:
    """A pair exists."""
    _link(book, book.deployment(factory), pair, token0, token1)


def transferred(book: BookLike, pair: Address, giver: Address, taker: Address, shares: int) -> None:
    """Shares were minted or burned. The first 1000 are minted to nobody: a mint, though they go to the zero address."""
    if giver == ZERO_ADDRESS or taker == ZERO_ADDRESS:
        key = book.deployment(pair).key
        supply = int(book.param(key, "total_supply", pair) or 0) + (shares if giver == ZERO_ADDRESS else -shares)
        book.set_param(key, "total_supply", supply, qualifier=pair)


def synced(book: BookLike, pair: Address, reserve0: int, reserve1: int) -> None:
    """The reserves are these now."""
    key = book.deployment(pair).key
    supply = book.param(key, "total_supply", pair)
    if supply is not None:
        for name, reserve in (("token0", reserve0), ("token1", reserve1)):
            book.add_rate(pair, str(book.param(key, name, pair)), reserve, int(supply))


def _link(book: BookLike, deployment: Deployment, pair: Address, token0: Address, token1: Address) -> None:
    for place, token in enumerate((token0, token1)):
        book.add_link(deployment.key, pair, "lp", token, issuer=deployment.protocol, rule="told", place=place,
                      source="Sync; Transfer from and to the zero address")  # fmt: skip
        book.set_param(deployment.key, f"token{place}", text=token, qualifier=pair)
