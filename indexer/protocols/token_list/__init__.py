"""Tokens that the user says are no claim on another on-chain token, and which currency a fiat-backed one is redeemed in.

Nothing on chain says so: a token that no link and no list knows stays `unclassified`, never plain by default.
"""

from __future__ import annotations

from indexer.protocol import BookLike, Deployment, Protocol
from indexer.units import NATIVE_TOKEN

GROUPS = {"FiatUsd": "usd", "FiatEur": "eur", "Plain": None}


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """Note each listed token as plain, in the group that its kind names."""
    for kind, token in sorted(deployment.contracts.items()):
        if kind == "WrappedNative":
            book.add_link(deployment.key, token, "plain", NATIVE_TOKEN, rule="par", source="listed")
        else:
            book.add_link(deployment.key, token, "plain", source="listed", group=GROUPS.get(kind))


PROTOCOL = Protocol(
    slug="token_list",
    project="token_list",
    version="1",
    kind="link",
    contracts=[],
    required=(),
    open_deployment=open_deployment,
)
