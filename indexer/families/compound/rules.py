"""How Compound's events move the books: receipt tokens, principals, totals and the rate model. Called in chain order.

Every Borrow and RepayBorrow states what the account owes. The rules compute the same figure from their own books and stop
with WrongRegime when the two differ. An accrual that the known rate model does not explain takes the model (or, where the
event does not tell the cash, the cash) out of the books: pending interest is then unknown, and amounts NULL, until it is
told again.

Source   compound-protocol CToken, Comptroller, JumpRateModelV2; moonwell-contracts-v2 MToken
Units    shares in base units of the cToken; debts, cash and reserves in base units of the underlying; factors WAD
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from indexer.decode import words
from indexer.decode.abi import selector
from indexer.errors import MissingFact, WrongRegime
from indexer.families.compound.maths import borrow_rate, grown, owed
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, WAD, ZERO_ADDRESS

BLOCKS, SECONDS = "blocks", "seconds"
"""Regimes: what interest is counted by."""

UNDERLYING, SYMBOL, GET_CASH = selector("underlying()"), selector("symbol()"), selector("getCash()")
BORROW_INDEX, RESERVE_FACTOR = selector("borrowIndex()"), selector("reserveFactorMantissa()")
EXCHANGE_RATE: Final = selector("exchangeRateStored()")
KINK: Final = selector("kink()")
ACCRUED: Final = {BLOCKS: selector("accrualBlockNumber()"), SECONDS: selector("accrualBlockTimestamp()")}
MODEL: Final = {
    unit: {
        "irm_base": selector(f"baseRatePer{name}()"),
        "irm_multiplier": selector(f"multiplierPer{name}()"),
        "irm_jump": selector(f"jumpMultiplierPer{name}()"),
        "irm_kink": KINK,
    }
    for unit, name in ((BLOCKS, "Block"), (SECONDS, "Timestamp"))
}
"""Parameters of a rate model and the views that tell them."""


# ----------------------------------------------------------------------------------------------- comptroller


def market_listed(book: BookLike, unitroller: Address, token: Address, unit: str) -> None:
    """A cToken was listed. What it said before is in the deployment's parameters under its address; the rest is read."""
    key = book.deployment(unitroller).key
    if book.has_market((key, token)):
        return
    asset = words.address(book.answer(token, UNDERLYING))
    if asset is None and words.text(book.answer(token, SYMBOL)) is None:
        raise MissingFact(f"underlying() of {token}, listed in block {book.block_number}, could not be read")
    asset = asset or NATIVE_TOKEN  # it answers, but has no underlying(): cETH
    market = book.add_market((key, token), Listing(token, "compound", unit, asset, supply_token=token))
    market.debt_assets, market.extra = 0, {"cash": 0, "reserves": 0}
    at, index = book.param(key, "accrued_block", token), book.param(key, "borrow_index_raw", token)
    factor = book.param(key, "reserve_factor_raw", token)
    if at is not None:
        market.extra["accrued_block"], market.accrued_at = int(at), int(book.param(key, "accrued_at", token) or 0)
        market.debt_index = int(index or WAD)
    else:
        read = words.unsigned(book.answer(token, ACCRUED[unit]))
        market.debt_index = words.unsigned(book.answer(token, BORROW_INDEX))
        if read is not None:
            # in the other unit the last accrual is not known, and not needed
            market.extra["accrued_block"] = read if unit == BLOCKS else book.block_number
            market.accrued_at = read if unit == SECONDS else book.timestamp()
    market.fee = words.unsigned(book.answer(token, RESERVE_FACTOR)) if factor is None else int(factor)
    rate = words.unsigned(book.answer(token, EXCHANGE_RATE))
    if rate is not None:
        market.extra["initial_rate"] = rate
        market.supply_index = rate
    model = book.param(key, "irm", token)
    if isinstance(model, str):
        _use_model(book, key, market, model)
    if market.fee is not None:
        _set_factor(book, market, market.fee)
    book.add_token(asset, "plain" if asset == NATIVE_TOKEN else "unclassified")
    book.add_token(token, "ctoken", book.deployment(unitroller).protocol, asset)


