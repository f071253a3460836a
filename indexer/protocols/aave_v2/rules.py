"""How Aave v2's events move the books: scaled balances, stable loans, indexes, parameters. Called in chain order.

The token events of v2 do not repeat the interest accrued, but they do state the index (aTokens, variable debt) or the
whole balance and total (stable debt). The rules compute the same figures from their own books and stop with
WrongRegime when the two differ.

Source   @aave/protocol-v2 1.0.1 ReserveLogic, MathUtils, AToken, VariableDebtToken, StableDebtToken
Units    balances in base units, indexes and yearly rates in ray, times in seconds, prices in wei of ether
"""

from __future__ import annotations

from typing import Final

from indexer.errors import MissingFact, WrongRegime
from indexer.families.aave.maths import linear_interest, ray_div, ray_mul
from indexer.families.aave.rules import oracle_changed, reserve_param
from indexer.protocol import BookLike, Deployment, Listing, MarketBooks, PositionState
from indexer.types import Address
from indexer.units import RAY, SECONDS_PER_YEAR

SCALED: Final = "scaled"
"""Regime of a reserve: balances are scaled by the reserve's indexes."""

STABLE: Final = "stable"
"""Regime of a reserve's stable debt: each loan has its own rate and time."""

REBASING: Final = "rebasing"
"""Regime of a reserve whose own aToken also scales by the asset's rebasing: its events do not tell balances."""

REBASING_ASSETS: Final = frozenset({
    (1, "0xae7ab96520de3a18e5e111b5eaab095312d7fe84"),  # stETH
    (1, "0xd46ba6d942050d489dbd938a2c909a5d5039a161"),  # AMPL
})  # fmt: skip

STABLE_ENDING: Final = "-stable"
"""Ends the native id of a reserve's stable debt: the asset's address comes before it."""

WEI: Final = 10**18

ETHER: Final = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
"""The quote of a price in ether where the wrapped token is not known."""

WRAPPED_ETHER: Final = {
    1: "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
    137: "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619",
}
"""Wrapped ether by chain: the token whose USD price turns this protocol's ether figures into USD."""

WAD_TO_RAY: Final = 10**9


# ---------------------------------------------------------------------------------------------------- deployment


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """Book what the listing of a deployment says before its first event."""
    if "LendingPool" in deployment.contracts:
        book.set_param(deployment.key, "pool", text=deployment.contracts["LendingPool"])
    if "AaveOracle" in deployment.contracts:
        book.set_param(deployment.key, "price_oracle", text=deployment.contracts["AaveOracle"])
    if deployment.chain_id in WRAPPED_ETHER:
        book.set_param(deployment.key, "base_token", text=WRAPPED_ETHER[deployment.chain_id])


def proxy_created(book: BookLike, provider: Address, name: str, proxy: Address) -> None:
    """The provider made a proxy: the pool's is noted, it names the markets."""
    if name == "LENDING_POOL":
        book.set_param(book.deployment(provider).key, "pool", text=proxy)


def reserve_initialized(
    book: BookLike, configurator: Address, asset: Address, a_token: Address, stable_token: Address,
    debt_token: Address, strategy: Address,
) -> None:  # fmt: skip
    """A reserve was listed: one market for supply and variable debt, another for its stable debt."""
    deployment = book.deployment(configurator)
    pool = book.param(deployment.key, "pool")
    if pool is None:
        raise MissingFact(f"deployment {deployment.name} lists a reserve but its pool is unknown")
    regime = REBASING if (book.chain_id, asset) in REBASING_ASSETS else SCALED
    market = book.add_market(
        (deployment.key, asset),
        Listing(
            f"{pool}:{asset}", "aave_v2", regime, asset, supply_token=a_token, debt_token=debt_token, supply_index=RAY,
            debt_index=RAY,
        ),
    )  # fmt: skip
    native = f"{asset}{STABLE_ENDING}"
    book.add_market(
        (deployment.key, native),
        Listing(f"{pool}:{native}", "aave_v2_stable", STABLE, asset, debt_token=stable_token, debt_assets=0),
    )
    # initReserve activates without an event
    book.set_param(market.key, "is_active", 1)
    book.set_param(market.key, "is_frozen", 0)
    book.set_param(market.key, "irm", text=strategy)
    book.add_token(asset, "unclassified")
    book.add_token(a_token, "lending_receipt", deployment.protocol, asset)
    for token in (stable_token, debt_token):
        book.add_token(token, "debt_token", deployment.protocol, asset)


def strategy_changed(book: BookLike, configurator: Address, asset: Address, strategy: Address) -> None:
    """A reserve got another interest rate strategy."""
    market = book.market((book.deployment(configurator).key, asset))
    book.set_param(market.key, "irm", text=strategy)


