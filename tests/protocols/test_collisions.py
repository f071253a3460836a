"""One topic0, several meanings: the emitter decides first, then the topic, then the count of topics.

Through the desks (a batch with logs of every protocol: each books its own) and through `leverage decode` (an unknown emitter is
ambiguous where two protocols fit, a listed one is decided). Pendle and Morpho's Vault v2 have no adapter here: of them it is
shown that nobody takes their logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from eth_abi.abi import encode

from indexer import decode_file
from indexer.decode import abi
from indexer.decode.layout import Layout
from indexer.decode_file import Ambiguous, Decoded, Listed, decode_entries
from indexer.errors import DecodeError
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocols import discover
from tests.decode.making import logs_of, raw_log, topic, tx, word

STRANGER, ONE, TWO, THREE, ALICE, BOB, ASSET = ("0x" + pair * 20 for pair in ("5a", "51", "52", "53", "aa", "bb", "cc"))
RAY = 10**27

MINT = "Mint(address,uint256,uint256)"
BURN_OF_FOUR = "Burn(address,address,uint256,uint256)"
BURN_OF_FIVE = "Burn(address,address,uint256,uint256,uint256)"
ACCRUE_INTEREST = "AccrueInterest(uint256,uint256,uint256,uint256)"
TRANSFER = "Transfer(address,address,uint256)"
WITHDRAW = "Withdraw(address,address,address,uint256)"
CALLED = "LiquidationCall(address,address,address,uint256,uint256,address,bool)"
MOVED = "BalanceTransfer(address,address,uint256,uint256)"


class Form(NamedTuple):
    """An event that an adapter handles, of one kind of contract."""

    slug: str
    kind: str
    layout: Layout


def shared() -> Iterator[tuple[str, list[Form]]]:
    """Yield every topic0 that the handlers of several adapters, or several kinds of contract, know."""
    found: dict[str, list[Form]] = {}
    for slug, protocol in discover().items():
        for contract in protocol.contracts:
            for name in contract.handlers:
                for layout in abi.events(protocol.abi_folder, contract.kind)[name]:
                    found.setdefault(layout.topic0, []).append(Form(slug, contract.kind, layout))
    for topic0, forms in found.items():
        if len({(discover()[form.slug].abi_folder, form.kind) for form in forms}) > 1:
            yield topic0, forms


SHARED = dict(shared())
SIGNATURES = {forms[0].layout.signature for forms in SHARED.values()}


def desk_of(slug: str, **contracts: str) -> Desk:
    """A desk that watches these contracts: kind=address."""
    protocol = discover()[slug]
    desk = Desk(protocol, Book(1, slug, protocol.project, lambda keys: {}))
    for kind, address in contracts.items():
        desk.router.add(address, kind)
    return desk


def routed(desk: Desk, *logs: tuple[str, list[str], str]) -> list[tuple[str, str, list[int]]]:
    return [(route.kind, route.layout.signature, route.rows) for route in desk.router.route(logs_of(logs))]


def words(*values: Any) -> str:
    return "0x" + encode(["address" if isinstance(value, str) else "uint256" for value in values], values).hex()


def who(*addresses: str) -> list[str]:
    return [word("address", address) for address in addresses]


def log(address: str, signature: str, topics: list[str], data: str) -> tuple[str, list[str], str]:
    return address, [topic(signature), *topics], data


def raw(made: tuple[str, list[str], str], index: int = 0) -> dict[str, Any]:
    return raw_log(made[0], "", [], made[2], index) | {"topics": made[1]}


def decoded(*logs: tuple[str, list[str], str]) -> Decoded:
    (found,) = decode_entries([{"chain_id": 1, "receipt": {"logs": [raw(one, n) for n, one in enumerate(logs)]}}])
    return found


def said(found: Decoded) -> list[tuple[str, str, str]]:
    return [(row["project"], row["version"], row["transaction_type"]) for row in found.actions]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that lists contracts on chain 1: address -> (slug, kind)."""

    def say(**contracts: tuple[str, str]) -> None:
        known = {address: Listed(discover()[slug], kind, "test") for address, (slug, kind) in contracts.items()}
        monkeypatch.setattr(decode_file, "_listed", lambda chain_id: known)

    return say


# ------------------------------------------------------------------------------------------- whatever adapters exist


@pytest.mark.parametrize("topic0", SHARED, ids=[forms[0].layout.signature for forms in SHARED.values()])
def test_each_desk_takes_the_logs_of_its_own_contracts_only(topic0: str) -> None:
    """One batch has a log of each form, every one from a contract of its own; a stranger logs each form too."""
    forms = SHARED[topic0]
    emitters = [f"0x{n:040x}" for n in range(1, len(forms) + 1)]
    batch = [(emitter, form) for emitter, form in zip(emitters, forms, strict=True)]
    logs = [
        (address, [topic0] + ["0x" + "00" * 32] * (form.layout.topic_count - 1), "0x")
        for address, form in [*batch, *((STRANGER, form) for form in forms)]
    ]
    for slug in {form.slug for form in forms}:
        desk = desk_of(slug)
        own = {row for row, (_, form) in enumerate(batch) if form.slug == slug}
        for row in own:
            desk.router.add(emitters[row], forms[row].kind)
        seen = [(row, route.kind, route.layout) for route in desk.router.route(logs_of(logs)) for row in route.rows]
        assert {row for row, _, _ in seen} == own and len(seen) == len(own)
        assert [(kind, layout) for row, kind, layout in seen] == [forms[row][1:] for row, _, _ in seen]


