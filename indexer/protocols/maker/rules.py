"""How the Vat's notes move the books: urns, gem, dai, sin, and an ilk's Art, rate, spot, line and dust.

Source   dss 2019-11 vat.sol, jug.sol, spot.sol, join.sol; dss-cdp-manager
Units    ink, gem, art WAD; rate, spot, mat, duty RAY; dai, sin, line, dust RAD
Markets  an ilk (bytes32): collateral = ink, debt = art; `gem-<ilk>`: supply = gem; `dai`: supply = dai, debt = sin
"""

from __future__ import annotations

from indexer.decode import words
from indexer.decode.abi import selector
from indexer.errors import MissingFact
from indexer.protocol import BookLike, Deployment, Listing, MarketBooks
from indexer.types import Address
from indexer.units import BPS, RAY, WAD, div_up

DAI = "dai"
"""Ref of the market of internal DAI and system debt."""

WAD_DECIMALS = 18
GEM, ILK, DEC = selector("gem()"), selector("ilk()"), selector("dec()")


def gem_of(ilk: str) -> str:
    """Return the ref of an ilk's unlocked collateral."""
    return f"gem-{ilk}"


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """To Maker one DAI is worth `par`, one dollar until the Spotter says otherwise."""
    if "Spotter" in deployment.contracts:
        book.add_price(deployment.contracts["Spotter"], deployment.contracts["Dai"], RAY, RAY, "usd", source="par")


def relied(book: BookLike, vat: Address, join: Address) -> None:
    """A module was authorised; if it is a join, it says which token its ilk holds."""
    gem, dec = words.address(book.answer(join, GEM)), words.unsigned(book.answer(join, DEC))
    ilk = book.answer(join, ILK)
    if gem and ilk and len(ilk) == 66:
        key = book.deployment(vat).key
        book.set_param(key, "ilk_token", text=gem, qualifier=ilk)
        if dec is not None and dec <= WAD_DECIMALS:
            book.set_param(key, "ilk_decimals", dec, qualifier=ilk)


def ilk_listed(book: BookLike, vat: Address, ilk: str) -> None:
    """A collateral type was made. Its token is that of its join, or unknown: then nothing of it can be priced."""
    deployment = book.deployment(vat)
    _dai_market(book, vat)
    token, dec = book.param(deployment.key, "ilk_token", ilk), book.param(deployment.key, "ilk_decimals", ilk)
    # no token has the ilk's own name as its address
    gem = ilk[:42] if token is None else str(token)
    dai, spotter = deployment.contracts["Dai"], deployment.contracts.get("Spotter")
    market = book.add_market(
        (deployment.key, ilk),
        Listing(f"{vat}:{ilk}", "maker", "ilk", dai, collateral_asset=gem, oracle=spotter, debt_index=RAY),
    )
    market.accrued_at, market.debt_rate = book.timestamp(), None
    market.extra = {"ink": 0, "spot": 0, "line": 0, "dust": 0}
    unlocked = book.add_market(
        (deployment.key, gem_of(ilk)), Listing(f"{vat}:{gem_of(ilk)}", "maker_gem", "ilk", gem, oracle=spotter)
    )
    unlocked.accrued_at, unlocked.extra = book.timestamp(), {}
    if dec is not None:
        market.extra["dec"] = unlocked.extra["dec"] = int(dec)
    if token is not None:
        book.add_token(gem, "unclassified")
    book.set_param(market.key, "ilk", text=bytes.fromhex(ilk[2:]).rstrip(b"\0").decode("ascii", "replace"))


def caged(book: BookLike, vat: Address) -> None:
    """The Vat was shut down."""
    book.set_param(book.deployment(vat).key, "live", 0)


def ilk_filed(book: BookLike, vat: Address, ilk: str, what: str, data: int) -> None:
    """spot, line or dust of an ilk was set."""
    market = book.market((book.deployment(vat).key, ilk))
    if what in ("spot", "line", "dust"):
        _set(book, market, what, data)


def slipped(book: BookLike, vat: Address, ilk: str, account: Address, wad: int) -> None:
    """Collateral came in or went out through a join."""
    _gem(book, book.deployment(vat).key, ilk, account, wad)


