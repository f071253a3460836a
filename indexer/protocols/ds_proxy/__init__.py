"""DSProxy: who owns a proxy through which one person acts.

Source   dapphub/ds-proxy DSProxyFactory, dapphub/ds-auth DSAuth
Omits    authorities, which may act for a proxy beside its owner
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Fact, Protocol, changes
from indexer.types import Address


def created(e: Events) -> Sequence[Fact]:
    return [changes(e, made, e["proxy"], e["owner"])]


def log_set_owner(e: Events) -> Sequence[Fact]:
    return [changes(e, owned, e["owner"])]


def made(book: BookLike, factory: Address, proxy: Address, owner: Address) -> None:
    """A proxy exists, and whose it is."""
    key = book.deployment(factory).key
    book.set_wallet(key, proxy, "ds_proxy", 1)
    book.set_owner(key, proxy, owner, True)


def owned(book: BookLike, proxy: Address, owner: Address) -> None:
    """A proxy has another owner, instead of the one before; its first two are the factory and who asked for it."""
    book.set_owner(book.deployment(proxy).key, proxy, owner, True)


PROTOCOL = Protocol(
    slug="ds_proxy",
    project="ds_proxy",
    version="1",
    kind="link",
    contracts=[Contract("DSProxyFactory", {"Created": created}), Contract("DSProxy", {"LogSetOwner": log_set_owner})],
    required=("DSProxyFactory",),
    wallet="DSProxy",
)
