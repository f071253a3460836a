"""Test money: plain tokens, a rate wrapper, ERC-4626 shares, and the exchange that trades them."""

from __future__ import annotations

from .build import artifacts
from .chain import LocalChain

WAD = 10**18
# symbol -> decimals, opening price in USD with 8 decimals
PLAIN = {
    "WETH": (18, 2_000 * 10**8),
    "USDC": (6, 10**8),
    "DAI": (18, 10**8),
    "WBTC": (8, 40_000 * 10**8),
    "LINK": (18, 15 * 10**8),
}
OPENING_RATE = 1_150_000_000_000_000_000


def token_kind(chain: LocalChain, symbol: str, decimals: int, kind: str, **more: str) -> None:
    """Lists a token for the recording's meta."""
    chain.tokens[chain.contracts[symbol]] = {"symbol": symbol, "decimals": decimals, "kind": kind, **more}


def deploy_tokens(chain: LocalChain) -> None:
    """Plain tokens, wstETH, sDAI, and the exchange and batch helpers."""
    made = artifacts("helpers")
    for symbol, (decimals, _) in PLAIN.items():
        chain.deploy(symbol, made["TestToken"], ("string", "string", "uint8"), f"Test {symbol}", symbol, decimals)
        token_kind(chain, symbol, decimals, "plain")
    weth, dai = chain.contracts["WETH"], chain.contracts["DAI"]
    rate_types = ("string", "string", "address", "uint256")
    chain.deploy("wstETH", made["RateToken"], rate_types, "Test wstETH", "wstETH", weth, OPENING_RATE)
    rate_function = "rate() / stEthPerToken(), RateUpdated(uint256)"
    token_kind(chain, "wstETH", 18, "rate wrapper", asset=weth, rate_function=rate_function)
    chain.deploy("sDAI", made["Vault"], ("string", "string", "address"), "Test sDAI", "sDAI", dai)
    token_kind(chain, "sDAI", 18, "ERC-4626", asset=dai)
    chain.deploy("Dex", made["Dex"])
    chain.deploy("Batch", made["Batch"])
    chain.mine()


def deploy_receipt_vault(chain: LocalChain) -> None:
    """waWETH: an ERC-4626 share over Aave's aToken of WETH."""
    asset = chain.reserves["WETH"].a_token
    vault = artifacts("helpers")["Vault"]
    chain.deploy("waWETH", vault, ("string", "string", "address"), "Wrapped aWETH", "waWETH", asset)
    token_kind(chain, "waWETH", 18, "ERC-4626 over aToken", asset=asset)
