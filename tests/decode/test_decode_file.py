"""`decode_file`: who owns a log of an unknown emitter, what an entry may look like, and what is wrong with it otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from making import HERE, raw_log, tx, word

from indexer import decode_file
from indexer.decode_file import Ambiguous, Decoded, decode_entries, read_entries
from indexer.errors import BadRequest
from indexer.protocol import Protocol
from indexer.protocols import discover

STRANGER, OTHER, USER, RESERVE = ("0x" + pair * 20 for pair in ("5a", "5b", "aa", "bb"))
POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
MORPHO = "0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb"

WITHDRAW = "Withdraw(address,address,address,uint256)"
SUPPLY = "Supply(address,address,address,uint256,uint16)"
MINT_V2 = "Mint(address,uint256,uint256)"
MINT_V3 = "Mint(address,address,uint256,uint256,uint256)"
TRANSFERRED = "BalanceTransfer(address,address,uint256,uint256)"
RAY = 10**27


def words(*values: Any) -> str:
    return "0x" + encode(["address" if isinstance(value, str) else "uint256" for value in values], values).hex()


def who(*addresses: str) -> list[str]:
    return [word("address", address) for address in addresses]


def withdraw(address: str = STRANGER, index: int = 0, **more: Any) -> dict[str, Any]:
    """Aave v2 and v3 both emit it, in the same shape."""
    return raw_log(address, WITHDRAW, who(RESERVE, USER, OTHER), words(5), index, **more)


def supply(address: str = STRANGER, index: int = 1) -> dict[str, Any]:
    """Only Aave v3 emits it."""
    return raw_log(address, SUPPLY, [*who(RESERVE, USER), word("uint16", 0)], words(OTHER, 7), index)


def deposit(address: str = STRANGER, index: int = 1) -> dict[str, Any]:
    """Only Aave v2 emits it."""
    signature = "Deposit(address,address,address,uint256,uint16)"
    return raw_log(address, signature, [*who(RESERVE, USER), word("uint16", 0)], words(OTHER, 7), index)


def rates(address: str = STRANGER, index: int = 2) -> dict[str, Any]:
    """Both emit it, and nobody prints it."""
    signature = "ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)"
    return raw_log(address, signature, who(RESERVE), words(1, 2, 3, RAY, RAY), index)


def transferred(address: str = STRANGER, index: int = 0) -> dict[str, Any]:
    """AToken of Aave v2 and v3."""
    return raw_log(address, TRANSFERRED, who(USER, OTHER), words(9, RAY), index)


def morpho_supply(address: str = STRANGER, index: int = 3) -> dict[str, Any]:
    signature = "Supply(bytes32,address,address,uint256,uint256)"
    return raw_log(address, signature, [word("bytes32", b"\x01" * 32), *who(USER, USER)], words(11, 12), index)


def decoded(*logs: dict[str, Any], chain: int = 1) -> Decoded:
    (found,) = decode_entries([{"chain_id": chain, "receipt": {"logs": list(logs)}}])
    return found


def kinds(found: Decoded) -> list[str]:
    return [row["transaction_type"] for row in found.actions]


@contextmanager
def only_adapters(monkeypatch: pytest.MonkeyPatch, adapters: dict[str, Protocol]) -> Iterator[None]:
    """Let `decode_file` know these adapters only."""
    monkeypatch.setattr(decode_file, "discover", lambda: adapters)
    caches = (decode_file._adapters, decode_file._listed, decode_file._handled, decode_file._chain_names)
    for one in caches:
        one.cache_clear()
    try:
        yield
    finally:
        for one in caches:
            one.cache_clear()


@pytest.fixture
def aave_v2_as_neighbour(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its interfaces are there, its adapter is not."""
    with only_adapters(monkeypatch, {slug: one for slug, one in discover().items() if slug != "aave_v2"}):
        yield


BOTH = ("aave_v2", "aave_v3")


def unclear(index: int, protocols: tuple[str, ...] = BOTH, address: str = STRANGER) -> Ambiguous:
    return Ambiguous(tx(1), index, address, protocols)


# ------------------------------------------------------------------------------------------ whose is a stranger's log?


def test_a_log_that_two_protocols_emit_is_ambiguous_not_guessed() -> None:
    assert decoded(withdraw()) == Decoded(ambiguous=[unclear(0)])


def test_a_listed_emitter_decides() -> None:
    found = decoded(withdraw(POOL))
    assert (kinds(found), found.actions[0]["deployment"], found.ambiguous) == (["withdraw"], "ethereum_core", [])


def test_the_same_address_on_another_chain_is_a_stranger() -> None:
    assert decoded(withdraw(POOL), chain=8453).ambiguous == [unclear(0, address=POOL.lower())]