# ------------------------------------------------------------------------------------------------ scaled balances


def scaled_change(book: BookLike, token: Address, account: Address, value: int, index: int, sign: int) -> None:
    """Mint (+1) or Burn (-1) of an aToken or a variable debt token; `value` is the plain amount.

    Also the treasury's Mint inside a state update; one whose scaled amount rounds to zero is emitted all the same.
    """
    market, side = book.market_of_token(token)
    position = book.position(market.key, account, side)
    if market.regime == REBASING:
        _note_holder(book, market, account, side, position)
        return
    _check_index(book, market, side, index)
    scaled = sign * ray_div(value, index)
    position.shares += scaled
    book.book(market.key, account, side, position)
    if scaled:
        if side == "supply":
            market.supply_shares += scaled
        else:
            market.debt_shares += scaled
        book.touch(market)


def balance_transfer(book: BookLike, token: Address, source: Address, target: Address, value: int, index: int) -> None:
    """An aToken moved; `value` is the plain amount, in v3 it is the scaled one."""
    market, side = book.market_of_token(token)
    rebasing = market.regime == REBASING
    if not rebasing:
        _check_index(book, market, side, index)
    scaled = ray_div(value, index)
    for leg, (account, delta) in enumerate(((source, -scaled), (target, scaled))):
        position = book.position(market.key, account, side)
        if rebasing:
            _note_holder(book, market, account, side, position, leg)
        else:
            position.shares += delta
            book.book(market.key, account, side, position, leg)


def _note_holder(
    book: BookLike, market: MarketBooks, account: Address, side: str, position: PositionState, leg: int = 0
) -> None:
    """The account has had a balance; how large it is no event tells, and its amount stays NULL."""
    position.shares = 1
    book.book(market.key, account, side, position, leg)


def _check_index(book: BookLike, market: MarketBooks, side: str, index: int) -> None:
    """The stored index, or the stored index grown to this second: state updates log it only later in their call."""
    if side == "supply":
        stored, grown = market.supply_index, normalized_income(market, book.timestamp())
    else:
        stored, grown = market.debt_index, normalized_debt(market, book.timestamp())
    if index not in (stored, grown):
        raise WrongRegime(
            f"{side} index is {index} by a token's event but {stored} or {grown} by the rules at log {book.log_index}"
        )


def normalized_income(market: MarketBooks, now: int) -> int:
    """Return ReserveLogic.getNormalizedIncome."""
    return ray_mul(linear_interest(market.supply_rate or 0, now - market.accrued_at), market.supply_index or 0)


def normalized_debt(market: MarketBooks, now: int) -> int:
    """Return ReserveLogic.getNormalizedDebt."""
    return ray_mul(compounded_interest(market.debt_rate or 0, now - market.accrued_at), market.debt_index or 0)


def compounded_interest(rate_ray: int, seconds: int) -> int:
    """Return the growth factor in ray of debt. The rate is divided by the seconds of a year first, v3 does it later."""
    if seconds == 0:
        return RAY
    rate = rate_ray // SECONDS_PER_YEAR
    base_2 = ray_mul(rate, rate)
    base_3 = ray_mul(base_2, rate)
    second = seconds * (seconds - 1) * base_2 // 2
    third = seconds * (seconds - 1) * max(seconds - 2, 0) * base_3 // 6
    return RAY + rate * seconds + second + third


def reserve_data(
    book: BookLike, pool: Address, asset: Address, supply_rate: int, stable_rate: int, debt_rate: int,
    supply_index: int, debt_index: int,
) -> None:  # fmt: skip
    """New rates and indexes of a reserve, accrued to this block's time. The last one of a transaction counts.

    The debt index moves only while lenders earn and somebody owes at a variable rate; if it moves it must fit.
    """
    market = book.market((book.deployment(pool).key, asset))
    now = book.timestamp()
    if debt_index not in (market.debt_index, normalized_debt(market, now)):
        raise WrongRegime(
            f"debt index of {asset} is {debt_index} by the event but {normalized_debt(market, now)} by the rules "
            f"(index {market.debt_index}, rate {market.debt_rate}, {now - market.accrued_at} s) at log {book.log_index}"
        )
    market.supply_rate, market.debt_rate = supply_rate, debt_rate
    market.supply_index, market.debt_index = supply_index, debt_index
    market.extra = {"stable_borrow_rate_ray": stable_rate}  # what a new stable loan pays
    market.accrued_at = now
    book.touch(market)


# ----------------------------------------------------------------------------------------------------- stable debt


