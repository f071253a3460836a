"""Rows to PostgreSQL's COPY formats: text column by column, raw logs binary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from indexer.types import Logs

Encoder = Callable[[Sequence[Any]], Iterable[str]]

NULL = "\\N"


def _number(column: Sequence[Any]) -> Iterable[str]:
    return map(str, column) if None not in column else [NULL if value is None else str(value) for value in column]


def _hex(column: Sequence[str | None]) -> Iterable[str]:
    if None in column:
        return [NULL if value is None else "\\\\x" + value[2:] for value in column]
    return ["\\\\x" + value[2:] for value in column if value is not None]


def _repeated(encoder: Encoder) -> Encoder:
    """Return an encoder that spells each distinct value once."""

    def encode(column: Sequence[Any]) -> Iterable[str]:
        distinct = list(set(column))
        return map(dict(zip(distinct, encoder(distinct), strict=True)).__getitem__, column)

    return encode


def _boolean(column: Sequence[bool]) -> Iterable[str]:
    return ["t" if value else "f" for value in column]


def _text(column: Sequence[str | None]) -> Iterable[str]:
    return [NULL if value is None else _escape(value) for value in column]


def _json(column: Sequence[Any]) -> Iterable[str]:
    return [NULL if value is None else _escape(json.dumps(value, sort_keys=True)) for value in column]


def _escape(value: str) -> str:
    if value.isalnum():
        return value
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


BYTES: Final = frozenset({
    "account", "address", "asset", "block_hash", "borrower", "calldata", "collateral_asset", "contract", "debt_token",
    "depositor", "feed", "from_address", "liquidator", "on_behalf_of", "oracle", "owner", "parent_hash", "recipient",
    "repayer", "result", "supply_token", "to_address", "token", "trader", "tx_hash", "underlying", "wallet",
})  # fmt: skip
TEXT: Final = frozenset({
    "accounting", "action", "asset_group", "issuer_project", "kind", "market_id", "name", "protocol", "qualifier", "quote", "rate_rule",
    "rate_source", "reason", "regime", "side", "source", "symbol", "transaction_type", "value_text",
})  # fmt: skip
BOOLEAN: Final = frozenset({"is_collateral", "is_liquidation"})
JSON: Final = frozenset({"extra"})
"""Columns by name, the same in every table that is copied; all others are numbers. Named here and not read off
`schema`: SQLAlchemy takes 0.25 s to import, a quarter of a restart. A test compares the two."""

REPEATED: Final = frozenset({
    "asset", "block_number", "chain_id", "contract", "deployment_key", "leg", "log_index", "market_key", "subject",
    "token", "tx_index", *TEXT,
})  # fmt: skip
"""Columns in which most values of a step occur many times: a look-up costs a third of spelling."""

_ENCODERS: Final[dict[str, Encoder]] = {
    **dict.fromkeys(BYTES, _hex), **dict.fromkeys(TEXT, _text), **dict.fromkeys(BOOLEAN, _boolean),
    **dict.fromkeys(JSON, _json),
}  # fmt: skip
_ENCODERS.update({name: _repeated(_ENCODERS.get(name, _number)) for name in REPEATED})


def encode(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> str:
    """Return the COPY text of a batch of columns (0x hex for bytes, Python values for the rest)."""
    encoded = [_ENCODERS.get(name, _number)(column) for name, column in zip(names, columns, strict=True)]
    body = "\n".join(map("\t".join, zip(*encoded, strict=True)))
    return body + "\n" if body else ""


class _Hex8(dict[int, str]):
    """Numbers as 4 bytes of hex, each spelled once. Log and transaction indexes and lengths: small and few."""

    def __missing__(self, number: int) -> str:
        self[number] = text = f"{number:08x}"
        return text


_HEX8: Final = _Hex8()
_COPY_BEGIN, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def encode_logs(chain_id: int, logs: Logs) -> bytes:
    """Return the binary COPY of raw logs, in the order of `writer.LOG_COLUMNS` after chain_id.

    Most rows of a backfill are these. Each is spelled as hex, its bytes being hex already, and all are turned into bytes
    at once: as cheap as COPY text here, and half the work for PostgreSQL.
    """
    begin, hex8 = f"000800000008{chain_id:016x}00000008", _HEX8
    blocks = {number: f"{begin}{number:016x}00000004" for number in set(logs.block_number)}
    rows = [
        f"{blocks[block]}{hex8[log]}00000004{hex8[tx]}00000020{tx_hash[2:]}00000014{address[2:]}"
        f"{hex8[32 * len(topics)]}{''.join([topic[2:] for topic in topics])}{hex8[len(data) // 2 - 1]}{data[2:]}"
        for block, log, tx, tx_hash, address, topics, data in zip(
            logs.block_number, logs.log_index, logs.tx_index, logs.tx_hash, logs.address, logs.topics, logs.data,
            strict=True,
        )
    ]  # fmt: skip
    return b"".join((_COPY_BEGIN, bytes.fromhex("".join(rows)), _COPY_END))
