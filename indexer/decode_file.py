"""`leverage decode`: receipts or logs in, one row of `lending_events` for each action out. No database, no node.

A listed deployment's emitter decides the protocol. An unknown emitter is decoded only when one protocol alone can have
emitted all of its logs in the entry, by topic0, topic count and data length. Otherwise its logs are reported as ambiguous,
never guessed. Protocols here are the folders of `abis/`:

    adapter     an adapter reads the folder; forks share one, and the adapter of the folder's own name speaks for all
    neighbour   no adapter reads it (yet): its events make a log ambiguous, or foreign when it alone fits
    standard    any protocol's contracts emit it (ERC-20, ...): tells nothing about the emitter
"""

from __future__ import annotations

import json
import re
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
from indexer.types import Address, Hash, Logs

STANDARDS = frozenset({"erc20", "erc1967", "erc4626"})
"""Folders of `abis/` that are no protocol's own."""

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_HASH = re.compile(r"0x[0-9a-f]{64}")


class Form(NamedTuple):
    """One event of one kind of contract: the folder of `abis/` that declares it, and the contract's file there."""

    folder: str
    kind: str
    layout: Layout


class Listed(NamedTuple):
    """A contract of a listed deployment."""

    protocol: Protocol
    kind: str
    deployment: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A log of an unknown emitter that may be an action of several protocols."""

    tx_hash: str
    log_index: int
    address: str
    protocols: tuple[str, ...]


@dataclass(slots=True)
class Decoded:
    """What one entry of the input gave: actions in log order, ambiguous logs, and logs that do not decode.

    `removed` counts logs that a reorg took back (`"removed": true`): they are not actions.
    """

    actions: list[dict[str, Any]] = field(default_factory=list)
    ambiguous: list[Ambiguous] = field(default_factory=list)
    failures: list[DecodeError] = field(default_factory=list)
    removed: int = 0


# ---------------------------------------------------------------------------------------------------------- reading


def read_entries(text: str) -> Iterator[Any]:
    """Yield the entries of a JSON list, of JSON lines, or the one entry of a single JSON object over several lines.

    Raises  BadRequest naming the line that is not JSON
    """
    text = text.removeprefix("\ufeff")
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("["):
            raise BadRequest(f"line {error.lineno}: not JSON: {error.msg}") from None
    else:
        yield from whole if isinstance(whole, list) else [whole]
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                hint = "give a JSON list or one object a line"
                raise BadRequest(f"line {number}: not JSON: {error.msg}; {hint}") from None


def decode_entries(entries: Iterable[Any], chain_id: int | None = None) -> Iterator[Decoded]:
    """Decode receipts, `{chain_id, receipt}` objects or bare logs, one result an entry.

    Raises  BadRequest for an entry that is none of them, or that has no chain id when `chain_id` is None
    """
    for number, entry in enumerate(entries, 1):
        try:
            found = _read(entry, chain_id)
        except KeyError as error:
            raise BadRequest(f"entry {number}: a log lacks {error}") from None
        except (ValueError, TypeError) as error:
            raise BadRequest(f"entry {number}: {error}") from None
        yield _decode(found)


class _Extra(NamedTuple):
    """What a log may lack: the transaction's index and the block's time (ISO 8601)."""

    tx_index: int | None
    block_time: str | None


class _Entry(NamedTuple):
    """The logs of one entry in chain order. `removed` counts those that were left out."""

    chain_id: int
    logs: Logs
    extras: list[_Extra]
    removed: int


def _read(entry: Any, chain_id: int | None) -> _Entry:
    if not isinstance(entry, Mapping):
        raise TypeError(f"a receipt or log object is needed, got {type(entry).__name__}")
    receipt = entry.get("receipt", entry)
    if not isinstance(receipt, Mapping):
        raise TypeError(f"receipt is {json.dumps(receipt)}; a transaction that is not mined has none")
    chain = {"chain_id": entry.get("chain_id", chain_id)}
    if chain["chain_id"] is None:
        raise ValueError("no chain_id; add --chain")
    raw = receipt.get("logs", [receipt] if "topics" in receipt else None)
    if raw is None:
        raise ValueError("neither a receipt (logs) nor a log (topics, data)")
    if not isinstance(raw, list | tuple) or not all(isinstance(log, Mapping) for log in raw):
        raise TypeError("logs is not a list of objects")
    kept = [log for log in raw if log.get("removed") is not True]
    kept.sort(key=lambda log: (_number(log, "blockNumber"), _number(log, "logIndex")))
    extras = [_extra(log, entry.get("block_timestamp")) for log in kept]
    return _Entry(_number(chain, "chain_id"), _logs(kept), extras, len(raw) - len(kept))


def _extra(log: Mapping[str, Any], timestamp: Any) -> _Extra:
    tx_index = None if log.get("transactionIndex") is None else _number(log, "transactionIndex")
    seconds = timestamp if log.get("blockTimestamp") is None else log["blockTimestamp"]
    if seconds is None:
        return _Extra(tx_index, None)
    try:
        time = datetime.fromtimestamp(_number({"block_timestamp": seconds}, "block_timestamp"), UTC)
    except (OverflowError, OSError):
        raise ValueError(f"block_timestamp is {seconds!r}; unix seconds are needed") from None
    return _Extra(tx_index, time.isoformat())


def _logs(raw: Sequence[Mapping[str, Any]]) -> Logs:
    return Logs(
        block_number=[_number(log, "blockNumber") for log in raw],
        log_index=[_number(log, "logIndex") for log in raw],
        tx_index=[0 for _ in raw],
        tx_hash=[_text(log, "transactionHash", _HASH) for log in raw],
        block_hash=["" for _ in raw],
        address=[_text(log, "address", _ADDRESS) for log in raw],
        topics=[_topics(log) for log in raw],
        data=[_text(log, "data") for log in raw],
        timestamp=[0 for _ in raw],
    )


def _number(log: Mapping[str, Any], key: str) -> int:
    value = log[key]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value, 16 if value.startswith("0x") else 10)
    raise ValueError(f"{key} is {value!r}; a number or 0x hex is needed")


def _text(log: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None = None) -> str:
    value = log[key]
    text = value.lower() if isinstance(value, str) else None
    if text is None or (pattern and not pattern.fullmatch(text)):
        raise ValueError(f"{key} is {value!r}; 0x hex{' of an address or a hash' if pattern else ''} is needed")
    return text


def _topics(log: Mapping[str, Any]) -> tuple[str, ...]:
    topics = log["topics"]
    if not isinstance(topics, list | tuple) or not all(isinstance(topic, str) for topic in topics):
        raise ValueError(f"topics is {topics!r}; a list of 0x hex is needed")
    return tuple(topic.lower() for topic in topics)


# --------------------------------------------------------------------------------------------------------- decoding


def _decode(entry: _Entry) -> Decoded:
    decoded, logs, listed = Decoded(removed=entry.removed), entry.logs, _listed(entry.chain_id)
    fits = [frozenset() if address in listed else _fitting_folders(logs, n) for n, address in enumerate(logs.address)]
    owners = _owners(logs, fits)
    for row, address in enumerate(logs.address):
        if address in listed:
            _add_actions(decoded, entry, row, *listed[address])
        elif fits[row]:
            protocol = _adapters().get(owners[address][0])
            if len(owners[address]) > 1:
                if _may_be_action(logs, row):
                    names = tuple(map(_name, owners[address]))
                    decoded.ambiguous.append(Ambiguous(logs.tx_hash[row], logs.log_index[row], address, names))
            elif protocol is not None:
                _add_actions(decoded, entry, row, protocol, None, None)
    return decoded


def _owners(logs: Logs, fits: Sequence[frozenset[str]]) -> Mapping[Address, tuple[str, ...]]:
    """Return the folders that can own an emitter: those that fit all its logs, or every one it was seen to fit.

    A contract of one protocol emits that protocol's events only, so a log that fits one alone settles the others; an
    emitter whose logs contradict each other is of no protocol known here and is left to the reader.
    """
    evidence: dict[Address, list[frozenset[str]]] = {}
    for address, folders in zip(logs.address, fits, strict=True):
        if folders:
            evidence.setdefault(address, []).append(folders)
    return {
        address: tuple(sorted(frozenset.intersection(*found) or frozenset.union(*found)))
        for address, found in evidence.items()
    }


def _fitting_folders(logs: Logs, row: int) -> frozenset[str]:
    """Return the folders whose contracts may have emitted a log. A log of a standard is evidence of none."""
    topics, data = logs.topics[row], logs.data[row]
    forms = _forms().get(topics[0], ()) if topics else ()
    if any(form.folder in STANDARDS for form in forms):
        return frozenset()
    return frozenset(form.folder for form in forms if form.layout.fits(len(topics), data))


def _add_actions(
    decoded: Decoded, entry: _Entry, row: int, protocol: Protocol, kind: str | None, deployment: str | None
) -> None:
    """Decode a log as one of a protocol's, of one kind of contract where that is known, and add its actions."""
    try:
        events, facts = _actions(entry.logs, row, protocol, kind)
    except DecodeError as error:
        error.protocol = protocol.slug
        decoded.failures.append(error)
        return
    extra = entry.extras[row]
    decoded.actions.extend(_row(entry.chain_id, protocol, deployment, fact, events, extra) for fact in facts)


