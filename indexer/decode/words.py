"""Read single answers of view calls: one word or one string. None stays None: a revert is not a zero."""

from __future__ import annotations

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from indexer.types import Address


def unsigned(result: str | None) -> int | None:
    """Return the first word as an unsigned integer, or None when there is no whole word."""
    return int(result[2:66], 16) if result is not None and len(result) >= 66 else None


def address(result: str | None) -> Address | None:
    """Return the first word as an address, or None when it is not one."""
    if result is None or len(result) != 66 or int(result[2:26], 16):
        return None
    return "0x" + result[26:].lower()


def text(result: str | None) -> str | None:
    """Return a string answer, also in the bytes32 form of early tokens. Characters SQL cannot hold are dropped."""
    if result is None or len(result) < 66:
        return None
    raw = bytes.fromhex(result[2:])
    try:
        found = raw.rstrip(b"\0") if len(raw) == 32 else abi_decode(["string"], raw)[0].encode()
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return None
    return found.decode("utf-8", "replace").replace("\0", "").strip() or None
