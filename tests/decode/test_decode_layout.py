"""Layout against eth-abi: what it encodes, Layout decodes; and what eth-abi would not have encoded raises."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from making import event, logs_of, topic, tx, word

from indexer.decode.layout import Layout
from indexer.errors import DecodeError

EMITTER = "0x" + "ee" * 20

# ------------------------------------------------------------------------- any event that Solidity can declare, any values

WIDTHS = st.integers(1, 32)
ELEMENTARY = st.one_of(
    st.sampled_from(["address", "bool"]),
    WIDTHS.map(lambda n: f"uint{8 * n}"), WIDTHS.map(lambda n: f"int{8 * n}"), WIDTHS.map(lambda n: f"bytes{n}"),
)  # fmt: skip


def parameter(kind: str, components: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"type": kind, "name": ""} | ({} if components is None else {"components": components})


def tuple_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parameter("tuple", [{**part, "name": f"f{n}"} for n, part in enumerate(parts)])


STATIC = st.recursive(
    ELEMENTARY.map(parameter), lambda inner: st.lists(inner, min_size=1, max_size=3).map(tuple_of), max_leaves=4
)
ANY = st.recursive(
    st.one_of(ELEMENTARY, st.sampled_from(["string", "bytes"])).map(parameter),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(tuple_of),
        st.tuples(inner, st.sampled_from(["[]", "[1]", "[3]"])).map(
            lambda pair: {**pair[0], "type": pair[0]["type"] + pair[1]}
        ),
    ),
    max_leaves=5,
)


@st.composite
def events(draw: st.DrawFn, plain: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    inputs = [{**item, "indexed": True} for item in draw(st.lists(ANY, max_size=3))]
    inputs += [{**item, "indexed": False} for item in draw(st.lists(plain, max_size=4))]
    named = [{**item, "name": f"a{n}"} for n, item in enumerate(draw(st.permutations(inputs)))]
    return {"type": "event", "name": "E", "inputs": named, "anonymous": False}


def canonical(item: dict[str, Any]) -> str:
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(map(canonical, item['components']))}){item['type'].removeprefix('tuple')}"


def is_elementary(item: dict[str, Any]) -> bool:
    return not item["type"].endswith("]") and item["type"] not in ("string", "bytes", "tuple")


def is_static(item: dict[str, Any]) -> bool:
    return all(map(is_static, item["components"])) if item["type"] == "tuple" else is_elementary(item)


def values(item: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as eth-abi wants them."""
    kind = item["type"]
    if kind.endswith("]"):
        kind, _, size = kind[:-1].rpartition("[")
        low, high = (int(size), int(size)) if size else (0, 3)
        return st.lists(values({**item, "type": kind}), min_size=low, max_size=high)
    if kind == "tuple":
        return st.tuples(*map(values, item["components"]))
    if kind == "string":
        return st.text(max_size=50)
    if kind == "bytes":
        return st.binary(max_size=70)
    if kind == "bool":
        return st.booleans()
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
    if kind.startswith("bytes"):
        return st.binary(min_size=int(kind[5:]), max_size=int(kind[5:]))
    bits = int(kind.removeprefix("u")[3:])
    if kind.startswith("u"):
        return st.one_of(st.integers(0, 2**bits - 1), st.sampled_from([0, 2**bits - 1]))
    return st.one_of(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), st.sampled_from([-1, -(2 ** (bits - 1))]))


