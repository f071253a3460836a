"""Maker: the Vat's urns, internal collateral, internal DAI and system debt, from its anonymous notes.

Source   dss 2019-11 Vat, Jug, Spotter, Cat, GemJoin; Dog; dss-cdp-manager DssCdpManager
Units    ink and gem WAD whatever the token's decimals; art normalised WAD; rate, spot RAY; dai and sin RAD (1e45)
Omits    auctions after their start, DSR, wallets' DAI, emergency shutdown beyond what the Vat books
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import call, selector
from indexer.decode.layout import Events
from indexer.protocol import Actions, Changes, Contract, Fact, Protocol, Wants, always, changes
from indexer.protocols.maker import rules
from indexer.protocols.maker.checks import checks
from indexer.units import RAY, div_up

Touches = list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]


def rely(e: Events) -> Sequence[Fact]:
    # the only trace of an ilk's token: the join that the Vat relies on; what is no join reverts
    return [
        *(Wants(e, e["usr"], selector(question), "join of an ilk") for question in ("gem()", "ilk()", "dec()")),
        # before everything else of its block: a spell says init first and rely after it
        Changes(e, rules.relied, (e.address, e["usr"]), early=True),
    ]


def init(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.ilk_listed, e["ilk"])]


def cage(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.caged)]


def vat_file(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.ilk_filed, e["ilk"], _names(e["what"]), e["data"])]


def slip(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.slipped, e["ilk"], e["usr"], e["wad"], touches=_gem(e, "ilk", "usr"))]


def flux(e: Events) -> Sequence[Fact]:
    touches = [*_gem(e, "ilk", "src"), *_gem(e, "ilk", "dst")]
    return [changes(e, rules.fluxed, e["ilk"], e["src"], e["dst"], e["wad"], touches=touches)]


def move(e: Events) -> Sequence[Fact]:
    touches = [*_dai(e, "src", "supply"), *_dai(e, "dst", "supply")]
    return [changes(e, rules.moved, e["src"], e["dst"], e["rad"], touches=touches)]


def frob(e: Events) -> Sequence[Fact]:
    # dart is normalised and dink WAD: only the rule, which knows rate and decimals, can say amounts of tokens
    dai: list[int | None] = [None] * len(e)
    gem: list[int | None] = [None] * len(e)
    return [
        changes(e, rules.frobbed, e["i"], e["u"], e["v"], e["w"], e["dink"], e["dart"], always((gem, dai)), range(len(e)),
                touches=[*_urn(e, "i", "u"), *_gem(e, "i", "v"), *_dai(e, "w", "supply")]),
        Actions(e, "supply_collateral", e["i"], "collateral", amount=gem, depositor=e["v"], on_behalf_of=e["u"],
                where=[dink > 0 for dink in e["dink"]]),
        Actions(e, "withdraw_collateral", e["i"], "collateral", amount=gem, depositor=e["u"], recipient=e["v"],
                on_behalf_of=e["u"], where=[dink < 0 for dink in e["dink"]]),
        Actions(e, "borrow", e["i"], amount=dai, borrower=e["u"], recipient=e["w"], on_behalf_of=e["u"], leg=1,
                where=[dart > 0 for dart in e["dart"]]),
        Actions(e, "repay", e["i"], amount=dai, borrower=e["u"], repayer=e["w"], on_behalf_of=e["u"], leg=1,
                where=[dart < 0 for dart in e["dart"]]),
    ]  # fmt: skip


def fork(e: Events) -> Sequence[Fact]:
    touches = [*_urn(e, "ilk", "src"), *_urn(e, "ilk", "dst")]
    return [changes(e, rules.forked, e["ilk"], e["src"], e["dst"], e["dink"], e["dart"], touches=touches)]


def grab(e: Events) -> Sequence[Fact]:
    touches = [*_urn(e, "i", "u"), *_gem(e, "i", "v"), *_dai(e, "w", "debt")]
    return [changes(e, rules.grabbed, e["i"], e["u"], e["v"], e["w"], e["dink"], e["dart"], touches=touches)]


def heal(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.healed, e["rad"])]


def suck(e: Events) -> Sequence[Fact]:
    touches = [*_dai(e, "u", "debt"), *_dai(e, "v", "supply")]
    return [changes(e, rules.sucked, e["u"], e["v"], e["rad"], touches=touches)]


def fold(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.folded, e["i"], e["u"], e["rate"], touches=_dai(e, "u", "supply"))]


def jug_init(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.fee_set, e["ilk"], always("duty"), always(RAY))]


def jug_file(e: Events) -> Sequence[Fact]:
    """Book one of the three `file` of the Jug: an ilk's duty, the base, the vow."""
    if "ilk" in e.columns:
        return [changes(e, rules.fee_set, e["ilk"], _names(e["what"]), e["data"])]
    return [changes(e, rules.jug_filed, _names(e["what"]), e["data"])]