def stable_mint(
    book: BookLike, token: Address, account: Address, value: int, balance: int, increase: int, rate: int,
    average_rate: int, total: int,
) -> None:  # fmt: skip
    """Mint of a stable debt token: a loan of `value`, or a repayment smaller than the interest accrued.

    A loan adds its interest to the principal besides `value`. A small repayment shows as Mint of interest - repayment,
    which is all that the principal grows by. The total supply tells them apart: only a loan makes it grow by `value`.
    """
    market, position = _stable_position(book, token, account, balance, increase)
    before = stable_total(market, book.timestamp())
    if total == before + value:
        market.debt_assets, market.debt_rate = total, average_rate
        _move_stable(book, market, account, position, value + increase, rate)
    else:
        _take_from_total(book, market, position, before, increase - value, average_rate, total)
        _move_stable(book, market, account, position, value, rate)


def stable_burn(
    book: BookLike, token: Address, account: Address, value: int, balance: int, increase: int, average_rate: int,
    total: int,
) -> None:  # fmt: skip
    """Burn of a stable debt token; `value` is the repayment net of the interest accrued."""
    market, position = _stable_position(book, token, account, balance, increase)
    repaid = value + increase
    _take_from_total(book, market, position, stable_total(market, book.timestamp()), repaid, average_rate, total)
    closed = repaid == balance
    _move_stable(book, market, account, position, -value, 0 if closed else _extra(position, "rate_ray"), closed)


def stable_total(market: MarketBooks, now: int) -> int:
    """Return StableDebtToken.totalSupply: one balance at the average rate, never the sum of the loans."""
    return ray_mul(market.debt_assets or 0, compounded_interest(market.debt_rate or 0, now - market.accrued_at))


def stable_balance(position: PositionState, now: int) -> int:
    """Return StableDebtToken.balanceOf: the principal at its own rate since its own last change."""
    if not position.shares:
        return 0
    seconds = now - _extra(position, "updated_at")
    return ray_mul(position.shares, compounded_interest(_extra(position, "rate_ray"), seconds))


def _stable_position(
    book: BookLike, token: Address, account: Address, balance: int, increase: int
) -> tuple[MarketBooks, PositionState]:
    market, side = book.market_of_token(token)
    position = book.position(market.key, account, side)
    expected = stable_balance(position, book.timestamp())
    if (balance, increase) != (expected, expected - position.shares):
        raise WrongRegime(
            f"stable debt of {account} is {balance}, {increase} of it interest, by the event but {expected}, "
            f"{expected - position.shares} of it, by the rules at log {book.log_index}"
        )
    return market, position


def _take_from_total(
    book: BookLike, market: MarketBooks, position: PositionState, before: int, repaid: int, average_rate: int,
    total: int,
) -> None:  # fmt: skip
    """Total and average rate after a repayment, checked against the event.

    Total and loans accrue apart, so the last ones to repay may find less than they owe: the contract then stores 0
    for both, but the event may still say the difference.
    """
    left, stored, rate = max(before - repaid, 0), 0, 0
    if left:
        all_interest = ray_mul(market.debt_rate or 0, before * WAD_TO_RAY)
        own_interest = ray_mul(_extra(position, "rate_ray"), repaid * WAD_TO_RAY)
        if own_interest < all_interest:
            stored, rate = left, ray_div(all_interest - own_interest, left * WAD_TO_RAY)
    if (total, average_rate) != (left, rate):
        raise WrongRegime(
            f"stable total is {total} at {average_rate} by the event but {left} at {rate} by the rules at log "
            f"{book.log_index}"
        )
    market.debt_assets, market.debt_rate = stored, rate


def _move_stable(
    book: BookLike, market: MarketBooks, account: Address, position: PositionState, delta: int, rate: int,
    closed: bool = False,
) -> None:  # fmt: skip
    now = book.timestamp()
    position.shares += delta
    position.extra = {"rate_ray": rate, "updated_at": 0 if closed else now}
    book.book(market.key, account, "debt", position)
    market.debt_shares += delta
    market.accrued_at = now
    book.touch(market)


def _extra(position: PositionState, name: str) -> int:
    return (position.extra or {}).get(name, 0)


# ---------------------------------------------------------------------------------------------------------- prices


def weth_set(book: BookLike, oracle: Address, weth: Address) -> None:
    """The oracle says which token its base currency, ether, is wrapped in."""
    book.set_param(book.deployment(oracle).key, "base_token", text=weth)


def asset_price(book: BookLike, oracle: Address, asset: Address, price: int) -> None:
    """A price oracle that announces prices by event (the package's own test oracle)."""
    quote = str(book.param(book.deployment(oracle).key, "base_token") or ETHER)
    book.add_price(oracle, asset, price, WEI, quote)


__all__ = [
    "asset_price", "balance_transfer", "open_deployment", "oracle_changed", "proxy_created", "reserve_data",
    "reserve_initialized", "reserve_param", "scaled_change", "stable_burn", "stable_mint", "strategy_changed", "weth_set",
]  # fmt: skip
