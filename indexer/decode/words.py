"""Read single answers of view calls: one word or one string.

None stays None: a revert is not a zero. An answer that is not hex, or too short, is None as well.
"""

from __future__ import annotations

from indexer.types import Address


def unsigned(result: str | None) -> int | None:
    """Return the first word as an unsigned integer, or None when there is no whole word."""
    raw = _raw(result)
    return int.from_bytes(raw[:32], "big") if len(raw) >= 32 else None


def address(result: str | None) -> Address | None:
    """Return the first word as an address, or None when it is not one."""
    raw = _raw(result)
    return "0x" + raw[12:].hex() if len(raw) == 32 and not any(raw[:12]) else None


def text(result: str | None) -> str | None:
    """Return a string answer, also in the bytes32 form of early tokens. Characters SQL cannot hold are dropped."""
    raw = _raw(result)
    if len(raw) < 32:
        return None
    found = raw.rstrip(b"\0") if len(raw) == 32 else _string(raw)
    return found.decode("utf-8", "replace").replace("\0", "").strip() or None


def _string(raw: bytes) -> bytes:
    """Return the bytes of an encoded string, none when it is not one."""
    from eth_abi.abi import decode  # 0.1 s to import: only when a token is met
    from eth_abi.exceptions import DecodingError

    try:
        return str(decode(["string"], raw)[0]).encode()
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return b""


def _raw(result: str | None) -> bytes:
    if result is None or result[:2] != "0x":
        return b""
    try:
        raw = bytes.fromhex(result[2:])
    except ValueError:
        return b""
    return raw if 2 * len(raw) == len(result) - 2 else b""  # fromhex skips white space