def test_a_log_that_only_an_adapter_fits_is_decoded_without_a_deployment() -> None:
    found = decoded(supply())
    assert (kinds(found), found.actions[0]["deployment"]) == (["supply"], None)
    assert found.actions[0]["market_id"] == f"aave_v3:1:{STRANGER}:{RESERVE}"


@pytest.mark.usefixtures("aave_v2_as_neighbour")
def test_a_log_that_only_a_neighbour_fits_is_foreign() -> None:
    assert decoded(deposit()) == Decoded()


def test_another_log_of_the_emitter_settles_it_for_the_adapter() -> None:
    found = decoded(withdraw(index=0), supply(index=1))
    assert (kinds(found), found.ambiguous) == (["withdraw", "supply"], [])


def test_another_log_of_the_emitter_settles_it_for_another_adapter() -> None:
    found = decoded(withdraw(index=0), deposit(index=1))
    assert [(row["version"], row["transaction_type"]) for row in found.actions] == [("2", "withdraw"), ("2", "supply")]
    assert found.ambiguous == []


@pytest.mark.usefixtures("aave_v2_as_neighbour")
def test_another_log_of_the_emitter_settles_it_for_the_neighbour() -> None:
    assert decoded(withdraw(index=0), deposit(index=1)) == Decoded()


def test_the_settling_log_may_come_later_or_be_one_that_nobody_prints() -> None:
    mint = raw_log(STRANGER, MINT_V3, who(USER, USER), words(3, 3, RAY), 9)
    found = decoded(transferred(index=0), mint)
    assert (kinds(found), found.actions[0]["amount_raw"]) == (["transfer"], "9")
    found = decoded(transferred(index=0), raw_log(STRANGER, MINT_V2, who(USER), words(3, RAY), 9))
    assert [(row["version"], row["amount_raw"]) for row in found.actions] == [("2", "9")]


def test_a_log_of_another_emitter_settles_nothing() -> None:
    found = decoded(withdraw(index=0), supply(OTHER, index=1))
    assert (kinds(found), found.ambiguous) == (["supply"], [unclear(0)])


def test_another_entry_settles_nothing() -> None:
    first, second = decode_entries([{"logs": [withdraw()]}, {"logs": [supply()]}], chain_id=1)
    assert (first.ambiguous, kinds(second)) == ([unclear(0)], ["supply"])


def test_an_emitter_whose_logs_contradict_each_other_is_ambiguous_throughout() -> None:
    found = decoded(supply(index=1), deposit(index=2), morpho_supply(index=3))
    three = ("aave_v2", "aave_v3", "morpho_blue")
    assert found == Decoded(ambiguous=[unclear(1, three), unclear(2, three), unclear(3, three)])


def test_ambiguous_logs_that_nobody_would_print_are_not_worth_a_word() -> None:
    assert decoded(rates()) == Decoded()


def test_events_of_standards_are_evidence_of_nothing() -> None:
    """An upgradeable contract, a token, a vault: a contract of any protocol may be one."""
    upgraded = raw_log(STRANGER, "Upgraded(address)", who(OTHER), "0x", 5)
    transfer = raw_log(STRANGER, "Transfer(address,address,uint256)", who(USER, OTHER), words(1), 6)
    vault = raw_log(STRANGER, "Deposit(address,address,uint256,uint256)", who(USER, OTHER), words(1, 1), 7)
    assert kinds(decoded(morpho_supply(), upgraded, transfer, vault)) == ["supply"]
    assert decoded(withdraw(), upgraded, transfer, vault).ambiguous == [unclear(0)]
    assert decoded(upgraded, transfer, vault) == Decoded()


@pytest.mark.parametrize(
    "log",
    [
        raw_log(STRANGER, SUPPLY, who(RESERVE, USER), words(OTHER, 7, 0)),
        raw_log(STRANGER, SUPPLY, [*who(RESERVE, USER), word("uint16", 0)], words(OTHER, 7, 0)),
        raw_log(STRANGER, MINT_V2, [*who(USER, USER), word("uint256", 1)], "0x"),
    ],
    ids=["another topic count", "another data length", "all of it indexed"],
)
def test_another_shape_of_a_known_topic_is_foreign(log: dict[str, Any]) -> None:
    assert decoded(log) == Decoded()


def test_forks_that_share_their_interfaces_do_not_make_each_other_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter of the folder's own name speaks for a stranger, also when the fork comes first in the alphabet."""
    fork = replace(discover()["aave_v3"], slug="a_fork", abi="aave_v3", project="fork")
    with only_adapters(monkeypatch, {"a_fork": fork, **discover()}):
        both = decoded(supply(), withdraw(OTHER))
    assert ([row["project"] for row in both.actions], both.ambiguous) == (["aave"], [unclear(0, address=OTHER)])


