"""How Aave's events move the books: scaled balances, indexes, flags, parameters. Called in chain order.

Every Mint and Burn states how much interest the account had accrued. The rules compute the same figure from their own
books and stop with WrongRegime when the two differ: a wrong version, a lost log and a wrong balance all show here.

Source   aave-v3-core 1.19.3 ScaledBalanceTokenBase, AToken, ReserveLogic, LiquidationLogic, PoolConfigurator;
         aave-v3-origin 3.4-3.7 the same files
Units    see maths
Omits    stable-rate debt (never enabled for new loans after 2023)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from indexer.decode.abi import selector
from indexer.errors import MissingFact, WrongRegime
from indexer.families.aave.maths import (
    DIRECTED_B,
    HALF_UP_A,
    HALF_UP_B,
    UNSCALED_A,
    balance,
    compounded_interest,
    linear_interest,
    ray_div,
    ray_mul,
    scaled_from_balance,
)  # fmt: skip
from indexer.protocol import BookLike, Deployment, Listing, MarketBooks, PositionState
from indexer.types import Address
from indexer.units import RAY, ZERO_ADDRESS

POOL_REVISION: Final = selector("POOL_REVISION()")

REGIMES: Final = {
    "3.0.0": UNSCALED_A, "3.0": HALF_UP_A, "3.1": HALF_UP_A, "3.2": HALF_UP_A, "3.3": HALF_UP_A, "3.4": HALF_UP_B,
    "3.5": DIRECTED_B, "3.6": DIRECTED_B, "3.7": DIRECTED_B,
}  # fmt: skip
"""Contract version (longest prefix wins) to accounting regime."""

USD_UNIT: Final = 10**8
"""Aave v3 markets price in USD with 8 decimals unless their oracle's BaseCurrencySet says otherwise."""


def regime_of_version(version: str) -> str:
    """Return the regime of a stated contract version such as "3.0.2". Raises MissingFact for an unknown one."""
    for prefix in (version, ".".join(version.split(".")[:2])):
        if prefix in REGIMES:
            return REGIMES[prefix]
    raise MissingFact(f"no accounting rules for contract version {version!r}; known: {', '.join(REGIMES)}")


# ---------------------------------------------------------------------------------------------------- deployment


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """Book what the listing of a deployment says before its first event."""
    if "Pool" in deployment.contracts:
        book.set_param(deployment.key, "pool", text=deployment.contracts["Pool"])
    if "AaveOracle" in deployment.contracts:
        book.set_param(deployment.key, "price_oracle", text=deployment.contracts["AaveOracle"])
    if deployment.version:
        book.set_param(deployment.key, "regime", text=regime_of_version(deployment.version))
        book.set_param(deployment.key, "contract_version", text=deployment.version)


def proxy_created(book: BookLike, provider: Address, name: str, proxy: Address, versions: Mapping[int, str]) -> None:
    """A provider made its pool's proxy: note it, and with it the version if the node can tell."""
    if name == "POOL":
        deployment = book.deployment(provider)
        book.set_param(deployment.key, "pool", text=proxy)
        revision = book.answer(proxy, POOL_REVISION)
        if not deployment.version and revision is not None:
            _set_regime(book, deployment, revision, versions)


def pool_upgraded(book: BookLike, pool: Address, versions: Mapping[int, str]) -> None:
    """A pool got a new implementation: from here on the rules of its version hold for all its reserves."""
    deployment = book.deployment(pool)
    if deployment.version:
        return
    revision = book.answer(pool, POOL_REVISION)
    if revision is None:
        raise MissingFact(
            f"pool {pool} was upgraded and POOL_REVISION() could not be read at block {book.block_number}; "
            "accounting differs by version"
        )
    _set_regime(book, deployment, revision, versions)


def _set_regime(book: BookLike, deployment: Deployment, revision: str, versions: Mapping[int, str]) -> None:
    number = int(revision, 16)
    version = str(deployment.options.get("first_version") or "") if number == 1 else ""
    version = version or versions.get(number, "")
    if not version:
        raise MissingFact(f"POOL_REVISION {number} of deployment {deployment.name} is not a version with known rules")
    regime = regime_of_version(version)
    book.set_param(deployment.key, "regime", text=regime)
    book.set_param(deployment.key, "contract_version", text=version)
    for market in book.markets_of(deployment.key):
        if market.regime != regime:
            market.regime = regime
            book.touch(market)


def oracle_changed(book: BookLike, provider: Address, oracle: Address) -> None:
    """The provider names another price oracle."""
    book.set_param(book.deployment(provider).key, "price_oracle", text=oracle)


