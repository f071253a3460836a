"""`leverage decode`: receipts or logs in, one row of `lending_events` for each action out. No database, no node.

A listed deployment's emitter decides the protocol. An unknown emitter is decoded when topic0, topic count and data
length fit one protocol only; where they fit several, the log is reported as ambiguous and never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from indexer.decode import abi
from indexer.decode.layout import Events, Layout
from indexer.errors import BadRequest, DecodeError
from indexer.protocol import Actions, Handler, Protocol
from indexer.protocols import deployments, discover
from indexer.types import Logs

CHAIN_NAMES = {1: "ethereum", 10: "optimism", 137: "polygon", 8453: "base", 42161: "arbitrum"}


class Form(NamedTuple):
    """One event of one kind of contract of one protocol, with what is to be made of it."""

    protocol: Protocol
    kind: str
    layout: Layout
    handler: Handler


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A log of an unknown emitter that fits several protocols."""

    tx_hash: str
    log_index: int
    address: str
    protocols: tuple[str, ...]


@dataclass(slots=True)
class Decoded:
    """What one entry of the input gave: actions in log order, ambiguous logs, and logs that do not decode."""

    actions: list[dict[str, Any]] = field(default_factory=list)
    ambiguous: list[Ambiguous] = field(default_factory=list)
    failures: list[DecodeError] = field(default_factory=list)