def poke(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.poked, e["ilk"], [int(value, 16) for value in e["val"]], e["spot"])]


def spotter_file(e: Events) -> Sequence[Fact]:
    if "ilk" in e.columns:
        return [changes(e, rules.ratio_set, e["ilk"], _names(e["what"]), e["data"])]
    return [changes(e, rules.par_set, _names(e["what"]), e["data"])]


def bite(e: Events) -> Sequence[Fact]:
    return _liquidation(e, "tab", "flip")


def bark(e: Events) -> Sequence[Fact]:
    return _liquidation(e, "due", "clip")


def _liquidation(e: Events, debt: str, auction: str) -> Sequence[Fact]:
    # for people only: the Vat's grab, earlier in the same transaction, has moved ink and art already
    gem: list[int | None] = [None] * len(e)
    return [
        changes(e, rules.seized, e["ilk"], e["ink"], always(gem), range(len(e))),
        Actions(e, "liquidation", e["ilk"], amount=[div_up(rad, RAY) for rad in e[debt]], borrower=e["urn"],
                on_behalf_of=e["urn"]),
        Actions(e, "seize", e["ilk"], "collateral", amount=gem, depositor=e["urn"], on_behalf_of=e["urn"],
                recipient=e[auction], leg=1),
    ]  # fmt: skip


def new_cdp(e: Events) -> Sequence[Fact]:
    return _owned(e, "own")


def give(e: Events) -> Sequence[Fact]:
    return _owned(e, "dst")


def _owned(e: Events, owner: str) -> Sequence[Fact]:
    asked = [call("urns(uint256)", cdp) for cdp in e["cdp"]]
    return [Wants(e, e.address, asked, "urn of a cdp"), changes(e, rules.cdp_owned, e["cdp"], e[owner], asked)]


def _names(words: Sequence[str]) -> list[str]:
    """Return bytes32 labels as text."""
    return [bytes.fromhex(word[2:]).rstrip(b"\0").decode("ascii", "replace") for word in words]


def _urn(e: Events, ilk: str, urn: str) -> Touches:
    markets = list(zip(e.address, e[ilk], strict=True))
    return [(markets, e[urn], "collateral"), (markets, e[urn], "debt")]


def _gem(e: Events, ilk: str, account: str) -> Touches:
    return [([(vat, rules.gem_of(name)) for vat, name in zip(e.address, e[ilk], strict=True)], e[account], "supply")]


def _dai(e: Events, account: str, side: str) -> Touches:
    return [([(vat, rules.DAI) for vat in e.address], e[account], side)]


PROTOCOL = Protocol(
    slug="maker",
    project="maker",
    version="1",
    kind="lending",
    contracts=[
        Contract("Vat", {
            "rely": rely, "init": init, "cage": cage, "file": vat_file, "slip": slip, "flux": flux, "move": move,
            "frob": frob, "fork": fork, "grab": grab, "heal": heal, "suck": suck, "fold": fold,
        }),
        Contract("Jug", {"init": jug_init, "file": jug_file}),
        Contract("Spotter", {"Poke": poke, "file": spotter_file}),
        Contract("Cat", {"Bite": bite}),
        Contract("Dog", {"Bark": bark}),
        Contract("CdpManager", {"NewCdp": new_cdp, "give": give}),
    ],
    required=("Vat", "Dai"),
    open_deployment=rules.open_deployment,
    checks=checks,
    proven="dss of November 2019 (Vat, Jug, Spotter, Cat) on a recorded chain, to the rad",
)  # fmt: skip