def fluxed(book: BookLike, vat: Address, ilk: str, source: Address, target: Address, wad: int) -> None:
    """Unlocked collateral changed hands."""
    key = book.deployment(vat).key
    _gem(book, key, ilk, source, -wad)
    _gem(book, key, ilk, target, wad, leg=1)


def moved(book: BookLike, vat: Address, source: Address, target: Address, rad: int) -> None:
    """Internal DAI changed hands."""
    _dai(book, vat, source, -rad)
    _dai(book, vat, target, rad, leg=1)


def frobbed(
    book: BookLike, vat: Address, ilk: str, urn: Address, giver: Address, taker: Address, dink: int, dart: int,
    told: tuple[list[int | None], list[int | None]], row: int,
) -> None:  # fmt: skip
    """An urn was changed by its owner: collateral from or to `giver`'s gem, DAI from or to `taker`."""
    key = book.deployment(vat).key
    market = book.market((key, ilk))
    rate = _rate(market)
    _urn(book, market, urn, dink, dart)
    _total(book, market, dink, dart)
    if dink:
        _gem(book, key, ilk, giver, -dink)
    if dart:
        _dai(book, vat, taker, rate * dart)
    told[0][row] = _tokens(market, abs(dink))
    told[1][row] = rate * dart // RAY if dart > 0 else div_up(-dart * rate, RAY)


def forked(book: BookLike, vat: Address, ilk: str, source: Address, target: Address, dink: int, dart: int) -> None:
    """An urn was split off into another."""
    market = book.market((book.deployment(vat).key, ilk))
    _urn(book, market, source, -dink, -dart)
    _urn(book, market, target, dink, dart, leg=1)


def grabbed(
    book: BookLike, vat: Address, ilk: str, urn: Address, giver: Address, vow: Address, dink: int, dart: int
) -> None:
    """An urn was seized (negative amounts): its collateral goes to `giver`'s gem, its debt to `vow`'s sin."""
    key = book.deployment(vat).key
    market = book.market((key, ilk))
    _urn(book, market, urn, dink, dart)
    _total(book, market, dink, dart)
    _gem(book, key, ilk, giver, -dink)
    _sin(book, vat, vow, -_rate(market) * dart)


def healed(book: BookLike, vat: Address, rad: int) -> None:
    """System debt was cancelled against DAI of the same account. The log does not name it: only the vow has sin."""
    if not rad:
        return
    vow = book.param(book.deployment(vat).key, "vow")
    if vow is None:
        raise MissingFact("maker: heal() does not log its caller, and no Jug of the deployment has named the vow")
    _sin(book, vat, str(vow), -rad)
    _dai(book, vat, str(vow), -rad)


def sucked(book: BookLike, vat: Address, debtor: Address, account: Address, rad: int) -> None:
    """DAI was made against system debt."""
    _sin(book, vat, debtor, rad)
    _dai(book, vat, account, rad)


def folded(book: BookLike, vat: Address, ilk: str, account: Address, rate: int) -> None:
    """The stability fee was booked: the rate grows, and what it makes goes to `account`."""
    market = book.market((book.deployment(vat).key, ilk))
    market.debt_index = _rate(market) + rate
    market.accrued_at = book.timestamp()
    book.touch(market)
    _dai(book, vat, account, market.debt_shares * rate)


def fee_set(book: BookLike, jug: Address, ilk: str, what: str, data: int) -> None:
    """The stability fee of an ilk was set, a factor a second."""
    ref = (book.deployment(jug).key, ilk)
    if what == "duty" and book.has_market(ref):
        _set(book, book.market(ref), what, data)
        _rates(book, ref[0])


def jug_filed(book: BookLike, jug: Address, what: str, data: int | str) -> None:
    """The fee of all ilks, or the account that earns it, was set."""
    key = book.deployment(jug).key
    if what == "base":
        book.set_param(key, "base_ray", int(data))
        _rates(book, key)
    elif what == "vow":
        book.set_param(key, "vow", text=str(data))


def poked(book: BookLike, spotter: Address, ilk: str, price: int, spot: int) -> None:
    """The Spotter took the price of an ilk (WAD); spot reaches the books by the Vat's own file()."""
    token = book.param(book.deployment(spotter).key, "ilk_token", ilk)
    # without a valid price spot is 0 and the price says nothing
    if token is not None and spot > 0:
        book.add_price(spotter, str(token), price, WAD, "usd")


