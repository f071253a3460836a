"""Write `abis/<slug>/<Contract>.json` and `abis/SOURCES.toml` from the declarations below.

Usage   python tools/make_abis.py            rewrite the files
        python tools/make_abis.py --check    exit 1 and name every file that differs
Source  each `Contract.sources` entry: a published package with its version, or a public repository
Omits   functions that the indexer never reads; events that move neither a position, a parameter nor a price

Declarations keep parameter names and `indexed` exactly as the contract sources have them. An event that exists under one
signature in all versions is listed once; an event of older versions only stays listed, because history needs it.
Add a contract here, run the script, then add its topics to `tests/house/topics.json`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ABIS = ROOT / "abis"

AAVE_CORE = "@aave/core-v3 1.19.3"
AAVE_ORIGIN = "@aave-dao/aave-v3-origin 3.6.0"
AAVE_37 = "event sheet of aave-dao/aave-v3-origin 3.7 sources"
AAVE_V2 = "@aave/protocol-v2 1.0.1"
AAVE_V2_LATER = "aave/protocol-v2 (public repository, later than the package)"
MORPHO = "@morpho-org/morpho-blue 1.0.0"
MORPHO_VIEM = "@morpho-org/blue-sdk-viem 5.2.1"
CHAINLINK = "@chainlink/contracts 0.8.0"
OPENZEPPELIN = "@openzeppelin/contracts 5.4.0"

_MARKET_PARAMS = "(address loanToken, address collateralToken, address oracle, address irm, uint256 lltv)"
_MARKET = (
    "(uint128 totalSupplyAssets, uint128 totalSupplyShares, uint128 totalBorrowAssets, uint128 totalBorrowShares, "
    "uint128 lastUpdate, uint128 fee)"
)
_UPGRADED = "event Upgraded(address indexed implementation)"


@dataclass(frozen=True)
class Contract:
    """One ABI file: where its declarations come from, and the declarations, one a line."""

    path: str
    sources: tuple[str, ...]
    declarations: str
    note: str = ""


CONTRACTS = (
    Contract(
        "aave_v2/LendingPool",
        (AAVE_V2,),
        f"""
        event Deposit(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint16 indexed referral)
        event Withdraw(address indexed reserve, address indexed user, address indexed to, uint256 amount)
        event Borrow(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint256 borrowRateMode, uint256 borrowRate, uint16 indexed referral)
        event Repay(address indexed reserve, address indexed user, address indexed repayer, uint256 amount)
        event LiquidationCall(address indexed collateral, address indexed principal, address indexed user, uint256 debtToCover, uint256 liquidatedCollateralAmount, address liquidator, bool receiveAToken)
        event FlashLoan(address indexed target, address indexed initiator, address indexed asset, uint256 amount, uint256 premium, uint16 referralCode)
        event Swap(address indexed reserve, address indexed user, uint256 rateMode)
        event RebalanceStableBorrowRate(address indexed reserve, address indexed user)
        event ReserveDataUpdated(address indexed asset, uint256 liquidityRate, uint256 stableBorrowRate, uint256 variableBorrowRate, uint256 liquidityIndex, uint256 variableBorrowIndex)
        event ReserveUsedAsCollateralEnabled(address indexed reserve, address indexed user)
        event ReserveUsedAsCollateralDisabled(address indexed reserve, address indexed user)
        {_UPGRADED}
        function LENDINGPOOL_REVISION() view returns (uint256)
        function getUserAccountData(address user) view returns (uint256 totalCollateralETH, uint256 totalDebtETH, uint256 availableBorrowsETH, uint256 currentLiquidationThreshold, uint256 ltv, uint256 healthFactor)
        function getReserveNormalizedIncome(address asset) view returns (uint256)
        function getReserveNormalizedVariableDebt(address asset) view returns (uint256)
        """,
        "LiquidationCall is LendingPoolCollateralManager's, run by delegatecall; ReserveDataUpdated is ReserveLogic's.",
    ),
    Contract(
        "aave_v2/LendingPoolConfigurator",
        (AAVE_V2,),
        f"""
        event ReserveInitialized(address indexed asset, address indexed aToken, address stableDebtToken, address variableDebtToken, address interestRateStrategyAddress)
        event CollateralConfigurationChanged(address indexed asset, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus)
        event BorrowingEnabledOnReserve(address indexed asset, bool stableRateEnabled)
        event BorrowingDisabledOnReserve(address indexed asset)
        event StableRateEnabledOnReserve(address indexed asset)
        event StableRateDisabledOnReserve(address indexed asset)
        event ReserveActivated(address indexed asset)
        event ReserveDeactivated(address indexed asset)
        event ReserveFrozen(address indexed asset)
        event ReserveUnfrozen(address indexed asset)
        event ReserveFactorChanged(address indexed asset, uint256 factor)
        event ReserveInterestRateStrategyChanged(address indexed asset, address strategy)
        event ATokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        event StableDebtTokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        event VariableDebtTokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        {_UPGRADED}
        """,
    ),
    Contract(
        "aave_v2/AToken",
        (AAVE_V2, AAVE_V2_LATER),
        f"""
        event Mint(address indexed from, uint256 value, uint256 index)
        event Burn(address indexed from, address indexed target, uint256 value, uint256 index)
        event BalanceTransfer(address indexed from, address indexed to, uint256 value, uint256 index)
        event Initialized(address indexed underlyingAsset, address indexed pool, address treasury, address incentivesController, uint8 aTokenDecimals, string aTokenName, string aTokenSymbol, bytes params)
        {_UPGRADED}
        function ATOKEN_REVISION() view returns (uint256)
        function scaledBalanceOf(address user) view returns (uint256)
        function scaledTotalSupply() view returns (uint256)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
        "Initialized is newer than the package; it has the form of Aave v3's.",
    ),
    Contract(
        "aave_v2/VariableDebtToken",
        (AAVE_V2, AAVE_V2_LATER),
        f"""
        event Mint(address indexed from, address indexed onBehalfOf, uint256 value, uint256 index)
        event Burn(address indexed user, uint256 amount, uint256 index)
        event Initialized(address indexed underlyingAsset, address indexed pool, address incentivesController, uint8 debtTokenDecimals, string debtTokenName, string debtTokenSymbol, bytes params)
        {_UPGRADED}
        function DEBT_TOKEN_REVISION() view returns (uint256)
        function scaledBalanceOf(address user) view returns (uint256)
        function scaledTotalSupply() view returns (uint256)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
        "Initialized is newer than the package; it has the form of Aave v3's.",
    ),
    Contract(
        "aave_v2/StableDebtToken",
        (AAVE_V2, AAVE_V2_LATER),
        f"""
        event Mint(address indexed user, address indexed onBehalfOf, uint256 amount, uint256 currentBalance, uint256 balanceIncrease, uint256 newRate, uint256 avgStableRate, uint256 newTotalSupply)
        event Burn(address indexed user, uint256 amount, uint256 currentBalance, uint256 balanceIncrease, uint256 avgStableRate, uint256 newTotalSupply)
        event Initialized(address indexed underlyingAsset, address indexed pool, address incentivesController, uint8 debtTokenDecimals, string debtTokenName, string debtTokenSymbol, bytes params)
        {_UPGRADED}
        function DEBT_TOKEN_REVISION() view returns (uint256)
        function principalBalanceOf(address user) view returns (uint256)
        function getUserStableRate(address user) view returns (uint256)
        function getUserLastUpdated(address user) view returns (uint40)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
        "Initialized is newer than the package; it has the form of Aave v3's.",
    ),
    Contract(
        "aave_v2/AaveOracle",
        (AAVE_V2,),
        """
        event AssetSourceUpdated(address indexed asset, address indexed source)
        event FallbackOracleUpdated(address indexed fallbackOracle)
        event WethSet(address indexed weth)
        function getAssetPrice(address asset) view returns (uint256)
        """,
    ),
    Contract(
        "aave_v3/PoolAddressesProvider",
        (AAVE_CORE, AAVE_ORIGIN),
        """
        event PoolUpdated(address indexed oldAddress, address indexed newAddress)
        event PoolConfiguratorUpdated(address indexed oldAddress, address indexed newAddress)
        event PriceOracleUpdated(address indexed oldAddress, address indexed newAddress)
        event ProxyCreated(bytes32 indexed id, address indexed proxyAddress, address indexed implementationAddress)
        event AddressSet(bytes32 indexed id, address indexed oldAddress, address indexed newAddress)
        event AddressSetAsProxy(bytes32 indexed id, address indexed proxyAddress, address oldImplementationAddress, address indexed newImplementationAddress)
        function getMarketId() view returns (string)
        function getPool() view returns (address)
        function getPoolConfigurator() view returns (address)
        function getPriceOracle() view returns (address)
        """,
        "AddressSet and AddressSetAsProxy can replace the pool, configurator or oracle without their named events.",
    ),
    Contract(
        "aave_v3/PoolAddressesProviderRegistry",
        (AAVE_CORE, AAVE_ORIGIN),
        """
        event AddressesProviderRegistered(address indexed addressesProvider, uint256 indexed id)
        """,
    ),
    Contract(
        "aave_v3/Pool",
        (AAVE_CORE, AAVE_ORIGIN),
        f"""
        event Supply(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint16 indexed referralCode)
        event Withdraw(address indexed reserve, address indexed user, address indexed to, uint256 amount)
        event Borrow(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint8 interestRateMode, uint256 borrowRate, uint16 indexed referralCode)
        event Repay(address indexed reserve, address indexed user, address indexed repayer, uint256 amount, bool useATokens)
        event LiquidationCall(address indexed collateralAsset, address indexed debtAsset, address indexed user, uint256 debtToCover, uint256 liquidatedCollateralAmount, address liquidator, bool receiveAToken)
        event FlashLoan(address indexed target, address initiator, address indexed asset, uint256 amount, uint8 interestRateMode, uint256 premium, uint16 indexed referralCode)
        event ReserveDataUpdated(address indexed reserve, uint256 liquidityRate, uint256 stableBorrowRate, uint256 variableBorrowRate, uint256 liquidityIndex, uint256 variableBorrowIndex)
        event ReserveUsedAsCollateralEnabled(address indexed reserve, address indexed user)
        event ReserveUsedAsCollateralDisabled(address indexed reserve, address indexed user)
        event UserEModeSet(address indexed user, uint8 categoryId)
        event MintedToTreasury(address indexed reserve, uint256 amountMinted)
        event DeficitCreated(address indexed user, address indexed debtAsset, uint256 amountCreated)
        event DeficitCovered(address indexed reserve, address caller, uint256 amountCovered)
        event PositionManagerApproved(address indexed user, address indexed positionManager)
        event PositionManagerRevoked(address indexed user, address indexed positionManager)
        event MintUnbacked(address indexed reserve, address user, address indexed onBehalfOf, uint256 amount, uint16 indexed referralCode)
        event BackUnbacked(address indexed reserve, address indexed backer, uint256 amount, uint256 fee)
        event SwapBorrowRateMode(address indexed reserve, address indexed user, uint8 interestRateMode)
        event RebalanceStableBorrowRate(address indexed reserve, address indexed user)
        event IsolationModeTotalDebtUpdated(address indexed asset, uint256 totalDebt)
        {_UPGRADED}
        function POOL_REVISION() view returns (uint256)
        function getUserAccountData(address user) view returns (uint256 totalCollateralBase, uint256 totalDebtBase, uint256 availableBorrowsBase, uint256 currentLiquidationThreshold, uint256 ltv, uint256 healthFactor)
        function getUserEMode(address user) view returns (uint256)
        function getReserveNormalizedIncome(address asset) view returns (uint256)
        function getReserveNormalizedVariableDebt(address asset) view returns (uint256)
        """,
        "MintUnbacked and BackUnbacked up to 3.3, SwapBorrowRateMode and RebalanceStableBorrowRate up to 3.1, "
        "IsolationModeTotalDebtUpdated up to 3.6. Upgraded comes from the proxy.",
    ),
    Contract(
        "aave_v3/PoolConfigurator",
        (AAVE_CORE, AAVE_ORIGIN, AAVE_37),
        f"""
        event ReserveInitialized(address indexed asset, address indexed aToken, address stableDebtToken, address variableDebtToken, address interestRateStrategyAddress)
        event CollateralConfigurationChanged(address indexed asset, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus)
        event ReserveBorrowing(address indexed asset, bool enabled)
        event ReserveActive(address indexed asset, bool active)
        event ReserveFrozen(address indexed asset, bool frozen)
        event ReservePaused(address indexed asset, bool paused)
        event ReserveFactorChanged(address indexed asset, uint256 oldReserveFactor, uint256 newReserveFactor)
        event ReserveFlashLoaning(address indexed asset, bool enabled)
        event BorrowCapChanged(address indexed asset, uint256 oldBorrowCap, uint256 newBorrowCap)
        event SupplyCapChanged(address indexed asset, uint256 oldSupplyCap, uint256 newSupplyCap)
        event LiquidationProtocolFeeChanged(address indexed asset, uint256 oldFee, uint256 newFee)
        event EModeCategoryAdded(uint8 indexed categoryId, uint256 ltv, uint256 liquidationThreshold, uint256 liquidationBonus, address oracle, string label)
        event AssetCollateralInEModeChanged(address indexed asset, uint8 categoryId, bool collateral)
        event AssetBorrowableInEModeChanged(address indexed asset, uint8 categoryId, bool borrowable)
        event AssetLtvzeroInEModeChanged(address indexed asset, uint8 categoryId, bool ltvzero)
        event EModeCategoryIsolationChanged(uint8 indexed categoryId, bool isolated)
        event PendingLtvChanged(address indexed asset, uint256 ltv)
        event ReserveInterestRateStrategyChanged(address indexed asset, address oldStrategy, address newStrategy)
        event ReserveInterestRateDataChanged(address indexed asset, address indexed strategy, bytes data)
        event ATokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        event VariableDebtTokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        event LiquidationGracePeriodChanged(address indexed asset, uint40 gracePeriodUntil)
        event LiquidationGracePeriodDisabled(address indexed asset)
        event FlashloanPremiumTotalUpdated(uint128 oldFlashloanPremiumTotal, uint128 newFlashloanPremiumTotal)
        event EModeAssetCategoryChanged(address indexed asset, uint8 oldCategoryId, uint8 newCategoryId)
        event DebtCeilingChanged(address indexed asset, uint256 oldDebtCeiling, uint256 newDebtCeiling)
        event SiloedBorrowingChanged(address indexed asset, bool oldState, bool newState)
        event BorrowableInIsolationChanged(address asset, bool borrowable)
        event UnbackedMintCapChanged(address indexed asset, uint256 oldUnbackedMintCap, uint256 newUnbackedMintCap)
        event ReserveDropped(address indexed asset)
        event StableDebtTokenUpgraded(address indexed asset, address indexed proxy, address indexed implementation)
        event ReserveStableRateBorrowing(address indexed asset, bool enabled)
        {_UPGRADED}
        """,
        "EModeAssetCategoryChanged, StableDebtTokenUpgraded and ReserveStableRateBorrowing up to 3.1, "
        "UnbackedMintCapChanged up to 3.3, DebtCeilingChanged, SiloedBorrowingChanged, BorrowableInIsolationChanged and "
        "ReserveDropped up to 3.6. EModeCategoryIsolationChanged is 3.7, newer than the published package.",
    ),
    Contract(
        "aave_v3/AaveOracle",
        (AAVE_CORE, AAVE_ORIGIN),
        """
        event AssetSourceUpdated(address indexed asset, address indexed source)
        event BaseCurrencySet(address indexed baseCurrency, uint256 baseCurrencyUnit)
        event FallbackOracleUpdated(address indexed fallbackOracle)
        event AssetPriceUpdated(address asset, uint256 price, uint256 timestamp)
        function BASE_CURRENCY_UNIT() view returns (uint256)
        function getAssetPrice(address asset) view returns (uint256)
        """,
        "AssetPriceUpdated is emitted by the packages' mock PriceOracle only, which local chains use in place of feeds.",
    ),
    Contract(
        "aave_v3/AToken",
        (AAVE_CORE, AAVE_ORIGIN),
        f"""
        event Mint(address indexed caller, address indexed onBehalfOf, uint256 value, uint256 balanceIncrease, uint256 index)
        event Burn(address indexed from, address indexed target, uint256 value, uint256 balanceIncrease, uint256 index)
        event BalanceTransfer(address indexed from, address indexed to, uint256 value, uint256 index)
        event Initialized(address indexed underlyingAsset, address indexed pool, address treasury, address incentivesController, uint8 aTokenDecimals, string aTokenName, string aTokenSymbol, bytes params)
        {_UPGRADED}
        function ATOKEN_REVISION() view returns (uint256)
        function scaledBalanceOf(address user) view returns (uint256)
        function scaledTotalSupply() view returns (uint256)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
    ),
    Contract(
        "aave_v3/VariableDebtToken",
        (AAVE_CORE, AAVE_ORIGIN),
        f"""
        event Mint(address indexed caller, address indexed onBehalfOf, uint256 value, uint256 balanceIncrease, uint256 index)
        event Burn(address indexed from, address indexed target, uint256 value, uint256 balanceIncrease, uint256 index)
        event Initialized(address indexed underlyingAsset, address indexed pool, address incentivesController, uint8 debtTokenDecimals, string debtTokenName, string debtTokenSymbol, bytes params)
        {_UPGRADED}
        function DEBT_TOKEN_REVISION() view returns (uint256)
        function scaledBalanceOf(address user) view returns (uint256)
        function scaledTotalSupply() view returns (uint256)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
    ),
    Contract(
        "aave_v3/StableDebtToken",
        (AAVE_CORE,),
        f"""
        event Mint(address indexed user, address indexed onBehalfOf, uint256 amount, uint256 currentBalance, uint256 balanceIncrease, uint256 newRate, uint256 avgStableRate, uint256 newTotalSupply)
        event Burn(address indexed from, uint256 amount, uint256 currentBalance, uint256 balanceIncrease, uint256 avgStableRate, uint256 newTotalSupply)
        event Initialized(address indexed underlyingAsset, address indexed pool, address incentivesController, uint8 debtTokenDecimals, string debtTokenName, string debtTokenSymbol, bytes params)
        {_UPGRADED}
        function DEBT_TOKEN_REVISION() view returns (uint256)
        function principalBalanceOf(address user) view returns (uint256)
        function getUserStableRate(address user) view returns (uint256)
        function getUserLastUpdated(address user) view returns (uint40)
        function balanceOf(address user) view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
        "Stable-rate debt existed up to 3.1.",
    ),
    Contract(
        "aave_v3/RateStrategy",
        (AAVE_ORIGIN,),
        """
        event RateDataUpdate(address indexed reserve, uint256 optimalUsageRatio, uint256 baseVariableBorrowRate, uint256 variableRateSlope1, uint256 variableRateSlope2)
        """,
        "DefaultReserveInterestRateStrategyV2, from 3.1 on.",
    ),
    Contract(
        "morpho_blue/Morpho",
        (MORPHO, MORPHO_VIEM),
        f"""
        event CreateMarket(bytes32 indexed id, {_MARKET_PARAMS} marketParams)
        event Supply(bytes32 indexed id, address indexed caller, address indexed onBehalf, uint256 assets, uint256 shares)
        event Withdraw(bytes32 indexed id, address caller, address indexed onBehalf, address indexed receiver, uint256 assets, uint256 shares)
        event Borrow(bytes32 indexed id, address caller, address indexed onBehalf, address indexed receiver, uint256 assets, uint256 shares)
        event Repay(bytes32 indexed id, address indexed caller, address indexed onBehalf, uint256 assets, uint256 shares)
        event SupplyCollateral(bytes32 indexed id, address indexed caller, address indexed onBehalf, uint256 assets)
        event WithdrawCollateral(bytes32 indexed id, address caller, address indexed onBehalf, address indexed receiver, uint256 assets)
        event Liquidate(bytes32 indexed id, address indexed caller, address indexed borrower, uint256 repaidAssets, uint256 repaidShares, uint256 seizedAssets, uint256 badDebtAssets, uint256 badDebtShares)
        event AccrueInterest(bytes32 indexed id, uint256 prevBorrowRate, uint256 interest, uint256 feeShares)
        event SetFee(bytes32 indexed id, uint256 newFee)
        event SetFeeRecipient(address indexed newFeeRecipient)
        event EnableIrm(address indexed irm)
        event EnableLltv(uint256 lltv)
        event SetOwner(address indexed newOwner)
        event FlashLoan(address indexed caller, address indexed token, uint256 assets)
        event SetAuthorization(address indexed caller, address indexed authorizer, address indexed authorized, bool newIsAuthorized)
        function position(bytes32 id, address user) view returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral)
        function market(bytes32 id) view returns (uint128 totalSupplyAssets, uint128 totalSupplyShares, uint128 totalBorrowAssets, uint128 totalBorrowShares, uint128 lastUpdate, uint128 fee)
        function idToMarketParams(bytes32 id) view returns (address loanToken, address collateralToken, address oracle, address irm, uint256 lltv)
        function owner() view returns (address)
        function feeRecipient() view returns (address)
        """,
    ),
    Contract(
        "morpho_blue/AdaptiveCurveIrm",
        (MORPHO_VIEM,),
        f"""
        event BorrowRateUpdate(bytes32 indexed id, uint256 avgBorrowRate, uint256 rateAtTarget)
        function rateAtTarget(bytes32 id) view returns (int256)
        function borrowRateView({_MARKET_PARAMS} marketParams, {_MARKET} market) view returns (uint256)
        """,
    ),
    Contract(
        "morpho_blue/FixedRateIrm",
        ("morpho-org/morpho-blue-irm", MORPHO),
        f"""
        event SetBorrowRate(bytes32 indexed id, uint256 newBorrowRate)
        function borrowRateStored(bytes32 id) view returns (uint256)
        function borrowRateView({_MARKET_PARAMS} marketParams, {_MARKET} market) view returns (uint256)
        """,
        "borrowRateView is IIrm's.",
    ),
    Contract(
        "morpho_blue/Oracle",
        (MORPHO, MORPHO_VIEM),
        """
        function price() view returns (uint256)
        """,
        "IOracle: scaled by 1e(36 + loan decimals - collateral decimals); no event.",
    ),
    Contract(
        "chainlink/Aggregator",
        (CHAINLINK,),
        """
        event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt)
        """,
    ),
    Contract(
        "chainlink/AggregatorProxy",
        (CHAINLINK,),
        """
        event AggregatorConfirmed(address indexed previous, address indexed latest)
        function aggregator() view returns (address)
        function phaseId() view returns (uint16)
        function phaseAggregators(uint16 phaseId) view returns (address)
        function decimals() view returns (uint8)
        function description() view returns (string)
        function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
        """,
        "AggregatorConfirmed only from proxies of the 0.7 generation on; the older EACAggregatorProxy is silent.",
    ),
    Contract(
        "erc1967/Proxy",
        (OPENZEPPELIN,),
        f"""
        {_UPGRADED}
        """,
        "Any upgradeable contract emits it, so it tells nothing about the protocol of its emitter.",
    ),
    Contract(
        "erc20/ERC20",
        (OPENZEPPELIN,),
        """
        event Transfer(address indexed from, address indexed to, uint256 value)
        function name() view returns (string)
        function symbol() view returns (string)
        function decimals() view returns (uint8)
        function totalSupply() view returns (uint256)
        function balanceOf(address account) view returns (uint256)
        """,
    ),
    Contract(
        "erc20/ERC20Bytes32",
        ("dapphub/ds-token",),
        """
        function name() view returns (bytes32)
        function symbol() view returns (bytes32)
        """,
        "Older tokens such as MKR and SAI answer with 32 bytes, zero-padded on the right.",
    ),
    Contract(
        "erc4626/Vault",
        (OPENZEPPELIN,),
        """
        event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares)
        event Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares)
        function asset() view returns (address)
        function convertToAssets(uint256 shares) view returns (uint256)
        function totalAssets() view returns (uint256)
        function totalSupply() view returns (uint256)
        """,
    ),
)

_EVENT = re.compile(r"event (\w+)\((.*)\)$")
_FUNCTION = re.compile(r"function (\w+)\((.*)\) view returns \((.*)\)$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TYPE = re.compile(r"(address|bool|string|bytes\d*|u?int\d+)(\[\d*\])*")


def _split(params: str) -> list[str]:
    """Cut a parameter list at the commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(params):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(params[start:at])
            start = at + 1
    return [part.strip() for part in (*parts, params[start:]) if part.strip()]