@pytest.mark.parametrize("topic0", SHARED, ids=[forms[0].layout.signature for forms in SHARED.values()])
def test_a_stranger_that_fits_two_protocols_is_never_printed(topic0: str) -> None:
    for form in SHARED[topic0]:
        count = form.layout.topic_count
        made = (STRANGER, [topic0] + ["0x" + "00" * 32] * (count - 1), "0x" + "0" * max(0, form.layout.data_length - 2))
        fitting = {
            one.folder for one in decode_file._forms()[topic0] if one.layout.fits(count, made[2])
        } - decode_file.STANDARDS
        if len(fitting) > 1:
            found = decoded(made)
            assert (found.actions, found.failures) == ([], [])
            assert all(fitting == set(one.protocols) for one in found.ambiguous)


# -------------------------------------------------------------------------------------------------- those that are known


def test_mint_of_an_atoken_of_aave_v2_and_of_a_ctoken(listed: Any) -> None:
    """The same words; Aave indexes the account. The count tells them apart even where the emitter is unknown."""
    of_aave, of_compound = log(ONE, MINT, who(ALICE), words(5, RAY)), log(TWO, MINT, [], words(ALICE, 5, 7))
    aave, compound = desk_of("aave_v2", AToken=ONE), desk_of("compound_v2", CToken=TWO)
    assert routed(aave, of_aave, of_compound) == [("AToken", MINT, [0])]
    assert routed(compound, of_aave, of_compound) == [("CToken", MINT, [1])]
    assert aave.translate(logs_of([of_aave, of_compound])).actions == []
    (action,) = compound.translate(logs_of([of_aave, of_compound])).actions
    assert (action.transaction_type, action.depositor, action.amount) == ("supply", [ALICE], [5])
    for desk, wrong in ((aave, (ONE, *of_compound[1:])), (compound, (TWO, *of_aave[1:]))):
        with pytest.raises(DecodeError, match="topics"):
            desk.translate(logs_of([wrong]))

    assert said(decoded(of_compound)) == [("compound", "2", "supply")]
    assert decoded(of_aave) == Decoded()  # a balance, no action
    listed(**{ONE: ("aave_v2", "AToken"), TWO: ("compound_v2", "CToken")})
    assert said(decoded(of_aave, of_compound)) == [("compound", "2", "supply")]
    (failure,) = decoded((ONE, *of_compound[1:])).failures
    assert (failure.protocol, failure.argument) == ("aave_v2", "topics")


def test_burn_of_an_atoken_of_aave_v2_and_of_a_yield_token_of_pendle(listed: Any) -> None:
    """Alike to the last topic: nothing but the emitter tells them apart."""
    ours, theirs = (log(address, BURN_OF_FOUR, who(ALICE, BOB), words(5, RAY)) for address in (ONE, STRANGER))
    assert routed(desk_of("aave_v2", AToken=ONE), theirs, ours) == [("AToken", BURN_OF_FOUR, [1])]
    assert decoded(theirs) == Decoded()
    listed(**{ONE: ("aave_v2", "AToken")})
    assert decoded(theirs, ours) == Decoded()  # a balance, no action


def test_accrue_interest_of_a_ctoken_and_of_a_vault_v2_of_morpho(listed: Any) -> None:
    ours, theirs = (log(address, ACCRUE_INTEREST, [], words(1, 2, RAY, 4)) for address in (ONE, STRANGER))
    assert routed(desk_of("compound_v2", CToken=ONE), theirs, ours) == [("CToken", ACCRUE_INTEREST, [1])]
    morpho = desk_of("morpho_blue", Morpho=TWO)
    assert topic(ACCRUE_INTEREST) not in morpho.router.topics()  # Morpho Blue's own has another
    assert routed(morpho, theirs, ours) == []
    vault = log(STRANGER, "Deposit(address,address,uint256,uint256)", who(ALICE, BOB), words(5, 5))
    assert decoded(theirs, vault) == Decoded()
    listed(**{ONE: ("compound_v2", "CToken")})
    assert decoded(ours, theirs, vault) == Decoded()