def _actions(logs: Logs, row: int, protocol: Protocol, kind: str | None) -> tuple[Events, list[Actions]]:
    """Return the actions of a log. Raises DecodeError when the protocol knows its topic and it does not decode."""
    topics, data = logs.topics[row], logs.data[row]
    known = _handled(protocol.slug).get(topics[0], ()) if topics else ()
    found = [(layout, handler) for of, layout, handler in known if kind in (None, of)]
    if not found:
        return Events("", [], [], [], [], []), []
    # several kinds of contract may emit one event (aToken and debt token): what it says is the same
    layout, handler = next((pair for pair in found if pair[0].fits(len(topics), data)), found[0])
    events = layout.decode(logs, [row])
    facts = [fact for fact in handler(events) if isinstance(fact, Actions)]
    return events, [fact for fact in facts if fact.where is None or fact.where[0]]


def _may_be_action(logs: Logs, row: int) -> bool:
    """Return whether some adapter would print the log: an ambiguous interest index is not worth a word."""
    for folder in _fitting_folders(logs, row):
        protocol = _adapters().get(folder)
        if protocol is not None:
            try:
                if _actions(logs, row, protocol, None)[1]:
                    return True
            except DecodeError:
                return True
    return False


def _row(
    chain_id: int, protocol: Protocol, deployment: str | None, fact: Actions, events: Events, extra: _Extra
) -> dict[str, Any]:
    """Return the columns of `lending_events` that a receipt can give, in its order; `recipient` is added at the end."""
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
        "blockchain": _chain_names().get(chain_id),
        "project": protocol.project,
        "version": protocol.version,
        "deployment": deployment,
        "transaction_type": kind,
        "token_address": token,
        "borrower": one(fact.borrower),
        "depositor": one(fact.depositor),
        "on_behalf_of": one(fact.on_behalf_of),
        "repayer": one(fact.repayer),
        "liquidator": one(fact.liquidator),
        "amount_raw": None if amount is None else str(amount),
        "block_number": events.block_number[0],
        "block_time": extra.block_time,
        "tx_hash": events.tx_hash[0],
        "tx_index": extra.tx_index,
        "evt_index": events.log_index[0],
        "project_contract_address": events.address[0],
        "market_id": market_id,
        "recipient": one(fact.recipient),
    }


