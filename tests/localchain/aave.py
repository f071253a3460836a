"""Aave v3.0.2 from shipped artifacts, or v3.6 from published sources, with the same reserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from .build import artifacts
from .chain import ZERO, LocalChain, Reserve

RAY = 10**27
RAY_BPS = RAY // 10_000
LIBRARIES_302 = (
    "BorrowLogic",
    "SupplyLogic",
    "EModeLogic",
    "BridgeLogic",
    "PoolLogic",
    "LiquidationLogic",
    "ConfiguratorLogic",
    "FlashLoanLogic",
)
LIBRARIES_36 = (
    "BorrowLogic",
    "FlashLoanLogic",
    "LiquidationLogic",
    "PoolLogic",
    "SupplyLogic",
    "ConfiguratorLogic",
)


@dataclass(frozen=True, slots=True)
class Listing:
    """How an asset is listed; every number in bps, `rates` = optimal usage, base, slope 1, slope 2."""

    ltv: int
    threshold: int
    bonus: int
    factor: int
    rates: tuple[int, int, int, int]
    borrowable: bool = True


LISTINGS = {
    "WETH": Listing(8050, 8300, 10500, 1500, (8000, 0, 380, 8000)),
    "wstETH": Listing(7850, 8100, 10600, 1500, (4500, 25, 450, 8000)),
    "USDC": Listing(7700, 8000, 10450, 1000, (9000, 0, 550, 6000)),
    "DAI": Listing(7500, 7800, 10500, 1000, (9000, 0, 550, 7500)),
    "WBTC": Listing(7300, 7800, 10600, 2000, (4500, 0, 400, 30000)),
    "sDAI": Listing(7500, 7800, 10500, 1000, (9000, 0, 500, 7500), borrowable=False),
    "mvUSDC": Listing(7400, 7700, 10500, 1000, (9000, 0, 500, 7500), borrowable=False),
    "LINK": Listing(6800, 7300, 10700, 2000, (4500, 0, 700, 30000)),
}
# Listed in the middle of a run, so that followers have something to discover.
LATE = ("LINK",)
# The account that may cover deficits in 3.6, by its place in the list of accounts.
COVERER = 8
# id -> ltv, threshold, bonus, label, members (3.0.2: category of the asset; 3.6: collateral and borrowable)
EMODES = {
    1: (9300, 9500, 10100, "ETH correlated", ("WETH", "wstETH")),
    2: (9000, 9300, 10200, "Stablecoins", ("USDC", "DAI", "sDAI")),
}


def _opening(chain: LocalChain) -> list[str]:
    """What this chain lists from the start: the Morpho vault share only where Morpho is."""
    return [symbol for symbol in LISTINGS if symbol in chain.contracts and symbol not in LATE]


def deploy_aave(chain: LocalChain) -> None:
    """Provider, roles, oracle, pool, configurator, reserves and e-mode categories, then the loop helper."""
    old = chain.aave_version == "3.0.2"
    made = artifacts(f"aave-{chain.aave_version}")
    admin, names = chain.admin, chain.contracts
    for library in LIBRARIES_302 if old else LIBRARIES_36:
        chain.deploy(library, made[library])
    provider = chain.deploy(
        "PoolAddressesProvider", made["PoolAddressesProvider"], ("string", "address"), "Local Aave", admin
    )
    chain.do(admin, "PoolAddressesProvider", "setACLAdmin", admin)
    chain.mine()
    chain.deploy("ACLManager", made["ACLManager"], ("address",), provider)
    chain.do(admin, "PoolAddressesProvider", "setACLManager", names["ACLManager"])
    for role in ("addPoolAdmin", "addRiskAdmin", "addEmergencyAdmin", "addAssetListingAdmin"):
        chain.do(admin, "ACLManager", role, admin)
    chain.deploy("AavePriceOracle", made["PriceOracle"])
    chain.do(admin, "PoolAddressesProvider", "setPriceOracle", names["AavePriceOracle"])
    chain.mine()
    _pool_302(chain) if old else _pool_36(chain)
    list_reserves(chain, _opening(chain))
    _general(chain, old)
    looper = artifacts("helpers")["AaveLooper"]
    chain.deploy("AaveLooper", looper, ("address", "address"), names["Pool"], names["Dex"])
    chain.mine()


def _proxies(chain: LocalChain, pool: str, configurator: str) -> None:
    """Sets the implementations; the provider answers with the proxies it made."""
    made, provider = artifacts(f"aave-{chain.aave_version}"), "PoolAddressesProvider"
    chain.do(chain.admin, provider, "setPoolImpl", chain.contracts["PoolImplementation"])
    implementation = chain.contracts["PoolConfiguratorImplementation"]
    chain.do(chain.admin, provider, "setPoolConfiguratorImpl", implementation)
    chain.mine()
    chain.register("Pool", chain.view(provider, "getPool"), made[pool])
    chain.register("PoolConfigurator", chain.view(provider, "getPoolConfigurator"), made[configurator])


def _token_names(symbol: str) -> tuple[str, str, str, str]:
    return (f"Local Aave {symbol}", f"a{symbol}", f"Local Aave variable debt {symbol}", f"variableDebt{symbol}")


def _pool_302(chain: LocalChain) -> None:
    made, names = artifacts("aave-3.0.2"), chain.contracts
    provider = names["PoolAddressesProvider"]
    chain.deploy("PoolImplementation", made["Pool"], ("address",), provider)
    chain.deploy("PoolConfiguratorImplementation", made["PoolConfigurator"])
    _proxies(chain, "Pool", "PoolConfigurator")
    pool = names["Pool"]
    for kind in ("AToken", "StableDebtToken", "VariableDebtToken"):
        chain.deploy(f"{kind}Implementation", made[kind], ("address",), pool)
    chain.mine()


def deploy_curve(chain: LocalChain, rates: tuple[int, int, int, int]) -> str:
    """A 3.0.2 rate strategy (variable rates only), in bps."""
    strategy = artifacts("aave-3.0.2")["DefaultReserveInterestRateStrategy"]
    name = f"RateStrategy{sum(one.startswith('RateStrategy') for one in chain.contracts)}"
    provider = chain.contracts["PoolAddressesProvider"]
    four = [rate * RAY_BPS for rate in rates]
    return chain.deploy(name, strategy, ("address", *["uint256"] * 9), provider, *four, 0, 0, 0, 0, 0)


def _input_302(chain: LocalChain, symbol: str) -> tuple[Any, ...]:
    names = chain.contracts
    return (
        names["ATokenImplementation"],
        names["StableDebtTokenImplementation"],
        names["VariableDebtTokenImplementation"],
        chain.tokens[names[symbol]]["decimals"],
        deploy_curve(chain, LISTINGS[symbol].rates),
        names[symbol],
        chain.treasury,
        ZERO,
        *_token_names(symbol),
        f"Local Aave stable debt {symbol}",
        f"stableDebt{symbol}",
        b"",
    )


def _pool_36(chain: LocalChain) -> None:
    made, names = artifacts("aave-3.6"), chain.contracts
    provider = names["PoolAddressesProvider"]
    chain.deploy("RateStrategy", made["DefaultReserveInterestRateStrategyV2"], ("address",), provider)
    two = ("address", "address")
    chain.deploy("PoolImplementation", made["PoolInstance"], two, provider, names["RateStrategy"])
    chain.deploy("PoolConfiguratorImplementation", made["PoolConfiguratorInstance"])
    _proxies(chain, "PoolInstance", "PoolConfiguratorInstance")
    pool = names["Pool"]
    three = (*two, "address")
    chain.deploy("ATokenImplementation", made["ATokenInstance"], three, pool, ZERO, chain.treasury)
    chain.deploy("VariableDebtTokenImplementation", made["VariableDebtTokenInstance"], two, pool, ZERO)
    chain.mine()


def _input_36(chain: LocalChain, symbol: str) -> tuple[Any, ...]:
    names = chain.contracts
    return (
        names["ATokenImplementation"],
        names["VariableDebtTokenImplementation"],
        names[symbol],
        *_token_names(symbol),
        b"",
        encode(["uint16", "uint32", "uint32", "uint32"], LISTINGS[symbol].rates),
    )


def list_reserves(chain: LocalChain, symbols: list[str]) -> None:
    """Lists assets and configures them; two blocks."""
    make = _input_302 if chain.aave_version == "3.0.2" else _input_36
    for symbol in symbols:
        chain.do(chain.admin, "PoolConfigurator", "initReserves", [make(chain, symbol)])
    chain.mine()
    _book_reserves(chain, symbols)
    for symbol in symbols:
        _configure(chain, symbol)
    chain.mine()


def _book_reserves(chain: LocalChain, symbols: list[str]) -> None:
    """Reads the tokens that the listing created."""
    made = artifacts(f"aave-{chain.aave_version}")
    old = chain.aave_version == "3.0.2"
    a_token, debt_token = ("AToken", "VariableDebtToken") if old else ("ATokenInstance", "VariableDebtTokenInstance")
    at = 8
    for symbol in symbols:
        asset = chain.contracts[symbol]
        data = chain.view("Pool", "getReserveData", asset)
        receipt = chain.register(f"aToken_{symbol}", data[at], made[a_token])
        debt = chain.register(f"variableDebtToken_{symbol}", data[at + 2], made[debt_token])
        decimals = chain.tokens[asset]["decimals"]
        chain.tokens[receipt] = {"symbol": f"a{symbol}", "decimals": decimals, "kind": "aToken", "underlying": asset}
        chain.tokens[debt] = {
            "symbol": f"variableDebt{symbol}",
            "decimals": decimals,
            "kind": "variableDebtToken",
            "underlying": asset,
        }
        chain.reserves[symbol] = Reserve(symbol, asset, receipt, debt, LISTINGS[symbol].borrowable, chain.clock.head)


def _configure(chain: LocalChain, symbol: str) -> None:
    """Borrowing, collateral, reserve factor, liquidation fee and flash loans of one reserve."""
    admin, configurator = chain.admin, "PoolConfigurator"
    asset, listing = chain.contracts[symbol], LISTINGS[symbol]
    chain.do(admin, configurator, "setReserveBorrowing", asset, listing.borrowable)
    collateral = (listing.ltv, listing.threshold, listing.bonus)
    chain.do(admin, configurator, "configureReserveAsCollateral", asset, *collateral)
    chain.do(admin, configurator, "setReserveFactor", asset, listing.factor)
    chain.do(admin, configurator, "setLiquidationProtocolFee", asset, 1000)
    chain.do(admin, configurator, "setReserveFlashLoaning", asset, True)


def _general(chain: LocalChain, old: bool) -> None:
    """Flash loan premium and e-mode categories."""
    admin, configurator = chain.admin, "PoolConfigurator"
    premium = "updateFlashloanPremiumTotal" if old else "updateFlashloanPremium"
    chain.do(admin, configurator, premium, 5)
    if old:
        chain.do(admin, configurator, "updateFlashloanPremiumToProtocol", 4000)
    else:
        umbrella = b"UMBRELLA".ljust(32, b"\0")
        chain.do(admin, "PoolAddressesProvider", "setAddress", umbrella, chain.accounts[COVERER])
    for number, (ltv, threshold, bonus, label, members) in EMODES.items():
        oracle = (ZERO,) if old else ()
        chain.do(admin, configurator, "setEModeCategory", number, ltv, threshold, bonus, *oracle, label)
        for symbol in members:
            asset = chain.contracts[symbol]
            if old:
                chain.do(admin, configurator, "setAssetEModeCategory", asset, number)
                continue
            chain.do(admin, configurator, "setAssetCollateralInEMode", asset, number, True)
            if LISTINGS[symbol].borrowable:
                chain.do(admin, configurator, "setAssetBorrowableInEMode", asset, number, True)
    chain.mine()