def membership(book: BookLike, unitroller: Address, token: Address, account: Address, entered: bool) -> None:
    """The account's supply of a market starts or stops to back its debts."""
    market = book.market((book.deployment(unitroller).key, token))
    position = book.position(market.key, account, "supply")
    position.is_collateral = entered
    book.book(market.key, account, "supply", position)


def collateral_factor(book: BookLike, unitroller: Address, token: Address, factor: int) -> None:
    """What share of a supply may be borrowed against; also where liquidation begins."""
    market = book.market((book.deployment(unitroller).key, token))
    book.set_param(market.key, "collateral_factor_raw", factor)
    for name in ("ltv_bps", "liquidation_threshold_bps"):
        book.set_param(market.key, name, _bps(factor))


def deployment_param(book: BookLike, unitroller: Address, name: str, value: int) -> None:
    """A parameter of the whole deployment, e.g. the liquidation incentive."""
    book.set_param(book.deployment(unitroller).key, name, int(value))


def market_param(book: BookLike, unitroller: Address, token: Address, name: str, value: int) -> None:
    """A parameter of one market, e.g. its borrow cap."""
    market = book.market((book.deployment(unitroller).key, token))
    book.set_param(market.key, name, int(value))
    if name == "borrow_paused":
        book.set_param(market.key, "borrowing_enabled", int(not value))


def oracle_changed(book: BookLike, unitroller: Address, oracle: Address, coin_quoted_below: Mapping[int, int]) -> None:
    """Prices come from another oracle."""
    key, in_coin = book.deployment(unitroller).key, book.block_number < coin_quoted_below.get(book.chain_id, 0)
    book.set_param(key, "price_oracle", text=oracle)
    book.set_param(key, "oracle_quote", text=NATIVE_TOKEN if in_coin else "usd")


# ---------------------------------------------------------------------------------------------------- cToken


def accrued(book: BookLike, token: Address, cash: int | None, interest: int, index: int, total_borrows: int) -> None:
    """Interest was booked, once a block. `cash` is told since November 2019."""
    market = _listed(book, token)
    if market is None:
        _before_listing(book, token, index)
        return
    extra = _extra(market)
    if total_borrows != (market.debt_assets or 0) + interest:
        raise WrongRegime(
            f"{token} accrued {interest} to borrows of {total_borrows}, the books had {market.debt_assets}, at log "
            f"{book.log_index}"
        )
    expected = _expected_index(book, market, extra.get("cash") if cash is None else cash)
    if expected is not None and expected != index:
        for name in ("cash",) if cash is None else tuple(MODEL[BLOCKS]):
            extra.pop(name, None)
    if interest and "reserves" in extra:
        if market.fee is None:
            del extra["reserves"]
        else:
            extra["reserves"] += market.fee * interest // WAD
    if cash is None:
        _note_old_form(book, token)
    else:
        extra["cash"] = cash
    extra["accrued_block"], market.accrued_at = book.block_number, book.timestamp()
    market.debt_index, market.debt_assets = index, total_borrows
    _touch(book, market)


def minted(book: BookLike, token: Address, amount: int, tokens: int) -> None:
    """Underlying came in for new tokens; the Transfer from the cToken that follows hands them out."""
    market = _market(book, token)
    market.supply_shares += tokens
    _add_cash(market, amount)
    _extra(market)["minting"] = tokens
    _touch(book, market)


def redeemed(book: BookLike, token: Address, amount: int, tokens: int) -> None:
    """Underlying went out; the tokens were handed to the cToken by the Transfer before."""
    market = _market(book, token)
    _add_cash(market, -amount)
    _burn(book, token, market, tokens)


def transferred(book: BookLike, token: Address, source: Address, target: Address, amount: int) -> None:
    """Tokens moved. The only event that balances come from.

    A cToken hands out what it has just minted without holding it. What is sent to it is its own until a Redeem or a
    seizure burns it: tokens sent there by mistake stay in the supply.
    """
    market = _market(book, token)
    extra = _extra(market)
    if source == token and extra.pop("minting", None) == amount:
        book.touch(market)
    else:
        _add_shares(book, market, source, -amount, 0)
    _add_shares(book, market, target, amount, 1)
    if target == token:
        extra["incoming"] = amount
        book.touch(market)