def house(value: Any) -> Any:
    """A value as the indexer spells it: bytes as 0x hex, sequences as tuples."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return tuple(map(house, value)) if isinstance(value, list | tuple) else value


def flat(item: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    if item["type"] != "tuple":
        return {name: house(value)}
    found: dict[str, Any] = {}
    for part, inner in zip(item["components"], value, strict=True):
        found |= flat(part, f"{name}.{part['name']}", inner)
    return found


@st.composite
def an_event_and_logs(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[list[str], str, dict[str, Any]]]]:
    """An event, and logs of it as (topics, data, expected row)."""
    entry = draw(st.one_of(events(STATIC), events(ANY)))
    plain = [item for item in entry["inputs"] if not item["indexed"]]
    flattened = all(map(is_static, plain))
    signature = f"E({','.join(map(canonical, entry['inputs']))})"
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        topics, row = [topic(signature)], {}
        for item in entry["inputs"]:
            if item["indexed"] and is_elementary(item):
                value = draw(values(item))
                topics.append(word(item["type"], value))
                row[item["name"]] = house(value)
            elif item["indexed"]:
                topics.append("0x" + draw(st.binary(min_size=32, max_size=32)).hex())
                row[item["name"]] = topics[-1]
        data = [draw(values(item)) for item in plain]
        for item, value in zip(plain, data, strict=True):
            row |= flat(item, item["name"], value) if flattened else {item["name"]: house(value)}
        rows.append((topics, "0x" + encode([canonical(item) for item in plain], data).hex(), row))
    return entry, rows


@settings(max_examples=300, deadline=None)
@given(an_event_and_logs())
def test_what_eth_abi_encodes_is_decoded(
    made: tuple[dict[str, Any], list[tuple[list[str], str, dict[str, Any]]]],
) -> None:
    entry, rows = made
    layout = Layout.compile(entry)
    logs = logs_of([(EMITTER, topics, data) for topics, data, _ in rows])
    assert layout.topic0 == rows[0][0][0]
    assert all(layout.fits(len(topics), data) for topics, data, _ in rows)
    decoded = layout.decode(logs, range(len(rows)))
    assert decoded.rows() == [row for _, _, row in rows]
    assert (decoded.log_index, decoded.tx_hash) == (list(range(len(rows))), [tx(n) for n in range(len(rows))])
    last = len(rows) - 1
    assert layout.decode(logs, [last]).rows() == [rows[last][2]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ELEMENTARY, min_size=1, max_size=4).flatmap(
        lambda kinds: st.tuples(
            st.just(kinds),
            st.lists(
                st.one_of(
                    st.integers(0, 300).map(lambda n: f"{n:064x}"),
                    st.binary(min_size=32, max_size=32).map(bytes.hex),
                    st.text("0123456789abcdefABCDEF_ xg\n", min_size=64, max_size=64),
                ),
                min_size=len(kinds), max_size=len(kinds),
            ),
        )
    )
)  # fmt: skip
def test_a_word_that_eth_abi_would_not_write_is_refused(made: tuple[list[str], list[str]]) -> None:
    """Either the words say exactly what was decoded, or decoding raised: nothing is cut off, nothing defaulted."""
    kinds, words = made
    layout = Layout.compile(event(f"E({', '.join(f'{kind} a{n}' for n, kind in enumerate(kinds))})"))
    try:
        row = layout.decode(logs_of([(EMITTER, [layout.topic0], "0x" + "".join(words))]), [0]).rows()[0]
    except DecodeError as error:
        position = int(error.argument[1:])
        assert error.word == words[position]
        return
    again = [bytes.fromhex(v[2:]) if k.startswith("bytes") else v for k, v in zip(kinds, row.values(), strict=True)]
    assert encode(kinds, again).hex() == "".join(words).lower()


# -------------------------------------------------------------------------------------- every kind of bad word, by name

STATIC_EVENT = Layout.compile(
    event(
        "Moved(address indexed who, uint8 indexed kind, address to, bool on, uint8 small, int16 signed, bytes4 selector)"
    )
)
GOOD_TOPICS = [STATIC_EVENT.topic0, word("address", "0x" + "ab" * 20), word("uint8", 9)]
GOOD_WORDS = {
    "to": word("address", "0x" + "cd" * 20)[2:], "on": word("bool", True)[2:], "small": word("uint8", 255)[2:],
    "signed": word("int16", -32768)[2:], "selector": word("bytes4", b"\x01\x02\x03\x04")[2:],
}  # fmt: skip
GOOD_DATA = "0x" + "".join(GOOD_WORDS.values())
GOOD = (EMITTER, GOOD_TOPICS, GOOD_DATA)

BAD_WORDS = {
    "dirty address": ("to", "01" + "0" * 22 + "cd" * 20),
    "dirty address, last padding byte": ("to", "0" * 22 + "01" + "cd" * 20),
    "boolean two": ("on", f"{2:064x}"),
    "boolean high": ("on", "8" + "0" * 63),
    "uint8 of 256": ("small", f"{256:064x}"),
    "int16 of 32768": ("signed", f"{32768:064x}"),
    "int16 half extended": ("signed", "0" * 32 + "f" * 32),
    "bytes4 with a tail": ("selector", "01020304" + "0" * 55 + "1"),
    "not hex": ("small", "g" * 64),
    "underscore": ("small", "0" * 61 + "1_0"),
    "white space": ("small", " " * 62 + "07"),
    "line break": ("on", "0" * 62 + "\n1"),
    "sign": ("small", "+" + "0" * 62 + "7"),
    "nested 0x": ("small", "0x" + "0" * 62),
    "digit of another script": ("small", "0" * 63 + "\u0667"),
}


def failure(layout: Layout, *rows: tuple[str, list[str], str]) -> DecodeError:
    logs = logs_of(rows)
    with pytest.raises(DecodeError) as caught:
        layout.decode(logs, range(len(rows)))
    return caught.value


def test_the_good_log_is_good() -> None:
    assert STATIC_EVENT.decode(logs_of([GOOD]), [0]).rows() == [
        {"who": "0x" + "ab" * 20, "kind": 9, "to": "0x" + "cd" * 20, "on": True, "small": 255, "signed": -32768,
         "selector": "0x01020304"}
    ]  # fmt: skip


@pytest.mark.parametrize(("argument", "bad"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_a_bad_word_names_event_argument_transaction_log_and_word(argument: str, bad: str) -> None:
    data = "0x" + "".join((GOOD_WORDS | {argument: bad}).values())
    error = failure(STATIC_EVENT, GOOD, (EMITTER, GOOD_TOPICS, data), GOOD)
    assert error.event == "Moved(address,uint8,address,bool,uint8,int16,bytes4)"
    assert (error.argument, error.word, error.tx_hash, error.log_index) == (argument, bad, tx(1), 1)
    assert (error.address, error.block_number) == (EMITTER, 7)
    assert all(part in str(error) for part in (error.event, argument, repr(bad), tx(1), "log 1", EMITTER))


BAD_TOPICS = {
    "dirty address": (1, "who", "0x" + "1" * 24 + "ab" * 20),
    "uint8 of 256": (2, "kind", f"0x{256:064x}"),
    "too short": (2, "kind", "0x09"),
    "odd": (2, "kind", "0x" + "0" * 63),
    "too long": (2, "kind", "0x" + "0" * 65 + "9"),
    "not hex": (1, "who", "0x" + "0" * 24 + "zz" * 20),
    "no 0x": (2, "kind", "00" + "0" * 63 + "9"),
    "empty": (2, "kind", ""),
}


@pytest.mark.parametrize(("position", "argument", "bad"), BAD_TOPICS.values(), ids=BAD_TOPICS)
def test_a_bad_topic_names_its_argument(position: int, argument: str, bad: str) -> None:
    topics = list(GOOD_TOPICS)
    topics[position] = bad
    error = failure(STATIC_EVENT, GOOD, (EMITTER, topics, GOOD_DATA))
    assert (error.argument, error.word, error.tx_hash, error.log_index) == (argument, bad, tx(1), 1)


def test_a_long_topic_does_not_make_up_for_a_short_one() -> None:
    short, long = [*GOOD_TOPICS[:2], "0x" + "0" * 62], [*GOOD_TOPICS[:2], "0x" + "0" * 66]
    error = failure(STATIC_EVENT, (EMITTER, short, GOOD_DATA), (EMITTER, long, GOOD_DATA))
    assert (error.argument, error.log_index) == ("kind", 0)


@pytest.mark.parametrize(
    "data",
    [
        "0x",
        "",
        GOOD_DATA[:-2],
        GOOD_DATA[:-1],
        GOOD_DATA + "00",
        GOOD_DATA + "0" * 64,
        GOOD_DATA[:-64],
        "00" + GOOD_DATA[2:],
    ],
    ids=["none", "empty", "a byte short", "odd", "a byte long", "a word long", "a word short", "no 0x"],
)
def test_data_of_another_length_is_refused(data: str) -> None:
    error = failure(STATIC_EVENT, GOOD, (EMITTER, GOOD_TOPICS, data))
    assert (error.argument, error.word, error.tx_hash, error.log_index) == ("data", data[:66], tx(1), 1)


@pytest.mark.parametrize("topics", [GOOD_TOPICS[:2], [*GOOD_TOPICS, GOOD_TOPICS[2]]], ids=["missing", "extra"])
def test_another_number_of_topics_is_refused(topics: list[str]) -> None:
    error = failure(STATIC_EVENT, GOOD, (EMITTER, topics, GOOD_DATA))
    assert (error.argument, error.word, error.log_index) == ("topics", str(len(topics)), 1)
    assert "expected 3 topics" in str(error)
    assert not STATIC_EVENT.fits(len(topics), GOOD_DATA)


def test_the_first_of_several_bad_logs_is_named() -> None:
    bad = (EMITTER, GOOD_TOPICS, "0x" + "f" * 320)
    assert failure(STATIC_EVENT, GOOD, bad, bad, (EMITTER, GOOD_TOPICS, "0x")).log_index == 1


def test_the_good_logs_beside_a_bad_one_decode_once_it_is_left_out() -> None:
    logs = logs_of([GOOD, (EMITTER, GOOD_TOPICS, "0x"), GOOD])
    with pytest.raises(DecodeError):
        STATIC_EVENT.decode(logs, [0, 1, 2])
    assert STATIC_EVENT.decode(logs, [0, 2]).log_index == [0, 2]


# -------------------------------------------------------------------------------------------------------- dynamic events

DYNAMIC_EVENT = Layout.compile(
    event("Named(uint8 indexed id, address owner, uint256[2] pair, string name, bool[] flags)")
)
DYNAMIC_TYPES = ["address", "uint256[2]", "string", "bool[]"]
DYNAMIC_DATA = encode(DYNAMIC_TYPES, ["0x" + "cd" * 20, [1, 2], "ETH", [True]]).hex()
WORDS = [DYNAMIC_DATA[start : start + 64] for start in range(0, len(DYNAMIC_DATA), 64)]
DYNAMIC_TOPICS = [DYNAMIC_EVENT.topic0, word("uint8", 1)]

BAD_DYNAMIC = {
    "dirty address": (0, "f" * 64, "owner", "f" * 64),
    "offset out of the data": (3, f"{9999:064x}", "name", f"{9999:064x}"),
    "offset of 2**255": (3, "8" + "0" * 63, "name", "8" + "0" * 63),
    "string longer than the data": (5, f"{9999:064x}", "name", WORDS[3]),
    "string with a dirty tail": (6, "455448" + "1" * 58, "name", WORDS[3]),
    "array longer than the data": (7, f"{2**64:064x}", "flags", WORDS[4]),
    "boolean two in the array": (8, f"{2:064x}", "flags", WORDS[4]),
    "not hex": (1, "z" * 64, "data", None),
    "white space": (1, " " * 64, "data", None),
}


def test_the_good_dynamic_log_is_good() -> None:
    assert DYNAMIC_EVENT.decode(logs_of([(EMITTER, DYNAMIC_TOPICS, "0x" + DYNAMIC_DATA)]), [0]).rows() == [
        {"id": 1, "owner": "0x" + "cd" * 20, "pair": (1, 2), "name": "ETH", "flags": (True,)}
    ]


@pytest.mark.parametrize(("at", "bad", "argument", "named"), BAD_DYNAMIC.values(), ids=BAD_DYNAMIC)
def test_a_bad_dynamic_log_names_its_argument(at: int, bad: str, argument: str, named: str | None) -> None:
    data = "0x" + "".join([*WORDS[:at], bad, *WORDS[at + 1 :]])
    error = failure(DYNAMIC_EVENT, (EMITTER, DYNAMIC_TOPICS, "0x" + DYNAMIC_DATA), (EMITTER, DYNAMIC_TOPICS, data))
    assert (error.argument, error.word) == (argument, data[:66] if named is None else named)
    assert (error.tx_hash, error.log_index) == (tx(1), 1)


@pytest.mark.parametrize("data", ["0x", "0x" + DYNAMIC_DATA[:-64], "0x" + DYNAMIC_DATA[:-1], "00" + DYNAMIC_DATA])
def test_dynamic_data_cut_short_is_refused(data: str) -> None:
    assert failure(DYNAMIC_EVENT, (EMITTER, DYNAMIC_TOPICS, data)).log_index == 0


def test_a_string_keeps_its_letters_even_where_it_looks_like_an_address() -> None:
    layout = Layout.compile(event("Said(string[] words)"))
    text = "0x" + "Ab" * 20
    data = "0x" + encode(["string[]"], [[text]]).hex()
    assert layout.decode(logs_of([(EMITTER, [layout.topic0], data)]), [0])["words"] == [(text,)]


def test_a_string_that_is_not_utf8_does_not_stop_the_books() -> None:
    """Solidity writes any bytes as a string, so anybody could stop the indexer with a token's name."""
    layout = Layout.compile(event("Said(string words)"))
    data = "0x" + encode(["bytes"], [b"A\xffB"]).hex()
    assert layout.decode(logs_of([(EMITTER, [layout.topic0], data)]), [0])["words"] == ["A\ufffdB"]


def test_upper_case_hex_is_the_same_log() -> None:
    topics = [GOOD_TOPICS[0], *("0x" + found[2:].upper() for found in GOOD_TOPICS[1:])]
    upper = (EMITTER, topics, "0x" + GOOD_DATA[2:].upper())
    first, second = STATIC_EVENT.decode(logs_of([GOOD, upper]), [0, 1]).rows()
    assert first == second


def test_an_event_without_arguments_has_no_data() -> None:
    layout = Layout.compile(event("Paused()"))
    assert layout.decode(logs_of([(EMITTER, [layout.topic0], "0x")]), [0]).rows() == [{}]
    assert failure(layout, (EMITTER, [layout.topic0], "0x00")).argument == "data"


def test_arguments_of_one_name_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="every argument needs a name of its own"):
        Layout.compile(event("Moved(address to, address to)"))