# ------------------------------------------------------------------------------------------------- logs gone wrong


def test_a_garbled_log_of_a_listed_contract_fails_and_the_good_ones_stay() -> None:
    bad = {**withdraw(POOL, 1), "data": "0x" + "0" * 62}
    found = decoded(withdraw(POOL, 0), bad, withdraw(POOL, 2))
    assert [row["evt_index"] for row in found.actions] == [0, 2]
    (failure,) = found.failures
    assert (failure.protocol, failure.event, failure.argument) == ("aave_v3", WITHDRAW, "data")
    assert (failure.tx_hash, failure.log_index, failure.word) == (tx(1), 1, "0x" + "0" * 62)


@pytest.mark.parametrize("topics", [who(RESERVE, USER), who(RESERVE, USER, OTHER, OTHER)], ids=["missing", "extra"])
def test_a_known_topic_of_a_listed_contract_with_another_count_fails(topics: list[str]) -> None:
    found = decoded(raw_log(POOL, WITHDRAW, topics, words(5)))
    assert (found.actions, [failure.argument for failure in found.failures]) == ([], ["topics"])


def test_a_stranger_that_fits_one_protocol_but_does_not_decode_fails() -> None:
    log = supply()
    log["topics"][1] = "0x" + "f" * 64
    (failure,) = decoded(log).failures
    assert (failure.protocol, failure.argument, failure.word) == ("aave_v3", "reserve", "0x" + "f" * 64)


def test_an_ambiguous_log_that_does_not_decode_stays_ambiguous() -> None:
    log = withdraw()
    log["topics"][1] = "0x" + "f" * 64
    assert decoded(log) == Decoded(ambiguous=[unclear(0)])


def test_anonymous_logs_and_unknown_topics_are_nothing_even_of_a_listed_contract() -> None:
    anonymous = {**withdraw(POOL), "topics": []}
    assert decoded(anonymous, raw_log(POOL, "Nothing(uint256)", [], words(1), 1)) == Decoded()


def test_a_removed_log_is_counted_and_is_no_action() -> None:
    found = decoded(withdraw(POOL, 0, removed=True), withdraw(POOL, 1))
    assert ([row["evt_index"] for row in found.actions], found.removed) == ([1], 1)
    assert decoded(supply(index=0) | {"removed": True}, withdraw(index=1)).ambiguous == [unclear(1)]


# ---------------------------------------------------------------------------------------------------- forms of input


def test_a_bare_log_a_receipt_and_a_wrapped_receipt_say_the_same() -> None:
    log = withdraw(POOL)
    entries = [log, {"logs": [log]}, {"chain_id": 1, "receipt": {"logs": [log]}}, {**log, "chain_id": "0x1"}]
    rows = [found.actions for found in decode_entries(entries, chain_id=1)]
    assert rows == [rows[0]] * 4
    assert (rows[0][0]["tx_index"], rows[0][0]["block_number"], rows[0][0]["block_time"]) == (2, 100, None)


def test_an_entrys_own_chain_comes_before_the_options() -> None:
    (found,) = decode_entries([{"chain_id": 8453, "receipt": {"logs": [supply()]}}], chain_id=1)
    assert (found.actions[0]["chain_id"], found.actions[0]["blockchain"]) == (8453, "base")


def test_what_a_log_lacks_is_null_not_zero() -> None:
    log = supply()
    del log["transactionIndex"], log["removed"], log["blockHash"]
    (row,) = decoded(log, chain=31337).actions
    assert (row["tx_index"], row["block_time"], row["blockchain"]) == (None, None, None)


@pytest.mark.parametrize("stamp", [1717171717, "1717171717", hex(1717171717)])
def test_the_block_time_is_the_logs_or_the_entrys(stamp: object) -> None:
    of_log, of_entry = decode_entries(
        [{**supply(), "blockTimestamp": stamp}, {"receipt": {"logs": [supply()]}, "block_timestamp": stamp}], chain_id=1
    )
    assert [found.actions[0]["block_time"] for found in (of_log, of_entry)] == ["2024-05-31T16:08:37+00:00"] * 2


def test_actions_come_in_log_order() -> None:
    found = decoded(withdraw(POOL, 12), withdraw(POOL, 3), morpho_supply(MORPHO, 7))
    assert [row["evt_index"] for row in found.actions] == [3, 7, 12]


def test_letters_of_any_case_are_one_log() -> None:
    log = withdraw(POOL)
    upper = {
        **log,
        "topics": ["0x" + found[2:].upper() for found in log["topics"]],
        "data": "0x" + log["data"][2:].upper(),
    }
    assert decoded(upper) == decoded(log)