def read_entries(text: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a JSON list or of JSON lines. Raises BadRequest naming the line."""
    if text.lstrip().startswith("["):
        try:
            yield from json.loads(text)
        except json.JSONDecodeError as error:
            raise BadRequest(f"line {error.lineno}: not JSON: {error.msg}") from None
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise BadRequest(f"line {number}: not JSON: {error.msg}; give a JSON list or one object a line") from None


def decode_entries(entries: Iterable[Mapping[str, Any]], chain_id: int | None = None) -> Iterator[Decoded]:
    """Decode receipts, `{chain_id, receipt}` objects or bare logs, one result an entry.

    Raises  BadRequest for an entry that is none of them, or that has no chain id when `chain_id` is None
    """
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise BadRequest(f"entry {number}: a receipt or log object is needed, got {type(entry).__name__}")
        receipt = entry.get("receipt", entry)
        chain = entry.get("chain_id", chain_id)
        if chain is None:
            raise BadRequest(f"entry {number}: no chain_id; add --chain")
        stamp = entry.get("block_timestamp")
        raw = receipt.get("logs", [receipt] if "topics" in receipt else None)
        if raw is None:
            raise BadRequest(f"entry {number}: neither a receipt (logs) nor a log (topics, data)")
        try:
            logs, stamps = _logs(raw, stamp)
        except (KeyError, ValueError, TypeError) as error:
            raise BadRequest(f"entry {number}: a log lacks or garbles {error}") from None
        yield _decode(int(chain), logs, stamps)


def _logs(raw: Sequence[Mapping[str, Any]], stamp: Any) -> tuple[Logs, list[int | None]]:
    ordered = sorted(raw, key=lambda log: (_int(log["blockNumber"]), _int(log["logIndex"])))
    logs = Logs(
        [_int(log["blockNumber"]) for log in ordered], [_int(log["logIndex"]) for log in ordered],
        [_int(log.get("transactionIndex") or 0) for log in ordered],
        [str(log["transactionHash"]).lower() for log in ordered], ["" for _ in ordered],
        [str(log["address"]).lower() for log in ordered],
        [tuple(str(topic).lower() for topic in log["topics"]) for log in ordered],
        [str(log["data"]).lower() for log in ordered], [0 for _ in ordered],
    )  # fmt: skip
    stamps = [log.get("blockTimestamp", stamp) for log in ordered]
    return logs, [None if value is None else _int(value) for value in stamps]


def _int(value: Any) -> int:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else int(value)


def _decode(chain_id: int, logs: Logs, stamps: Sequence[int | None]) -> Decoded:
    decoded = Decoded()
    for row in range(len(logs)):
        listed = _listed(chain_id).get(logs.address[row])
        forms = _fitting(logs, row, listed)
        slugs = tuple(sorted({form.protocol.slug for form in forms}))
        if len(slugs) > 1:
            decoded.ambiguous.append(Ambiguous(logs.tx_hash[row], logs.log_index[row], logs.address[row], slugs))
        elif forms:
            try:
                events = forms[0].layout.decode(logs, [row])
            except DecodeError as error:
                error.protocol = forms[0].protocol.slug
                decoded.failures.append(error)
                continue
            for fact in forms[0].handler(events):
                if isinstance(fact, Actions) and (fact.where is None or fact.where[0]):
                    decoded.actions.append(_row(chain_id, forms[0].protocol, listed, fact, events, stamps[row]))
    return decoded


def _fitting(logs: Logs, row: int, listed: tuple[str, str, str] | None) -> list[Form]:
    """Return the forms a log may be: of a listed emitter by topic and kind alone, so that a garbled log is an error."""
    topics, data = logs.topics[row], logs.data[row]
    found = _forms().get(topics[0], ()) if topics else ()
    if listed is not None:
        return [form for form in found if (form.protocol.slug, form.kind) == listed[:2]]
    fitting = [form for form in found if form.layout.fits(len(topics), data)]
    # several kinds of one protocol may emit it (aToken and debt token): the first will do, the action is the same
    return fitting


def _row(
    chain_id: int, protocol: Protocol, listed: tuple[str, str, str] | None, fact: Actions, events: Events,
    stamp: int | None,
) -> dict[str, Any]:  # fmt: skip
    kind = fact.transaction_type if isinstance(fact.transaction_type, str) else fact.transaction_type[0]
    native = fact.market[0] if isinstance(fact.market, list) else None
    token = fact.token[0] if isinstance(fact.token, list) else None
    market_id = None
    if native is not None and protocol.market_is_asset:
        token = native
        market_id = f"{protocol.slug}:{chain_id}:{events.address[0]}:{native}"
    elif native is not None:
        market_id = f"{protocol.slug}:{chain_id}:{native}"

    def one(column: Sequence[Any] | None) -> Any:
        return None if column is None else column[0]

    amount = one(fact.amount)
    return {
        "chain_id": chain_id,
        "blockchain": CHAIN_NAMES.get(chain_id),
        "project": protocol.project,
        "version": protocol.version,
        "deployment": listed[2] if listed else None,
        "transaction_type": kind,
        "token_address": token,
        "borrower": one(fact.borrower),
        "depositor": one(fact.depositor),
        "on_behalf_of": one(fact.on_behalf_of),
        "repayer": one(fact.repayer),
        "liquidator": one(fact.liquidator),
        "recipient": one(fact.recipient),
        "amount_raw": None if amount is None else str(amount),
        "block_number": events.block_number[0],
        "block_time": None if stamp is None else datetime.fromtimestamp(stamp, UTC).isoformat(),
        "tx_hash": events.tx_hash[0],
        "tx_index": events.tx_index[0],
        "evt_index": events.log_index[0],
        "project_contract_address": events.address[0],
        "market_id": market_id,
    }


@cache
def _forms() -> Mapping[str, tuple[Form, ...]]:
    """Return every event that any adapter handles, by topic0."""
    found: dict[str, list[Form]] = {}
    for protocol in discover().values():
        for contract in protocol.contracts:
            for name, handler in contract.handlers.items():
                for layout in abi.events(protocol.abi_folder, contract.kind)[name]:
                    found.setdefault(layout.topic0, []).append(Form(protocol, contract.kind, layout, handler))
    return {topic: tuple(forms) for topic, forms in found.items()}


@cache
def _listed(chain_id: int) -> Mapping[str, tuple[str, str, str]]:
    """Return the listed contracts of a chain: address -> (protocol, kind, deployment)."""
    return {
        address.lower(): (slug, kind, entry["name"])
        for slug in discover()
        for entry in deployments(slug)
        if entry["chain_id"] == chain_id
        for kind, address in entry["contracts"].items()
    }
