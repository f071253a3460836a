"""Wallet flows: who sent which token to whom, read from the Transfer logs of the tokens that a lending protocol names.

Kept beside a protocol's own books and never part of them: recursion can tell a swap of borrowed money from money that
came from outside only by what wallets did in between (docs/methodology.md, M6). Tokens are watched from the block in
which the protocol named them. A Transfer of another shape (ERC-721 has a fourth topic) is not an ERC-20 transfer and
gives no row; nothing here can stop a protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from indexer.types import Address, Hash, Logs
from indexer.units import NATIVE_TOKEN, ZERO_ADDRESS

TRANSFER: Final[Hash] = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""keccak256 of Transfer(address,address,uint256), EIP-20."""

WALLET_TOKEN: Final = "WalletToken"
"""Kind of a watched contract whose Transfer logs are wallet flows. No ABI file: the one event is fixed by EIP-20."""

NO_FLOW: Final = frozenset({"debt_token"})
"""Kinds of token that wallets cannot send."""


def watched_tokens(rows: Iterable[tuple[Any, ...]]) -> dict[Address, int]:
    """Return the tokens among new rows of `token` whose transfers matter, with the block they were met in."""
    return {row[0]: row[1] for row in rows if row[4] not in NO_FLOW and row[0] not in (NATIVE_TOKEN, ZERO_ADDRESS)}


def transfer_rows(parts: Iterable[Logs], since: Mapping[Address, int]) -> list[tuple[Any, ...]]:
    """Return rows of `token_transfer`, in chain order, from each token's block on. Repeats of a log give one row."""
    found: dict[tuple[int, int], tuple[Any, ...]] = {}
    for logs in parts:
        for row, topics in enumerate(logs.topics):
            if not topics or topics[0] != TRANSFER or len(topics) != 3 or len(logs.data[row]) != 66:
                continue
            token, block = logs.address[row], logs.block_number[row]
            if token not in since or block < since[token]:
                continue
            log = logs.log_index[row]
            found[block, log] = (
                block, log, logs.tx_index[row], logs.tx_hash[row], token, "0x" + topics[1][26:], "0x" + topics[2][26:],
                int(logs.data[row], 16),
            )  # fmt: skip
    return [found[key] for key in sorted(found)]