# ------------------------------------------------------------------------------------------- what the repository has


@cache
def _forms() -> Mapping[Hash, tuple[Form, ...]]:
    """Return every event of every folder of `abis/`, by topic0."""
    found: dict[Hash, list[Form]] = {}
    for folder in sorted(path.name for path in abi.ROOT.iterdir() if path.is_dir()):
        for kind in abi.contracts(folder):
            for layouts in abi.events(folder, kind).values():
                for layout in layouts:
                    found.setdefault(layout.topic0, []).append(Form(folder, kind, layout))
    return {topic: tuple(forms) for topic, forms in found.items()}


@cache
def _handled(slug: str) -> Mapping[Hash, tuple[tuple[str, Layout, Handler], ...]]:
    """Return the events that an adapter handles, by topic0: kind of contract, layout and handler."""
    protocol = discover()[slug]
    found: dict[Hash, list[tuple[str, Layout, Handler]]] = {}
    for contract in protocol.contracts:
        for name, handler in contract.handlers.items():
            for layout in abi.events(protocol.abi_folder, contract.kind)[name]:
                found.setdefault(layout.topic0, []).append((contract.kind, layout, handler))
    return {topic: tuple(forms) for topic, forms in found.items()}


@cache
def _adapters() -> Mapping[str, Protocol]:
    """Return the adapter that speaks for each folder of `abis/`: the one of its name, else the first by slug."""
    found: dict[str, Protocol] = {}
    for protocol in sorted(discover().values(), key=lambda one: (one.slug != one.abi_folder, one.slug)):
        found.setdefault(protocol.abi_folder, protocol)
    return found


def _name(folder: str) -> str:
    adapter = _adapters().get(folder)
    return folder if adapter is None else adapter.slug


@cache
def _listed(chain_id: int) -> Mapping[Address, Listed]:
    """Return the listed contracts of a chain by address."""
    return {
        address.lower(): Listed(protocol, kind, entry["name"])
        for slug, protocol in discover().items()
        for entry in deployments(slug)
        if entry["chain_id"] == chain_id
        for kind, address in entry["contracts"].items()
    }


@cache
def _chain_names() -> Mapping[int, str]:
    """Return the names of the chains that some deployment lists."""
    return {entry["chain_id"]: entry["chain"] for slug in discover() for entry in deployments(slug)}
