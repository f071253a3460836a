"""Aave v2 (1.0.1) from shipped artifacts: a pool of its own over the same plain tokens, with stable-rate debt.

Prices are wei of ether for one whole token. The pool asks the package's own AaveOracle, which knows ether's price by
itself and takes the others from its fallback, the settable oracle among the package's mocks.
"""

from __future__ import annotations

from .aave import RAY_BPS, Listing
from .build import artifacts
from .chain import ZERO, LocalChain, OldReserve

LISTINGS = {
    "WETH": Listing(8000, 8250, 10500, 1000, (6500, 0, 800, 10000)),
    "USDC": Listing(8000, 8500, 10500, 1000, (9000, 0, 400, 6000)),
    "DAI": Listing(7500, 8000, 10500, 1000, (8000, 0, 400, 7500)),
    "WBTC": Listing(7000, 7500, 11000, 2000, (6500, 0, 800, 10000)),
}
STABLE_SLOPES = (200, 7500)
MARKET_RATES = {"WETH": 300, "USDC": 390, "DAI": 390, "WBTC": 300}
"""What the lending rate oracle says stable loans start from, in bps a year."""

TOKENS = (("aToken", "av2"), ("stableDebtToken", "stableDebtV2"), ("variableDebtToken", "variableDebtV2"))


def owner(chain: LocalChain) -> str:
    """Deploys and administers this pool: not the chain's admin, whose later contracts would move."""
    return chain.newcomers[0]


def price_in_ether(prices: dict[str, int], symbol: str) -> int:
    """Wei of ether for one whole token."""
    return prices[symbol] * 10**18 // prices["WETH"]


def deploy_aave_v2(chain: LocalChain) -> None:
    """Provider, oracles, pool, configurator, reserves; five blocks."""
    with chain.deployed_by(owner(chain)):
        _pool(chain)
        _reserves(chain)


def _pool(chain: LocalChain) -> None:
    made, names, me = artifacts("aave-2"), chain.contracts, owner(chain)
    provider = "LendingPoolAddressesProvider"
    for library in ("GenericLogic", "ReserveLogic", "ValidationLogic"):
        chain.deploy(library, made[library])
    chain.deploy(provider, made[provider], ("string",), "Local Aave v2")
    fallback = chain.deploy("V2SettableOracle", made["PriceOracle"])
    oracle_types = ("address[]", "address[]", "address", "address")
    chain.deploy("AaveOracle", made["AaveOracle"], oracle_types, [], [], fallback, names["WETH"])
    chain.deploy("LendingRateOracle", made["LendingRateOracle"])
    for setter, address in (
        ("setPoolAdmin", me),
        ("setEmergencyAdmin", me),
        ("setPriceOracle", names["AaveOracle"]),
        ("setLendingRateOracle", names["LendingRateOracle"]),
    ):
        chain.do(me, provider, setter, address)
    chain.mine()
    for kind in ("LendingPool", "LendingPoolConfigurator"):
        chain.deploy(f"{kind}Implementation", made[kind])
        chain.do(me, provider, f"set{kind}Impl", names[f"{kind}Implementation"])
    chain.deploy("LendingPoolCollateralManager", made["LendingPoolCollateralManager"])
    chain.do(me, provider, "setLendingPoolCollateralManager", names["LendingPoolCollateralManager"])
    chain.mine()
    for kind in ("LendingPool", "LendingPoolConfigurator"):
        chain.register(kind, chain.view(provider, f"get{kind}"), made[kind])
    chain.do(me, "LendingPoolConfigurator", "setPoolPause", False)


def _reserves(chain: LocalChain) -> None:
    made, names, me = artifacts("aave-2"), chain.contracts, owner(chain)
    pool = names["LendingPool"]
    for symbol, listing in LISTINGS.items():
        asset = names[symbol]
        chain.do(me, "LendingRateOracle", "setMarketBorrowRate", asset, MARKET_RATES[symbol] * RAY_BPS)
        curve = [rate * RAY_BPS for rate in (*listing.rates, *STABLE_SLOPES)]
        strategy = f"V2RateStrategy_{symbol}"
        types = ("address", *["uint256"] * 6)
        chain.deploy(
            strategy, made["DefaultReserveInterestRateStrategy"], types, names["LendingPoolAddressesProvider"], *curve
        )
        parts = [pool, asset, chain.treasury, f"Local Aave v2 {symbol}", f"av2{symbol}", ZERO]
        a_token = chain.deploy(
            f"v2_ATokenImplementation_{symbol}",
            made["AToken"],
            ("address", "address", "address", "string", "string", "address"),
            *parts,
        )
        debts = [
            chain.deploy(
                f"v2_{kind}Implementation_{symbol}",
                made[kind],
                ("address", "address", "string", "string", "address"),
                pool,
                asset,
                f"Local Aave v2 {kind} {symbol}",
                f"{prefix}{symbol}",
                ZERO,
            )
            for kind, prefix in (("StableDebtToken", "stableDebtV2"), ("VariableDebtToken", "variableDebtV2"))
        ]
        decimals = chain.tokens[asset]["decimals"]
        chain.do(me, "LendingPoolConfigurator", "initReserve", a_token, *debts, decimals, names[strategy])
    chain.mine()
    for symbol, listing in LISTINGS.items():
        _book(chain, symbol)
        asset = names[symbol]
        collateral = (listing.ltv, listing.threshold, listing.bonus)
        chain.do(me, "LendingPoolConfigurator", "configureReserveAsCollateral", asset, *collateral)
        chain.do(me, "LendingPoolConfigurator", "enableBorrowingOnReserve", asset, True)
        chain.do(me, "LendingPoolConfigurator", "setReserveFactor", asset, listing.factor)
    helpers = artifacts("helpers")
    if chain.reserves:
        chain.deploy("AaveMigrator", helpers["AaveMigrator"], ("address", "address"), pool, names["Pool"])
    chain.mine()


def _book(chain: LocalChain, symbol: str) -> None:
    """Reads the tokens that the listing created."""
    made, asset = artifacts("aave-2"), chain.contracts[symbol]
    data = chain.view("LendingPool", "getReserveData", asset)
    for (kind, prefix), at in zip(TOKENS, (7, 8, 9), strict=True):
        address = chain.register(f"v2_{kind}_{symbol}", data[at], made[kind[0].upper() + kind[1:]])
        chain.tokens[address] = {
            "symbol": f"{prefix}{symbol}",
            "decimals": chain.tokens[asset]["decimals"],
            "kind": kind,
            "underlying": asset,
            "protocol": "aave_v2",
        }
    chain.old_reserves[symbol] = OldReserve(symbol, asset, chain.clock.head)