def ratio_set(book: BookLike, spotter: Address, ilk: str, what: str, data: int) -> None:
    """The liquidation ratio of an ilk was set: the most that can be owed is 1 / mat of the collateral."""
    ref = (book.deployment(spotter).key, ilk)
    if what == "mat" and book.has_market(ref):
        market = book.market(ref)
        _set(book, market, what, data)
        if data:
            book.set_param(market.key, "ltv_bps", BPS * RAY // data)
            book.set_param(market.key, "liquidation_threshold_bps", BPS * RAY // data)


def par_set(book: BookLike, spotter: Address, what: str, data: int) -> None:
    """Maker's reference price of DAI was set."""
    if what == "par":
        book.add_price(spotter, book.deployment(spotter).contracts["Dai"], data, RAY, "usd", source="par")


def seized(book: BookLike, emitter: Address, ilk: str, ink: int, told: list[int | None], row: int) -> None:
    """Say in tokens what a liquidation took; nothing moves."""
    told[row] = _tokens(book.market((book.deployment(emitter).key, ilk)), ink)


def cdp_owned(book: BookLike, manager: Address, cdp: int, owner: Address, asked: str) -> None:
    """A cdp has an owner: noted at its urn, as numbers. Without the read the urn stands for itself."""
    urn = words.address(book.answer(manager, asked))
    if urn:
        key = book.deployment(manager).key
        book.set_account(key, urn, "cdp", cdp)
        book.set_account(key, urn, "owner", int(owner, 16))


def _rate(market: MarketBooks) -> int:
    if market.debt_index is None:
        raise MissingFact("maker: an ilk without rate")
    return market.debt_index


def _set(book: BookLike, market: MarketBooks, name: str, value: int) -> None:
    market.extra = {**(market.extra or {}), name: value}
    book.touch(market)


def _rates(book: BookLike, key: int) -> None:
    base = int(book.param(key, "base_ray") or 0)
    for market in book.markets_of(key):
        if market.extra and "duty" in market.extra:
            market.debt_rate = base + market.extra["duty"]
            book.touch(market)


def _tokens(market: MarketBooks, wad: int) -> int:
    """Return WAD in base units of the token; of an unknown token the WAD itself."""
    return int(wad // 10 ** (WAD_DECIMALS - (market.extra or {}).get("dec", WAD_DECIMALS)))


def _total(book: BookLike, market: MarketBooks, dink: int, dart: int) -> None:
    market.debt_shares += dart
    _set(book, market, "ink", (market.extra or {}).get("ink", 0) + dink)


def _urn(book: BookLike, market: MarketBooks, urn: Address, dink: int, dart: int, leg: int = 0) -> None:
    if dink:
        _add(book, market, urn, "collateral", dink, leg)
    if dart:
        _add(book, market, urn, "debt", dart, leg)


def _gem(book: BookLike, key: int, ilk: str, account: Address, wad: int, leg: int = 0) -> None:
    _add(book, book.market((key, gem_of(ilk))), account, "supply", wad, leg)


def _dai(book: BookLike, vat: Address, account: Address, rad: int, leg: int = 0) -> None:
    market = _dai_market(book, vat)
    _add(book, market, account, "supply", rad, leg)
    market.supply_shares += rad
    book.touch(market)


def _sin(book: BookLike, vat: Address, account: Address, rad: int) -> None:
    market = _dai_market(book, vat)
    _add(book, market, account, "debt", rad, 0)
    market.debt_shares += rad
    book.touch(market)


def _dai_market(book: BookLike, vat: Address) -> MarketBooks:
    """Return the market of internal DAI, listed by the first log that needs it: the Vat has it from its first block."""
    deployment = book.deployment(vat)
    ref = (deployment.key, DAI)
    if book.has_market(ref):
        return book.market(ref)
    dai, spotter = deployment.contracts["Dai"], deployment.contracts.get("Spotter")
    book.add_token(dai, "cdp_stable", "maker")
    market = book.add_market(ref, Listing(f"{vat}:{DAI}", "maker_dai", DAI, dai, oracle=spotter))
    market.accrued_at = book.timestamp()
    return market


def _add(book: BookLike, market: MarketBooks, account: Address, side: str, shares: int, leg: int) -> None:
    position = book.position(market.key, account, side)
    position.shares += shares
    position.is_collateral = side == "collateral"
    book.book(market.key, account, side, position, leg)