def debt_moved(book: BookLike, token: Address, borrower: Address, amount: int, owes: int, total_borrows: int) -> None:
    """The account borrowed (positive) or repaid (negative) and owes so much, all interest included."""
    market = _market(book, token)
    index = market.debt_index
    if index is None:
        raise MissingFact(f"borrow index of {token} is not known at log {book.log_index} of block {book.block_number}")
    position = book.position(market.key, borrower, "debt")
    before = owed(position.shares, position.basis, index)
    if before + amount != owes:
        raise WrongRegime(
            f"{borrower} owes {owes} {token} by the event but {before + amount} by the books (principal {position.shares} "
            f"at {position.basis}, index {index}) at log {book.log_index}"
        )
    market.debt_shares += owes - position.shares
    position.shares, position.basis = owes, index
    book.book(market.key, borrower, "debt", position)
    market.debt_assets = total_borrows
    _add_cash(market, -amount)
    _touch(book, market)


def reserves_added(book: BookLike, token: Address, benefactor: Address, amount: int, total: int) -> None:
    """Reserves grew. From a seizure (the cToken itself is the benefactor) no cash comes in: its tokens are burned."""
    market = _market(book, token)
    extra = _extra(market)
    extra["reserves"] = total
    if benefactor == token:
        if "incoming" not in extra:
            raise WrongRegime(f"{token} adds seized reserves but no token went to it before log {book.log_index}")
        _burn(book, token, market, extra["incoming"])
    else:
        _add_cash(market, amount)
        _touch(book, market)


def reserves_reduced(book: BookLike, token: Address, amount: int, total: int) -> None:
    """Reserves were paid out."""
    market = _market(book, token)
    _extra(market)["reserves"] = total
    _add_cash(market, -amount)
    _touch(book, market)


def reserve_factor(book: BookLike, token: Address, factor: int) -> None:
    """The share of interest that goes to the reserves changed."""
    market = _listed(book, token)
    if market is None:
        book.set_param(book.deployment(token).key, "reserve_factor_raw", factor, qualifier=token)
        return
    market.fee = factor
    _set_factor(book, market, factor)
    book.touch(market)


def model_changed(book: BookLike, token: Address, old: Address, model: Address, unit: str) -> None:
    """The cToken follows another rate model. Where there was none it was just made: index 1, nothing accrued."""
    key = book.deployment(token).key
    read = {name: words.unsigned(book.answer(model, view)) for name, view in MODEL[unit].items()}
    if book.param(key, "irm_base", model) is None and read["irm_base"] is not None:
        _set_model(book, key, model, read)
    market = _listed(book, token)
    if market is not None:
        _use_model(book, key, market, model)
        return
    book.set_param(key, "irm", text=model, qualifier=token)
    if old == ZERO_ADDRESS:
        _before_listing(book, token, WAD)
        if book.param(key, "reserve_factor_raw", token) is None:
            book.set_param(key, "reserve_factor_raw", 0, qualifier=token)


# ------------------------------------------------------------------------------------------ rate model, reads


def model_parameters(
    book: BookLike, model: Address, base: int, multiplier: int, jump: int | None, kink: int | None
) -> None:
    """A rate model told its parameters: they hold for the whole time since each market's last accrual."""
    key = book.deployment(model).key
    _set_model(book, key, model, {"irm_base": base, "irm_multiplier": multiplier, "irm_jump": jump, "irm_kink": kink})
    for market in book.markets_of(key):
        if book.param(market.key, "irm") == model:
            _use_model(book, key, market, model)


def cash_read(book: BookLike, token: Address, data: str, result: str) -> None:
    """getCash() at the end of a block: underlying sent to the cToken is in no event of its."""
    market, cash = _listed(book, token), words.unsigned(result)
    if market is not None and cash is not None and _extra(market).get("cash") != cash:
        _extra(market)["cash"] = cash
        _touch(book, market)


