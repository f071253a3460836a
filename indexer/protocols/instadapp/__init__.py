"""Instadapp: who may act for a DeFi Smart Account (DSA).

Source   Instadapp/dsa-contracts InstaIndex, v2 accounts
Omits    accounts of version 1, whose authorities change by other events
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Fact, Protocol, changes
from indexer.types import Address


def log_account_created(e: Events) -> Sequence[Fact]:
    return [changes(e, created, e["account"], e["owner"])]


def log_enable_user(e: Events) -> Sequence[Fact]:
    return [changes(e, enabled, e["user"])]


def log_disable_user(e: Events) -> Sequence[Fact]:
    return [changes(e, disabled, e["user"])]


def created(book: BookLike, index: Address, account: Address, owner: Address) -> None:
    """An account exists, and for whom."""
    key = book.deployment(index).key
    book.set_wallet(key, account, "instadapp_dsa", 1)
    book.set_owner(key, account, owner, True)


def enabled(book: BookLike, account: Address, user: Address) -> None:
    """One more may act for an account."""
    book.set_owner(book.deployment(account).key, account, user, True)


def disabled(book: BookLike, account: Address, user: Address) -> None:
    """One may act for an account no longer."""
    book.set_owner(book.deployment(account).key, account, user, False)


PROTOCOL = Protocol(
    slug="instadapp",
    project="instadapp",
    version="2",
    kind="link",
    contracts=[
        Contract("InstaIndex", {"LogAccountCreated": log_account_created}),
        Contract("Account", {"LogEnableUser": log_enable_user, "LogDisableUser": log_disable_user}),
    ],
    required=("InstaIndex",),
    wallet="Account",
)
