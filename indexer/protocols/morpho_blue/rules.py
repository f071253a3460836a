"""How Morpho Blue's events move the books: totals, shares and the fee recipient's shares.

Source   morpho-blue 1.0.0 Morpho.sol, SharesMathLib; morpho-blue-irm AdaptiveCurveIrm
Units    assets in base units of the loan token, collateral in base units of its token, rates WAD a second
"""

from __future__ import annotations

from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address
from indexer.units import ZERO_ADDRESS

ADAPTIVE, FIXED, NONE, UNKNOWN = "adaptive", "fixed", "none", "unknown"
"""Regimes: how interest between two accruals is known. `unknown` is an interest rate model without rules here."""


def market_created(
    book: BookLike, morpho: Address, market_id: str, loan: Address, collateral: Address, oracle: Address, irm: Address,
    lltv: int,
) -> None:  # fmt: skip
    """A market was listed; all but its fee is fixed for good. The rate model shows its kind by its own first event."""
    deployment = book.deployment(morpho)
    market = book.add_market(
        (deployment.key, market_id),
        Listing(
            market_id, "morpho", NONE if irm == ZERO_ADDRESS else UNKNOWN, loan, collateral_asset=collateral,
            oracle=oracle, supply_assets=0, debt_assets=0,
        ),
    )  # fmt: skip
    market.accrued_at = book.timestamp()
    market.fee = 0
    book.set_param(market.key, "lltv_raw", lltv)
    book.set_param(market.key, "irm", text=irm)
    book.set_param(market.key, "fee_raw", 0)
    for token in (loan, collateral):
        if token != ZERO_ADDRESS:
            book.add_token(token, "unclassified")


def accrued(book: BookLike, morpho: Address, market_id: str, rate: int, interest: int, fee_shares: int) -> None:
    """Interest was booked. The fee is new supply shares of whoever receives fees; there is no Supply event for it."""
    deployment = book.deployment(morpho)
    market = book.market((deployment.key, market_id))
    _add_totals(book, market, supply_assets=interest, supply_shares=fee_shares, debt_assets=interest)
    market.debt_rate = rate
    market.accrued_at = book.timestamp()
    if fee_shares:
        recipient = str(book.param(deployment.key, "fee_recipient") or ZERO_ADDRESS)
        _add_shares(book, market, recipient, "supply", fee_shares)


def lent(book: BookLike, morpho: Address, market_id: str, account: Address, assets: int, shares: int) -> None:
    """Loan tokens were supplied (positive) or withdrawn (negative)."""
    market = book.market((book.deployment(morpho).key, market_id))
    _add_shares(book, market, account, "supply", shares)
    _add_totals(book, market, supply_assets=assets, supply_shares=shares)


def borrowed(book: BookLike, morpho: Address, market_id: str, account: Address, assets: int, shares: int) -> None:
    """Loan tokens were borrowed (positive) or repaid (negative; assets may exceed the total by one)."""
    market = book.market((book.deployment(morpho).key, market_id))
    _add_shares(book, market, account, "debt", shares)
    _add_totals(book, market, debt_assets=assets, debt_shares=shares)


def pledged(book: BookLike, morpho: Address, market_id: str, account: Address, assets: int) -> None:
    """Collateral was supplied (positive) or withdrawn (negative). It earns nothing: shares are the amount itself."""
    market = book.market((book.deployment(morpho).key, market_id))
    _add_shares(book, market, account, "collateral", assets)


def liquidated(
    book: BookLike, morpho: Address, market_id: str, borrower: Address, repaid_assets: int, repaid_shares: int,
    seized_assets: int, bad_debt_assets: int, bad_debt_shares: int,
) -> None:  # fmt: skip
    """Debt was repaid for collateral; what no collateral covers is taken from the lenders."""
    market = book.market((book.deployment(morpho).key, market_id))
    _add_shares(book, market, borrower, "debt", -repaid_shares - bad_debt_shares)
    _add_shares(book, market, borrower, "collateral", -seized_assets, leg=1)
    _add_totals(book, market, debt_assets=-repaid_assets, debt_shares=-repaid_shares)
    if bad_debt_shares:
        _add_totals(
            book, market, debt_assets=-bad_debt_assets, debt_shares=-bad_debt_shares, supply_assets=-bad_debt_assets
        )


def fee_set(book: BookLike, morpho: Address, market_id: str, fee: int) -> None:
    """The market's fee changed."""
    market = book.market((book.deployment(morpho).key, market_id))
    market.fee = fee
    book.touch(market)
    book.set_param(market.key, "fee_raw", fee)


def fee_recipient_set(book: BookLike, morpho: Address, recipient: Address) -> None:
    """Fees go to another account from the next accrual on."""
    book.set_param(book.deployment(morpho).key, "fee_recipient", text=recipient)


def curve_moved(book: BookLike, irm: Address, market_id: str, rate_at_target: int) -> None:
    """The adaptive curve told its state for a market."""
    ref = (book.deployment(irm).key, market_id)
    if book.has_market(ref):  # the model also serves markets of other Morpho deployments
        market = book.market(ref)
        market.regime, market.rate_at_target = ADAPTIVE, rate_at_target
        book.touch(market)


def fixed_rate_set(book: BookLike, irm: Address, market_id: str, rate: int) -> None:
    """The fixed rate of a market was set, once and for all."""
    ref = (book.deployment(irm).key, market_id)
    if book.has_market(ref):
        market = book.market(ref)
        market.regime, market.debt_rate = FIXED, rate
        book.touch(market)


def _add_shares(book: BookLike, market: MarketBooks, account: Address, side: str, shares: int, leg: int = 0) -> None:
    position = book.position(market.key, account, side)
    position.shares += shares
    position.is_collateral = side == "collateral"
    book.book(market.key, account, side, position, leg)


def _add_totals(
    book: BookLike, market: MarketBooks, supply_assets: int = 0, supply_shares: int = 0, debt_assets: int = 0,
    debt_shares: int = 0,
) -> None:  # fmt: skip
    market.supply_assets = (market.supply_assets or 0) + supply_assets
    market.supply_shares += supply_shares
    # UtilsLib.zeroFloorSub: a repayment rounded up may exceed the total by one
    market.debt_assets = max(0, (market.debt_assets or 0) + debt_assets)
    market.debt_shares += debt_shares
    if market.regime == NONE:
        # without a rate model _accrueInterest moves lastUpdate silently; nothing depends on it
        market.accrued_at = book.timestamp()
    book.touch(market)