def reserve_initialized(
    book: BookLike, configurator: Address, asset: Address, a_token: Address, stable_token: Address, debt_token: Address
) -> None:
    """A reserve was listed. Where no read told the version, a stable debt token means 3.0.1-3.1, none means 3.5+;
    every later event checks that."""
    deployment = book.deployment(configurator)
    pool = book.param(deployment.key, "pool")
    if pool is None:
        raise MissingFact(f"deployment {deployment.name} lists a reserve but its pool is unknown")
    regime = book.param(deployment.key, "regime")
    if regime is None:
        regime = DIRECTED_B if stable_token == ZERO_ADDRESS else HALF_UP_A
    market = book.add_market(
        (deployment.key, asset),
        Listing(
            f"{pool}:{asset}", "aave", str(regime), asset, supply_token=a_token, debt_token=debt_token,
            supply_index=RAY, debt_index=RAY,
        ),
    )  # fmt: skip
    if asset in deployment.options.get("discounted_debt", ()):
        book.set_param(market.key, "discounted_debt", 1)
    book.add_token(asset, "unclassified")
    book.add_token(a_token, "lending_receipt", deployment.protocol, asset)
    book.add_token(debt_token, "debt_token", deployment.protocol, asset)


# ------------------------------------------------------------------------------------------------------- balances


def mint(book: BookLike, token: Address, account: Address, value: int, increase: int, index: int) -> None:
    """Mint of a scaled token; `value` includes `increase`, the interest accrued since the account's last change.

    A value below the increase comes from a burn smaller than the accrued interest.
    """
    market, side = book.market_of_token(token)
    position = book.position(market.key, account, side)
    discount = _check_increase(book, market, side, account, position, increase, index)
    if market.regime == DIRECTED_B:
        # a mint that only books interest leaves the scaled balance alone
        scaled = position.shares
        if value != increase:
            before = balance(DIRECTED_B, side, scaled, position.basis or 0)
            scaled = scaled_from_balance(side, before + value, index)
        delta = scaled - position.shares
    elif value >= increase:
        delta = ray_div(value - increase, index)
    else:
        delta = -ray_div(increase - value, index)
    _move(book, market, side, account, position, delta - discount, index)


def burn(book: BookLike, token: Address, account: Address, value: int, increase: int, index: int) -> None:
    """Burn of a scaled token; `value` is net of `increase`."""
    market, side = book.market_of_token(token)
    position = book.position(market.key, account, side)
    discount = _check_increase(book, market, side, account, position, increase, index)
    if market.regime == DIRECTED_B:
        before = balance(DIRECTED_B, side, position.shares, position.basis or 0)
        delta = scaled_from_balance(side, before - value, index) - position.shares
    else:
        delta = -ray_div(value + increase, index)
    _move(book, market, side, account, position, delta - discount, index)


def balance_transfer(book: BookLike, token: Address, source: Address, target: Address, value: int, index: int) -> None:
    """An aToken moved: `value` is scaled (3.0.0: the underlying amount). Interest of both sides is booked up to here."""
    market, side = book.market_of_token(token)
    scaled = ray_div(value, index) if market.regime == UNSCALED_A else value
    for leg, (account, delta) in enumerate(((source, -scaled), (target, scaled))):
        position = book.position(market.key, account, side)
        position.shares += delta
        if market.regime != UNSCALED_A:  # 3.0.0 left the accounts' last index alone
            position.basis = index
        book.book(market.key, account, side, position, leg)


def _move(
    book: BookLike, market: MarketBooks, side: str, account: Address, position: PositionState, delta: int, index: int
) -> None:
    position.shares += delta
    position.basis = index
    book.book(market.key, account, side, position)
    if delta:
        if side == "supply":
            market.supply_shares += delta
        else:
            market.debt_shares += delta
        book.touch(market)


def _check_increase(
    book: BookLike, market: MarketBooks, side: str, account: Address, position: PositionState, increase: int, index: int
) -> int:
    """Compare the event's accrued interest with the books'. Returns the scaled discount, 0 for every normal token.

    An account that got its balance by a 3.0.0 transfer has no last index: to the contract all of it is interest.

    GHO's debt token before 3.4 forgave part of the interest: the missing part was burned as rayDiv(part, index).
    """
    scaled = position.shares
    if not scaled:
        expected = 0
    else:
        basis = position.basis or 0
        expected = balance(market.regime, side, scaled, index) - balance(market.regime, side, scaled, basis)
    if increase == expected:
        return 0
    if market.regime != DIRECTED_B and increase < expected and book.param(market.key, "discounted_debt") == 1:
        return ray_div(expected - increase, index)
    raise WrongRegime(
        f"{side} of {account} accrued {increase} by the event but {expected} by the rules {market.regime!r} "
        f"(scaled balance {scaled}, index {position.basis} to {index}) at log {book.log_index}"
    )