def test_a_list_lines_and_one_pretty_printed_object_read_alike() -> None:
    first, second = {"a": 1}, {"b": "\u2028"}
    assert list(read_entries(json.dumps([first, second]))) == [first, second]
    assert list(read_entries(json.dumps([first, second], indent=1))) == [first, second]
    lines = f"{json.dumps(first)}\r\n\n  {json.dumps(second, ensure_ascii=False)}\n"
    assert list(read_entries(lines)) == [first, second]
    assert list(read_entries("\ufeff" + json.dumps(first, indent=2))) == [first]
    assert list(read_entries("[]")) == list(read_entries(" \n")) == []


def test_the_receipts_of_the_repository_read_alike_as_lines_and_as_a_list() -> None:
    text = (HERE / "receipts.jsonl").read_text()
    as_list = "[" + ",\n".join(text.splitlines()) + "]"
    assert list(decode_entries(read_entries(as_list))) == list(decode_entries(read_entries(text)))


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\nnonsense\n{}', "line 2: not JSON: Expecting value; give a JSON list or one object a line"),
        ("chain_id,receipt\n1,2", "line 1: not JSON"),
        ('[{"a": 1},\n{"b": }]', "line 2: not JSON"),
        ('[{"a": 1}', "line 1: not JSON"),
        ('{"a": 1}\n{"b": 2', "line 2: not JSON"),
    ],
)
def test_text_that_is_not_json_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        list(read_entries(text))


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in withdraw().items() if name != key}


BAD_ENTRIES: dict[str, tuple[Any, str]] = {
    "a number": (5, "a receipt or log object is needed, got int"),
    "a list": ([withdraw()], "a receipt or log object is needed, got list"),
    "null": (None, "got NoneType"),
    "no receipt yet": ({"receipt": None}, "receipt is null; a transaction that is not mined has none"),
    "another object": ({"jsonrpc": "2.0"}, r"neither a receipt \(logs\) nor a log \(topics, data\)"),
    "logs of another type": ({"logs": {"0": withdraw()}}, "logs is not a list of objects"),
    "a log of another type": ({"logs": ["0x"]}, "logs is not a list of objects"),
    "no block number": (without("blockNumber"), "a log lacks 'blockNumber'"),
    "no log index": (without("logIndex"), "a log lacks 'logIndex'"),
    "no transaction hash": (without("transactionHash"), "a log lacks 'transactionHash'"),
    "no address": (without("address"), "a log lacks 'address'"),
    "no data": (without("data"), "a log lacks 'data'"),
    "no topics": ({"logs": [without("topics")]}, "a log lacks 'topics'"),
    "a pending log": ({**withdraw(), "blockNumber": None}, "blockNumber is None"),
    "a block tag": ({**withdraw(), "blockNumber": "latest"}, "blockNumber is 'latest'"),
    "a negative index": ({**withdraw(), "logIndex": -1}, "logIndex is -1"),
    "an underscore": ({**withdraw(), "logIndex": "1_0"}, "logIndex is '1_0'"),
    "a boolean": ({**withdraw(), "logIndex": True}, "logIndex is True"),
    "a fraction": ({**withdraw(), "blockNumber": 1.5}, "blockNumber is 1.5"),
    "a short address": ({**withdraw(), "address": "0x12"}, "address is '0x12'"),
    "no address at all": ({**withdraw(), "address": None}, "address is None"),
    "a short hash": ({**withdraw(), "transactionHash": "0x12"}, "transactionHash is '0x12'"),
    "data of another type": ({**withdraw(), "data": 5}, "data is 5"),
    "topics of another type": ({**withdraw(), "topics": "0x"}, "topics is '0x'"),
    "a topic of another type": ({**withdraw(), "topics": [None]}, "topics is"),
    "a chain name": ({**withdraw(), "chain_id": "ethereum"}, "chain_id is 'ethereum'"),
    "a time of another kind": ({**withdraw(), "block_timestamp": "2024-05-31"}, "block_timestamp is '2024-05-31'"),
    "a time past the calendar": ({**withdraw(), "block_timestamp": 10**18}, "block_timestamp is 10"),
}


@pytest.mark.parametrize(("entry", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_an_entry_of_another_shape_is_refused_by_number(entry: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=f"entry 2: .*{message}"):
        list(decode_entries([withdraw(), entry], chain_id=1))


def test_without_a_chain_id_the_option_is_named() -> None:
    with pytest.raises(BadRequest, match="entry 1: no chain_id; add --chain"):
        list(decode_entries([withdraw()]))


def test_what_came_before_a_bad_entry_is_given_out() -> None:
    found = decode_entries([withdraw(POOL), 5], chain_id=1)
    assert kinds(next(found)) == ["withdraw"]
    with pytest.raises(BadRequest):
        next(found)
