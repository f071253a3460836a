"""What providers say when they refuse, and that no message shows a key."""

from __future__ import annotations

import pytest

from indexer.chain.faults import classify, retry_after, secrets, shown_url, suggested_last
from indexer.errors import BlockNotYetKnown, MissingFact, NodeUnavailable, RangeTooLarge, RateLimited

TOO_LARGE = [
    (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the "
     "response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and "
     "the response size limit, this block range should work: [0x64, 0x6f]"),
    (-32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your "
     "parameters, this block range should work: [0x64, 0x6d]. Upgrade to PAYG for expanded block range."),
    (-32000, "Query timeout exceeded. Consider reducing your block range."),
    (-32005, "query returned more than 10000 results. Try with this block range [0x64, 0x6e]."),
    (-32005, "query returned more than 10000 results"),
    (-32614, "eth_getLogs is limited to a 10,000 range"),
    (-32614, "eth_getLogs is limited to a 5 range, upgrade from discover plan"),
    (-32602, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range"),
    (-32000, "eth_getLogs is limited to 0 - 50 blocks range"),
    (-32600, "block range is too wide"),
    (-32000, "block range too large"),
    (-32000, "exceed maximum block range: 5000"),
    (-32000, "exceed maximum block range 50000"),
    (-32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800"),
    (-32602, "query exceeds max results 20000, retry with the range 100-110"),
    (-32602, "query exceeds max block range 100000"),
    (-32005, "Requested range exceeds maximum range limit"),
    (-32000, "Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits"),
    (-32020, "backend response too large"),
    (-32000, "block range greater than 2000 max"),
    (35, "ranges over 10000 blocks are not supported on freetier"),
    (-32000, "logs matched by query exceeds limit of 10000"),
    (-32008, "Response is too big"),
    (-32000, "Response size is larger than 150MB limit."),
    (-32602, "Maximum block range: 1024"),
    (-32000, "query block range exceeds server limit, narrow your filter"),
    (-32602, "block range too large: the maximum is 1000 blocks"),
]  # fmt: skip

LIMITED = [
    (-32005, "daily request count exceeded, request rate limited"),
    (-32005, "project ID request rate exceeded"),
    (
        429,
        "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can ignore this.",
    ),
    (-32007, "50/second request limit reached - reduce calls per second or upgrade your account"),
    (-32029, "Too Many Requests"),
    (-32090, "Too many requests, retry in 10m0s"),
    (-32000, "rate limit exceeded"),
    (-32003, "method throttled"),
    (None, "You have reached the usage limit for your current plan"),
    (-32001, "out of credits"),
]

UNKNOWN = [
    (-32000, "block range extends beyond current head block"),
    (-32000, "unknown block"),
    (-32000, "header not found"),
    (-32000, "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found."),
    (-32000, "requested block 0x99 after last accepted block 152"),
    (-32001, "block not found"),
    (-32602, "BlockOutOfRangeError"),
]


@pytest.mark.parametrize(("code", "text"), TOO_LARGE)
def test_too_large(code: int, text: str) -> None:
    error = classify(code, text, method="eth_getLogs", first=100, last=2_000)
    assert type(error) is RangeTooLarge
    assert error.suggested_last is None or 100 <= error.suggested_last < 2_000


@pytest.mark.parametrize("method", ["eth_getLogs", "eth_getBlockByNumber", "eth_call"])
@pytest.mark.parametrize(("code", "text"), LIMITED)
def test_rate_limited(code: int | None, text: str, method: str) -> None:
    error = classify(code, text, method=method, first=1, last=9, wait_seconds=3.0)
    assert type(error) is RateLimited
    assert error.wait_seconds == 3.0


@pytest.mark.parametrize(("code", "text"), UNKNOWN)
def test_block_not_yet_known(code: int, text: str) -> None:
    assert type(classify(code, text, method="eth_getLogs", first=1, last=9)) is BlockNotYetKnown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try with this block range [0x64, 0x6e].", 110),
        ("retry with the range 100-110", 110),
        ("this block range should work: [0x0, 0x6e]", None),  # starts elsewhere: an example or a limit
        ("this block range should work: [0x64, 0x7d0]", None),  # no progress
        ("this block range should work: [0x64, 0x10]", None),
        ("is limited to 0 - 50 blocks range", None),
        ("block range too large", None),
    ],
)
def test_a_proposal_counts_only_when_it_makes_progress(text: str, expected: int | None) -> None:
    assert suggested_last(text, 100, 2_000) == expected


def test_a_limit_without_words_splits_a_range_and_waits_for_a_block() -> None:
    assert type(classify(-32005, "exceeded", method="eth_getLogs", first=1, last=9)) is RangeTooLarge
    assert type(classify(-32005, "exceeded", method="eth_getLogs", first=9, last=9)) is RateLimited
    assert type(classify(-32005, "exceeded", method="eth_getBlockByNumber")) is RateLimited


@pytest.mark.parametrize(
    ("code", "text"), [(3, "execution reverted: no"), (-32000, "execution reverted"), (-32000, "invalid opcode: INVALID"),
                       (-32015, "VM execution error."), (-32000, "out of gas")]
)  # fmt: skip
def test_a_revert_is_no_error(code: int, text: str) -> None:
    assert classify(code, text, method="eth_call") is None


@pytest.mark.parametrize(
    "text",
    [
        "missing trie node 1d2b (path ) state 0x77 is not available, not found",
        "required historical state unavailable (reexec=128)",
        "state at block #100 is pruned",
        "project does not have access to archive state",
        "distance to target block exceeds maximum proof window",
    ],
)
def test_pruned_state_names_the_archive_node(text: str) -> None:
    error = classify(-32000, text, method="eth_call")
    assert type(error) is MissingFact
    assert "archive" in str(error) and "archive" in error.hint


def test_anything_else_is_an_unwell_node() -> None:
    assert type(classify(-32603, "internal error", method="eth_getLogs", first=1, last=2)) is NodeUnavailable
    assert type(classify(-32000, "we are restarting", method="eth_call")) is NodeUnavailable


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://eth-mainnet.example.com/v2/AbCdEf123456", "https://eth-mainnet.example.com"),
        ("https://user:hunter22@node.example:8545/?apikey=secret99", "https://node.example:8545"),
        ("http://[::1]:8545/key-key-key", "http://[::1]:8545"),
    ],
)
def test_urls_are_shown_without_their_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    for secret in secrets(url):
        assert secret not in shown_url(url)
    assert {"AbCdEf123456", "hunter22", "secret99", "key-key-key"} & set(secrets(url))


def test_retry_after() -> None:
    assert (retry_after("2"), retry_after("0.5"), retry_after(None)) == (2.0, 0.5, None)
    assert (retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), retry_after("-1"), retry_after("1e9")) == (None, None, None)


def test_a_block_by_hash_that_is_not_there() -> None:
    """EIP-1898's code; anvil's own words."""
    assert isinstance(classify(-32001, "Resource not found", method="eth_call"), BlockNotYetKnown)