# --------------------------------------------------------------------------------------------------- helpers


def _market(book: BookLike, token: Address) -> MarketBooks:
    return book.market((book.deployment(token).key, token))


def _listed(book: BookLike, token: Address) -> MarketBooks | None:
    ref = book.deployment(token).key, token
    return book.market(ref) if book.has_market(ref) else None


def _extra(market: MarketBooks) -> dict[str, int]:
    if market.extra is None:
        market.extra = {}
    return market.extra


def _before_listing(book: BookLike, token: Address, index: int) -> None:
    key = book.deployment(token).key
    book.set_param(key, "accrued_block", book.block_number, qualifier=token)
    book.set_param(key, "accrued_at", book.timestamp(), qualifier=token)
    book.set_param(key, "borrow_index_raw", index, qualifier=token)


def _expected_index(book: BookLike, market: MarketBooks, cash: int | None) -> int | None:
    """Return the index that the books expect of an accrual now, None where something is unknown."""
    extra = _extra(market)
    steps = book.timestamp() - market.accrued_at
    if market.regime == BLOCKS:
        steps = book.block_number - extra.get("accrued_block", book.block_number)
    if cash is None or market.debt_index is None or not {"accrued_block", "reserves", "irm_base"} <= extra.keys():
        return None
    borrows = market.debt_assets or 0
    if borrows and cash + borrows - extra["reserves"] <= 0:
        return None
    return grown(market.debt_index, borrow_rate(extra, cash, borrows, extra["reserves"]), steps)


def _set_model(book: BookLike, key: int, model: Address, parameters: dict[str, int | None]) -> None:
    for name, value in parameters.items():
        book.set_param(key, name, value, qualifier=model)


def _use_model(book: BookLike, key: int, market: MarketBooks, model: Address) -> None:
    """Put a model's parameters into the market's books; what is not known of it is taken out."""
    extra = _extra(market)
    for name in MODEL[BLOCKS]:
        value = book.param(key, name, model)
        extra.pop(name, None)
        if value is not None:
            extra[name] = int(value)
    if book.param(market.key, "irm") != model:
        book.set_param(market.key, "irm", text=model)
    book.touch(market)


def _set_factor(book: BookLike, market: MarketBooks, factor: int) -> None:
    book.set_param(market.key, "reserve_factor_raw", factor)
    book.set_param(market.key, "reserve_factor_bps", _bps(factor))


def _bps(factor: int) -> int | None:
    """Return a WAD factor in bps, None when it is finer than that."""
    return factor // 10**14 if factor % 10**14 == 0 else None


def _note_old_form(book: BookLike, token: Address) -> None:
    key = book.deployment(token).key
    if book.param(key, "reads_cash", token) is None:
        book.set_param(key, "reads_cash", 1, qualifier=token)


def _add_cash(market: MarketBooks, amount: int) -> None:
    extra = _extra(market)
    if "cash" in extra:
        extra["cash"] += amount


def _add_shares(book: BookLike, market: MarketBooks, account: Address, delta: int, leg: int) -> None:
    position = book.position(market.key, account, "supply")
    position.shares += delta
    book.book(market.key, account, "supply", position, leg)


def _burn(book: BookLike, token: Address, market: MarketBooks, tokens: int) -> None:
    _extra(market).pop("incoming", None)
    _add_shares(book, market, token, -tokens, 0)
    market.supply_shares -= tokens
    _touch(book, market)


def _touch(book: BookLike, market: MarketBooks) -> None:
    """Note the market's books, with the exchange rate that exchangeRateStored() now gives."""
    extra = _extra(market)
    if not market.supply_shares:
        market.supply_index = extra.get("initial_rate")
    elif "cash" in extra and "reserves" in extra:
        held = extra["cash"] + (market.debt_assets or 0) - extra["reserves"]
        market.supply_index = held * WAD // market.supply_shares
    else:
        market.supply_index = None
    book.touch(market)
