"""Safe: who owns a multi-signature wallet, and how many of them have to sign.

Source   safe-global/safe-smart-account v1.3.0 and v1.4.1: SafeProxyFactory, Safe, OwnerManager
Omits    modules and guards; Safes before 1.3, which do not say by whom they were set up
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Fact, Protocol, changes
from indexer.types import Address


def proxy_creation(e: Events) -> Sequence[Fact]:
    return [changes(e, created, e["proxy"])]


def safe_setup(e: Events) -> Sequence[Fact]:
    return [changes(e, set_up, e["owners"], e["threshold"])]


def added_owner(e: Events) -> Sequence[Fact]:
    return [changes(e, added, e["owner"])]


def removed_owner(e: Events) -> Sequence[Fact]:
    return [changes(e, removed, e["owner"])]


def changed_threshold(e: Events) -> Sequence[Fact]:
    return [changes(e, threshold_changed, e["threshold"])]


def created(book: BookLike, factory: Address, proxy: Address) -> None:
    """A proxy exists. Its owners are its own to say: it is watched once it has a position."""
    book.set_wallet(book.deployment(factory).key, proxy, "safe", None)


def set_up(book: BookLike, safe: Address, owners: Sequence[Address], threshold: int) -> None:
    """A Safe has its first owners."""
    key = book.deployment(safe).key
    book.set_wallet(key, safe, "safe", threshold)
    for leg, owner in enumerate(owners):
        book.set_owner(key, safe, owner, True, leg)


def added(book: BookLike, safe: Address, owner: Address) -> None:
    """A Safe has one owner more."""
    book.set_owner(book.deployment(safe).key, safe, owner, True)


def removed(book: BookLike, safe: Address, owner: Address) -> None:
    """A Safe has one owner less."""
    book.set_owner(book.deployment(safe).key, safe, owner, False)


def threshold_changed(book: BookLike, safe: Address, threshold: int) -> None:
    """Another number of owners has to sign."""
    book.set_wallet(book.deployment(safe).key, safe, "safe", threshold)


PROTOCOL = Protocol(
    slug="safe",
    project="safe",
    version="1",
    kind="link",
    contracts=[
        Contract("SafeProxyFactory", {"ProxyCreation": proxy_creation}),
        Contract(
            "Safe",
            {
                "SafeSetup": safe_setup,
                "AddedOwner": added_owner,
                "RemovedOwner": removed_owner,
                "ChangedThreshold": changed_threshold,
            },
        ),
    ],
    required=("SafeProxyFactory",),
    wallet="Safe",
)
