"""Every error the indexer raises. The axis is what happens next.

LeverageError
├─ Retry                   back off and try again
│   ├─ NodeUnavailable     no answer, 5xx, broken JSON
│   ├─ RateLimited         429; carries the wait the node asked for
│   ├─ RangeTooLarge       split the range and try again at once
│   ├─ BlockNotYetKnown    the node lags behind what another said
│   └─ DatabaseUnavailable
├─ BadData                 stop this protocol on this chain, keep the others, show it on /v1/status
│   ├─ DecodeError         a watched contract's log that does not decode
│   ├─ NegativeBalance     a balance that would fall below zero
│   ├─ WrongRegime         an event that contradicts the accounting rules in force
│   ├─ MissingFact         a read or fact that the accounting needs and does not have
│   └─ UnknownMarket       an event of a market that was never listed
├─ NodeDisagrees           two answers about one block; carries both requests; that node is put aside
├─ ReorgTooDeep            the chain changed below the kept window; stop and say what to run
├─ BadConfig               exit 2 with the file, the key and what to write instead
└─ BadRequest              HTTP 4xx
"""

from __future__ import annotations

from dataclasses import dataclass


class LeverageError(Exception):
    """Base of all errors raised on purpose. `hint` says what to do about it."""

    hint: str = ""


class Retry(LeverageError):
    """A passing condition: back off and try again."""


class NodeUnavailable(Retry):
    """The node gave no usable answer (connection, timeout, 5xx, broken body)."""


class RateLimited(Retry):
    """The node answered 429 or its JSON-RPC equal. `wait_seconds` is what it asked for, or None."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class RangeTooLarge(Retry):
    """The node refuses this many blocks or logs. `suggested_last` is the node's own proposal, or None."""

    def __init__(self, message: str, suggested_last: int | None = None) -> None:
        super().__init__(message)
        self.suggested_last = suggested_last


class BlockNotYetKnown(Retry):
    """The node does not have a block that it, or another node, has spoken of."""


class DatabaseUnavailable(Retry):
    """PostgreSQL cannot be reached or has gone away."""


class BadData(LeverageError):
    """What the chain said cannot be booked. Stops one protocol on one chain at `block_number`.

    `protocol` and `block_number` are filled in by whoever knows them last (`located`).
    """

    protocol: str = ""
    block_number: int | None = None

    def details(self) -> dict[str, str | int | None]:
        """Return the fields shown on /v1/status, as plain values."""
        names = ("protocol", "block_number", "event", "argument", "tx_hash", "log_index", "word", "address")
        found = {name: getattr(self, name) for name in names if getattr(self, name, None) not in (None, "")}
        return {"error": type(self).__name__, "message": str(self), "hint": self.hint, **found}


@dataclass
class DecodeError(BadData):
    """A log of a watched contract with a known topic that does not decode. Never skipped, never zero-filled."""

    event: str
    argument: str
    word: str
    reason: str
    address: str = ""
    tx_hash: str = ""
    log_index: int = -1
    block_number: int | None = None
    protocol: str = ""
    hint = "Check the ABI in abis/ against the contract at this block; then run `leverage run` to resume here."

    def __str__(self) -> str:
        return (
            f"{self.protocol or 'log'} {self.event}.{self.argument}: {self.reason} (word {self.word!r}) in log "
            f"{self.log_index} of transaction {self.tx_hash}, block {self.block_number}, contract {self.address}"
        )


class NegativeBalance(BadData):
    """A collateral, supply or debt balance would fall below zero: a log is missing or a rule is wrong."""

    hint = "Run `leverage verify --block N` one block earlier; a node that dropped logs is the usual cause."


class WrongRegime(BadData):
    """An event contradicts the accounting rules (contract version) assumed at its block."""

    hint = "State the contract version for this deployment in leverage.toml (key `version`), then re-index."


class MissingFact(BadData):
    """The accounting needs a read, a parameter or a market that is not there."""

    hint = "Give a node that answers historical eth_call (an archive node), then run again."


class UnknownMarket(BadData):
    """An event names a market or token that no listing event announced."""

    hint = "Set start_block at or below the deployment block, then re-index this protocol."


class NodeDisagrees(LeverageError):
    """Two answers about one block contradict each other. Carries both requests for the provider."""

    def __init__(self, message: str, first_request: str, second_request: str) -> None:
        super().__init__(f"{message}; first request: {first_request}; second request: {second_request}")
        self.first_request = first_request
        self.second_request = second_request


class ReorgTooDeep(LeverageError):
    """The chain was replaced below the oldest block whose hash is kept."""

    hint = "Run `leverage rebuild --from BLOCK --forget` with a block below the fork, then `leverage run`."


class BadConfig(LeverageError):
    """The configuration is wrong. The message names file, key and what to write instead."""


class BadRequest(LeverageError):
    """A request that the HTTP API refuses."""