def _parameter(text: str, *, event: bool) -> dict[str, Any]:
    """Turn `type [indexed] [name]` into an ABI parameter; a tuple is `(type name, ...) name`."""
    entry: dict[str, Any] = {"name": "", "type": ""}
    if text.startswith("("):
        inner, _, rest = text[1:].rpartition(")")
        entry["type"] = "tuple"
        entry["components"] = [_parameter(part, event=False) for part in _split(inner)]
        words = rest.split()
    else:
        head, *words = text.split()
        if not _TYPE.fullmatch(head):
            raise ValueError(f"unknown type {head!r} in {text!r}")
        entry["type"] = head
    indexed = words[:1] == ["indexed"]
    words = words[indexed:]
    if len(words) > 1 or not all(_NAME.fullmatch(word) for word in words) or (indexed and not event):
        raise ValueError(f"cannot read parameter {text!r}")
    entry["name"] = words[0] if words else ""
    if event:
        entry["indexed"] = indexed
    return entry


def parse(declaration: str) -> dict[str, Any]:
    """Turn one human-readable declaration into its JSON ABI entry.

    Raises  ValueError if the line is neither `event Name(...)` nor `function name(...) view returns (...)`
    """
    if found := _EVENT.fullmatch(declaration):
        inputs = [_parameter(part, event=True) for part in _split(found[2])]
        return {"type": "event", "name": found[1], "inputs": inputs, "anonymous": False}
    if found := _FUNCTION.fullmatch(declaration):
        return {
            "type": "function",
            "name": found[1],
            "inputs": [_parameter(part, event=False) for part in _split(found[2])],
            "outputs": [_parameter(part, event=False) for part in _split(found[3])],
            "stateMutability": "view",
        }
    raise ValueError(f"cannot read declaration {declaration!r}")


def abi_json(contract: Contract) -> str:
    """Render a contract's ABI, one entry a line so that a change is one line of a diff."""
    entries = [parse(line.strip()) for line in contract.declarations.strip().splitlines()]
    return "[\n" + ",\n".join("  " + json.dumps(entry) for entry in entries) + "\n]\n"


def sources_toml() -> str:
    """Render `SOURCES.toml`: one table a file, in the order of `CONTRACTS`."""
    lines = ["# Where each interface comes from. Written by tools/make_abis.py; change it there."]
    for contract in CONTRACTS:
        lines += ["", "[[file]]", f'path = "{contract.path}.json"', f"sources = {json.dumps(list(contract.sources))}"]
        if contract.note:
            lines.append(f"note = {json.dumps(contract.note)}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check every file; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the ABI files from their declarations.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check: bool = parser.parse_args().check
    files = {ABIS / f"{contract.path}.json": abi_json(contract) for contract in CONTRACTS}
    files[ABIS / "SOURCES.toml"] = sources_toml()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'differs' if check else 'wrote'} {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