def collateral_flag(book: BookLike, pool: Address, asset: Address, account: Address, on: bool) -> None:
    """The account's supply of a reserve starts or stops to back its debt."""
    market = book.market((book.deployment(pool).key, asset))
    position = book.position(market.key, account, "supply")
    position.is_collateral = on
    book.book(market.key, account, "supply", position)


def emode_set(book: BookLike, pool: Address, account: Address, category: int) -> None:
    """The account chose an e-mode category; 0 is none."""
    book.set_account(book.deployment(pool).key, account, "emode", category)


# -------------------------------------------------------------------------------------------------------- indexes


def reserve_data(
    book: BookLike, pool: Address, asset: Address, supply_rate: int, debt_rate: int, supply_index: int, debt_index: int
) -> None:
    """New rates and indexes of a reserve, accrued to this block's time. The debt index is checked against the rules."""
    market = book.market((book.deployment(pool).key, asset))
    now = book.timestamp()
    old = market.debt_index
    if debt_index != old and old is not None:
        growth = compounded_interest(market.regime, market.debt_rate or 0, now - market.accrued_at)
        if debt_index != ray_mul(growth, old):
            raise WrongRegime(
                f"debt index of {asset} is {debt_index} by the event but {ray_mul(growth, old)} by the rules "
                f"{market.regime!r} (index {old}, rate {market.debt_rate}, {now - market.accrued_at} s) at log "
                f"{book.log_index}"
            )
    market.supply_rate, market.debt_rate = supply_rate, debt_rate
    market.supply_index, market.debt_index = supply_index, debt_index
    market.accrued_at = now
    book.touch(market)


def liquidated(book: BookLike, pool: Address, collateral_asset: Address, receive_a_token: bool) -> None:
    """Since 3.5 a liquidation paid in aTokens stores new indexes of the collateral reserve without an event."""
    market = book.market((book.deployment(pool).key, collateral_asset))
    now = book.timestamp()
    seconds = now - market.accrued_at
    if not receive_a_token or market.regime != DIRECTED_B or seconds <= 0:
        return
    if market.supply_rate and market.supply_index is not None:
        market.supply_index = ray_mul(linear_interest(market.supply_rate, seconds), market.supply_index)
    if market.debt_shares and market.debt_index is not None:
        growth = compounded_interest(market.regime, market.debt_rate or 0, seconds)
        market.debt_index = ray_mul(growth, market.debt_index)
    market.accrued_at = now
    book.touch(market)


# ----------------------------------------------------------------------------------------------------- parameters


def reserve_param(book: BookLike, emitter: Address, asset: Address, name: str, value: int, qualifier: str = "") -> None:
    """A parameter of one reserve, e.g. its supply cap."""
    book.set_param(book.market((book.deployment(emitter).key, asset)).key, name, int(value), qualifier=qualifier)


def collateral_config(book: BookLike, emitter: Address, asset: Address, ltv: int, threshold: int, bonus: int) -> None:
    """LTV, liquidation threshold and bonus of a reserve in bps; bonus is 10000 + the bonus."""
    for name, value in (
        ("ltv_bps", ltv), ("liquidation_threshold_bps", threshold), ("liquidation_bonus_bps", bonus),
    ):  # fmt: skip
        reserve_param(book, emitter, asset, name, value)


def emode_category(
    book: BookLike, emitter: Address, category: int, ltv: int, threshold: int, bonus: int, oracle: Address, label: str
) -> None:
    """An e-mode category was added or changed."""
    key, qualifier = book.deployment(emitter).key, str(category)
    book.set_param(key, "emode_ltv_bps", ltv, qualifier=qualifier)
    book.set_param(key, "emode_liquidation_threshold_bps", threshold, qualifier=qualifier)
    book.set_param(key, "emode_liquidation_bonus_bps", bonus, qualifier=qualifier)
    book.set_param(key, "emode_price_source", text=oracle, qualifier=qualifier)
    book.set_param(key, "emode_label", text=label, qualifier=qualifier)


def deployment_param(book: BookLike, emitter: Address, name: str, value: int, qualifier: str = "") -> None:
    """A parameter of the whole deployment."""
    book.set_param(book.deployment(emitter).key, name, int(value), qualifier=qualifier)


# ---------------------------------------------------------------------------------------------------------- prices


def base_currency(book: BookLike, oracle: Address, unit: int) -> None:
    """The oracle says how many units one base currency (USD) has."""
    book.set_param(book.deployment(oracle).key, "base_currency_unit", unit)


def asset_price(book: BookLike, oracle: Address, asset: Address, price: int) -> None:
    """A price oracle that announces prices by event (the packages' own test oracle)."""
    unit = book.param(book.deployment(oracle).key, "base_currency_unit")
    book.add_price(oracle, asset, price, int(unit) if unit else USD_UNIT, "usd")
