"""Morpho Blue 1.0.0 from its published source, the curve rate model, markets, and the lending vault."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from .build import artifacts
from .chain import ZERO, LocalChain, Market
from .tokens import token_kind

BPS = 10**14
PARAMS = "(address,address,address,address,uint256)"
# name -> lltv in bps; the rate model is the adaptive curve unless the market is in NO_RATE
MARKETS = {
    "wstETH/WETH": 9450,
    "wstETH/USDC": 8600,
    "sDAI/DAI": 9450,
    "sDAI/USDC": 9150,
    "WETH/USDC": 8600,
    "WBTC/USDC": 8600,
}
RECEIPT_MARKETS = {"waWETH/USDC": 8600, "aWETH/USDC": 7700}
NO_RATE = {"WBTC/USDC"}
FIRST_LLTVS = (7700, 8600, 9150, 9450)


def deploy_morpho(chain: LocalChain) -> None:
    """The singleton, the rate model, one oracle and market per pair, and mvUSDC on top of WETH/USDC."""
    made, helpers = artifacts("morpho"), artifacts("helpers")
    morpho = chain.deploy("Morpho", made["Morpho"], ("address",), chain.admin)
    irm = chain.deploy("AdaptiveCurveIrm", helpers["CurveIrm"], ("address",), morpho)
    for model in (irm, ZERO):
        chain.do(chain.admin, "Morpho", "enableIrm", model)
    for lltv in FIRST_LLTVS:
        chain.do(chain.admin, "Morpho", "enableLltv", lltv * BPS)
    for name, lltv in MARKETS.items():
        create_market(chain, name, lltv)
    market = chain.markets["WETH/USDC"]
    types = ("string", "string", "address", "address", PARAMS)
    usdc = chain.contracts["USDC"]
    chain.deploy("mvUSDC", helpers["LendingVault"], types, "Lent USDC", "mvUSDC", usdc, morpho, market.params)
    token_kind(chain, "mvUSDC", 6, "ERC-4626 over Morpho supply", asset=usdc, market="WETH/USDC")
    dex = chain.contracts["Dex"]
    chain.deploy("MorphoLooper", helpers["MorphoLooper"], ("address", "address"), morpho, dex)
    chain.mine()


def create_market(chain: LocalChain, name: str, lltv: int) -> None:
    """A market with an oracle of its own."""
    collateral, loan = name.split("/")
    oracle = chain.deploy(f"Oracle {name}", artifacts("helpers")["SettableOracle"])
    irm = ZERO if name in NO_RATE else chain.contracts["AdaptiveCurveIrm"]
    loan_token, collateral_token = chain.contracts[loan], token_address(chain, collateral)
    params = (loan_token, collateral_token, oracle, irm, lltv * BPS)
    identifier = "0x" + keccak(encode([PARAMS], [params])).hex()
    chain.do(chain.admin, "Morpho", "createMarket", params)
    chain.markets[name] = Market(name, identifier, params, loan, collateral, chain.clock.head + 1)


def token_address(chain: LocalChain, symbol: str) -> str:
    """A token by symbol, aTokens included (`aWETH`)."""
    if symbol in chain.contracts:
        return chain.contracts[symbol]
    return next(address for address, token in chain.tokens.items() if token["symbol"] == symbol)


def create_receipt_markets(chain: LocalChain) -> None:
    """Markets whose collateral is a claim on Aave."""
    for name, lltv in RECEIPT_MARKETS.items():
        create_market(chain, name, lltv)
