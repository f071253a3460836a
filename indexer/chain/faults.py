"""PURE: what a node's refusal means, and how a URL may be shown.

Providers word the same refusal in dozens of ways and share codes between unlike things (-32005 is a rate limit at one
and too many logs at another), so the text decides first and the code second.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from indexer.errors import BlockNotYetKnown, LeverageError, MissingFact, NodeUnavailable, RangeTooLarge, RateLimited

# An answer about a block that the node does not have yet. Tested first: some mention a "block range" too.
_UNKNOWN_BLOCK = re.compile(
    r"beyond (?:the )?current head|unknown block|header not found|block not found|could not find block"
    r"|after last accepted block|blockoutofrange|block number out of (?:range|bounds)|block is out of range"
    r"|filter \(fromblock, toblock or blockhash\) cannot be found|requested block .* (?:not|unavailable)"
    r"|block .* is not (?:yet )?available|toblock .* (?:latest|head)|cannot query unfinalized"
    r"|header for hash|not (?:currently )?canonical|block \S+ not found|could not be found|unable to find block",
    re.I,
)

_PRUNED = re.compile(
    r"missing trie node|pruned|archive|historical state|state (?:is )?(?:not |un)available|state at block .* not"
    r"|required historical|distance to target block|old data not available|no state (?:available|for)"
    r"|history (?:has been|is) (?:pruned|unavailable)|state recovery|state histories haven't been fully indexed",
    re.I,
)

_RANGE = re.compile(
    r"query returned more than|query exceeds? max|exceeds? max(?:imum)? (?:block )?(?:range|results)"
    r"|exceed maximum block range|(?:block|blocks) range|range (?:is )?too (?:large|wide|big)|range limit"
    r"|max(?:imum)? (?:block )?range|range exceeds|response size|response (?:is )?too (?:large|big)"
    r"|response exceeds|body too large|entity too large|limited to (?:a |an |0 ?- ?)?[\d,.]+k? ?(?:block|range)"
    r"|logs? (?:matched by query|response)? ?exceeds? limit|more than [\d,]+ (?:results|logs|blocks)"
    r"|too many (?:results|logs|blocks)|max(?:imum)? (?:number of )?(?:results|logs|blocks)"
    r"|ranges? over [\d,]+|range greater than|narrow (?:down )?(?:your|the) |reduc(?:e|ing) (?:your|the) (?:block )?range"
    r"|greater than [\d,]+ max|query timeout exceeded|is limited to [\d,. -]+|result set too large"
    r"|please (?:limit|specify) .* blocks|logs are limited",
    re.I,
)

_RATE = re.compile(
    r"rate.?limit|too many requests|request rate|requests per (?:second|minute|day)|compute units|throughput|throttl"
    r"|over capacity|daily (?:request|limit)|request (?:count|limit)|exceeded .*(?:quota|credit|limit)|usage limit|slow down"
    r"|\b429\b|limit exceeded|credits",
    re.I,
)

_REVERT = re.compile(
    r"revert|invalid opcode|out of gas|stack (?:under|over)flow|invalid jump|vm exception|vm execution|opcodenotfound"
    r"|evm error|contract .*(?:failed|error)|gas required exceeds|stacklimit|nonpayable|evmerror|outofgas|invalidfe",
    re.I,
)

_BATCH = re.compile(r"batch", re.I)

# Answers of nodes that take a block's number only; always tried again by number before it is believed.
_FORM = re.compile(
    r"code -326(?:00|01|02)\b|code -32700\b|unmarshal|invalid (?:type|params?|argument|request|block)|deseriali[sz]"
    r"|expected .*(?:string|hex)|not (?:supported|implemented)|unsupported|HTTP 400",
    re.I,
)

_HEX_RANGE = re.compile(r"\[\s*(0x[0-9a-f]+)\s*,\s*(0x[0-9a-f]+)\s*\]", re.I)
_DECIMAL_RANGE = re.compile(r"(?:range|between|from)\D{0,12}(\d+)\s*(?:-|to|and)\s*(\d+)", re.I)


def suggested_last(text: str, first: int | None, last: int | None) -> int | None:
    """Return the last block that the node proposes in its refusal, or None.

    A proposal counts only when it starts at the block that was asked and ends before the one that was asked:
    anything else is a limit, an example or a mistake, and halving is the better guess.
    """
    found = _HEX_RANGE.search(text)
    if found:
        low, high = int(found[1], 16), int(found[2], 16)
    else:
        decimal = _DECIMAL_RANGE.search(text)
        if not decimal:
            return None
        low, high = int(decimal[1]), int(decimal[2])
    if first is not None and low != first:
        return None
    return high if low <= high and (last is None or high < last) else None


def classify(
    code: int | None,
    message: str,
    *,
    method: str = "",
    first: int | None = None,
    last: int | None = None,
    wait_seconds: float | None = None,
) -> LeverageError | None:
    """Return the error that a JSON-RPC error object means; None for an `eth_call` that reverted.

    Units   `first`, `last`: the block range that was asked, where one was
    """
    shown = f"{method or 'request'}: {message} (code {code})"
    if method == "eth_call":
        if code == 3 or code == -32015 or _REVERT.search(message):
            return None
        if _PRUNED.search(message):
            return MissingFact(f"the node no longer has the state: {shown}; an archive node is needed")
    if _UNKNOWN_BLOCK.search(message):
        return BlockNotYetKnown(shown)
    if method == "eth_getLogs" and _PRUNED.search(message) and not _RANGE.search(message):
        return NodeUnavailable(f"the node has pruned these logs, use one that keeps them: {shown}")
    if method == "eth_getLogs" and _RANGE.search(message):
        return RangeTooLarge(shown, suggested_last(message, first, last))
    if code in (429, -32029, -32090) or _RATE.search(message):
        return RateLimited(shown, wait_seconds)
    if code == -32001:  # EIP-1898: a block of that hash is not there, or not any more
        return BlockNotYetKnown(shown)
    if code == -32005:
        # Infura and Besu use it for "too many logs", everybody else for a rate limit; without a telling text a range
        # of several blocks is worth splitting (it makes progress), a single one worth waiting for.
        if method == "eth_getLogs" and first is not None and last is not None and last > first:
            return RangeTooLarge(shown)
        return RateLimited(shown, wait_seconds)
    if method == "eth_getLogs" and code == -32602 and re.search(r"range|limit|exceed|large|size", message, re.I):
        return RangeTooLarge(shown, suggested_last(message, first, last))
    return NodeUnavailable(shown)


def refuses_hash(message: str) -> bool:
    """Tell whether a refused `eth_call` may be about the block's form, an object with its hash (EIP-1898)."""
    return bool(_FORM.search(message))


def is_batch_limit(message: str) -> bool:
    """Tell whether a refusal is about the number of calls in one JSON-RPC batch."""
    return bool(_BATCH.search(message))


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header; None for an absent one or an HTTP date."""
    try:
        seconds = float(value) if value else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < 86_400 else None


def shown_url(url: str) -> str:
    """Return scheme, host and port only: keys live in user, path and query."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def secrets(url: str) -> tuple[str, ...]:
    """Return every part of a URL that may be a secret, longest first, for masking messages that quote it."""
    parts = urlsplit(url)
    found = [parts.username or "", parts.password or "", parts.query, parts.fragment, parts.path.strip("/")]
    found += parts.path.split("/") + [value for _, value in parse_qsl(parts.query)]
    both = {text for item in found for text in (item, unquote(item))}
    # Short path words ("v2", "rpc", "eth") are no secrets and occur in ordinary sentences.
    return tuple(sorted((text for text in both if len(text) >= 6), key=len, reverse=True))


def masked(text: str, hidden: tuple[str, ...]) -> str:
    """Return the text with every secret replaced."""
    for secret in hidden:
        text = text.replace(secret, "***")
    return text
