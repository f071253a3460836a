"""Static aTokens: shares of an aToken that do not grow, worth the reserve's liquidity index.

Source   @aave-dao/aave-v3-origin StataTokenFactory, ERC4626StataTokenUpgradeable; bgd-labs/static-a-token-v3
Units    one base unit is index / 1e27 base units of the aToken, floored
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode import words
from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Fact, Protocol, Wants, changes
from indexer.types import Address

A_TOKEN = selector("aToken()")


def static_token_created(e: Events) -> Sequence[Fact]:
    return _created(e, e["staticAToken"])


def stata_token_created(e: Events) -> Sequence[Fact]:
    return _created(e, e["stataToken"])


def _created(e: Events, tokens: Sequence[Address]) -> Sequence[Fact]:
    return [Wants(e, tokens, A_TOKEN, "aToken of a static one"), changes(e, created, tokens, e["underlying"])]


def created(book: BookLike, factory: Address, token: Address, underlying: Address) -> None:
    """A wrapper exists: of the aToken that it names; where that was not answered, of the asset, by its rate function."""
    key, a_token = book.deployment(factory).key, words.address(book.answer(token, A_TOKEN))
    if a_token is not None:
        book.add_link(key, token, "static_wrapper", a_token, issuer="aave", rule="receipt_index",
                      source="the reserve's books: convertToAssets = shares * index / 1e27")  # fmt: skip
    else:
        book.add_link(key, token, "static_wrapper", underlying, issuer="aave", rule="told",
                      source="convertToAssets(uint256)")  # fmt: skip


PROTOCOL = Protocol(
    slug="aave_static",
    project="aave",
    version="3",
    kind="link",
    contracts=[
        Contract("StaticATokenFactory", {"StaticTokenCreated": static_token_created}),
        Contract("StataTokenFactory", {"StataTokenCreated": stata_token_created}),
    ],
    required=(),
)