def test_burn_of_an_atoken_and_a_debt_token_of_aave_v3_and_of_a_market_of_pendle(listed: Any) -> None:
    """One topic lowers a balance or a debt, by which token emits it, and means nothing from Pendle."""
    supply, debt, theirs = (log(one, BURN_OF_FIVE, who(ALICE, BOB), words(5, 1, RAY)) for one in (ONE, TWO, STRANGER))
    for slug in ("aave_v3", "spark"):
        desk = desk_of(slug, AToken=ONE, VariableDebtToken=TWO)
        assert routed(desk, theirs, supply, debt) == [
            ("AToken", BURN_OF_FIVE, [1]), ("VariableDebtToken", BURN_OF_FIVE, [2]),
        ]  # fmt: skip
    assert decoded(theirs, supply, debt) == Decoded()
    listed(**{ONE: ("aave_v3", "AToken"), TWO: ("aave_v3", "VariableDebtToken")})
    assert decoded(theirs, supply, debt) == Decoded()


def test_transfer_of_any_token_and_of_a_collectible(listed: Any) -> None:
    """ERC-20, with three topics; ERC-721 has the same topic0 and a fourth."""
    token, comet, vault, erc20 = (log(one, TRANSFER, who(ALICE, BOB), words(5)) for one in (ONE, TWO, THREE, STRANGER))
    collectible = log(STRANGER, TRANSFER, [*who(ALICE, BOB), word("uint256", 5)], "0x")
    watched = {"compound_v2": ("CToken", ONE), "compound_v3": ("Comet", TWO), "euler_v2": ("EVault", THREE)}
    for row, (slug, (kind, address)) in enumerate(watched.items()):
        desk = desk_of(slug, **{kind: address})
        assert routed(desk, token, comet, vault, erc20, collectible) == [(kind, TRANSFER, [row])]
        with pytest.raises(DecodeError, match="topics"):
            routed(desk, (address, *collectible[1:]))
    assert decoded(token, comet, vault, erc20, collectible) == Decoded()
    listed(**{address: (slug, kind) for slug, (kind, address) in watched.items()})
    found = decoded(token, comet, vault, erc20, collectible)
    assert said(found)[0] == ("compound", "2", "transfer") and said(found)[-1] == ("euler", "2", "transfer")
    assert {row["project_contract_address"] for row in found.actions} <= {ONE, TWO, THREE}
    assert (found.ambiguous, found.failures) == ([], [])


@pytest.mark.parametrize(
    ("signature", "topics", "data", "kinds"),
    [
        (WITHDRAW, who(ASSET, ALICE, BOB), words(5), ("LendingPool", "Pool")),
        (CALLED, who(ASSET, ASSET, ALICE), words(5, 6, BOB, 0), ("LendingPool", "Pool")),
        (MOVED, who(ALICE, BOB), words(5, RAY), ("AToken", "AToken")),
    ],
    ids=["Withdraw", "LiquidationCall", "BalanceTransfer"],
)
def test_what_aave_v2_and_v3_log_alike(
    signature: str, topics: list[str], data: str, kinds: tuple[str, str], listed: Any
) -> None:
    two, three = log(TWO, signature, topics, data), log(THREE, signature, topics, data)
    assert routed(desk_of("aave_v2", **{kinds[0]: TWO}), two, three) == [(kinds[0], signature, [0])]
    assert routed(desk_of("aave_v3", **{kinds[1]: THREE}), two, three) == [(kinds[1], signature, [1])]
    both = ("aave_v2", "aave_v3")
    assert decoded(two, three) == Decoded(ambiguous=[Ambiguous(tx(1), 0, TWO, both), Ambiguous(tx(1), 1, THREE, both)])
    listed(**{TWO: ("aave_v2", kinds[0]), THREE: ("aave_v3", kinds[1])})
    found = decoded(two, three)
    assert {(row["version"], row["project_contract_address"]) for row in found.actions} == {("2", TWO), ("3", THREE)}
    assert (found.ambiguous, found.failures) == ([], [])


NAMED_ALIKE = {
    "aave_v3": log(STRANGER, "Supply(address,address,address,uint256,uint16)",
                   [*who(ASSET, ALICE), word("uint16", 0)], words(BOB, 5)),
    "compound_v3": log(STRANGER, "Supply(address,address,uint256)", who(ALICE, BOB), words(5)),
    "morpho_blue": log(STRANGER, "Supply(bytes32,address,address,uint256,uint256)",
                       [word("bytes32", b"\x01" * 32), *who(ALICE, BOB)], words(5, 6)),
}  # fmt: skip


@pytest.mark.parametrize("slug", NAMED_ALIKE)
def test_supply_is_a_name_of_several_events(slug: str) -> None:
    """Another signature is another topic0: the name alone decides nothing, and no emitter has to be known."""
    (row,) = decoded(NAMED_ALIKE[slug]).actions
    assert (row["project"], row["transaction_type"]) == (discover()[slug].project, "supply")
    kind = {"aave_v3": "Pool", "compound_v3": "Comet", "morpho_blue": "Morpho"}[slug]
    rows = [row for _, _, rows in routed(desk_of(slug, **{kind: STRANGER}), *NAMED_ALIKE.values()) for row in rows]
    assert rows == [list(NAMED_ALIKE).index(slug)]


def test_the_collisions_that_are_known_are_among_those_found() -> None:
    assert {MINT, BURN_OF_FIVE, TRANSFER, WITHDRAW, CALLED, MOVED} <= SIGNATURES
