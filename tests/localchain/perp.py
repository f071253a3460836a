"""Perpetual Protocol v2 (Curie 2.8.4) and Uniswap v3 core from shipped artifacts: two markets against vUSD, margin in USDC.

The contracts run without proxies: each is initialised where it stands. Index prices come from feeds that the scenario
sets; the mark price is what traders make of the pool.
"""

from __future__ import annotations

from math import isqrt

from .aave_v2 import owner
from .build import artifacts
from .chain import LocalChain, PerpMarket
from .tokens import PLAIN

FOLLOWS = {"vETH": "WETH", "vBTC": "WBTC"}
POOL_FEE = 10_000  # the pool's own, in millionths; what traders pay is EXCHANGE_FEE
EXCHANGE_FEE = 1_000
INSURANCE_SHARE = 100_000
TICK_SPACING = 200
MOST_TICKS = 1_000  # a block may move the price by a tenth
OBSERVATIONS = 300
UNLIMITED = 2**128
SETTLE_IN = 2_400  # averages over half an hour are asked for: nothing may happen before
SYSTEM = (
    "ClearingHouseConfig",
    "MarketRegistry",
    "OrderBook",
    "AccountBalance",
    "Exchange",
    "InsuranceFund",
    "Vault",
    "CollateralManager",
    "ClearingHouse",
)


def sqrt_price(price: int) -> int:
    """The square root of a price of 8 decimals, as Uniswap writes it (96 fractional bits)."""
    return isqrt(price * 2**192 // 10**8)


def deploy_perp(chain: LocalChain) -> None:
    """Tokens, feeds, pools, the nine contracts and their wiring; four blocks, the last after more than half an hour."""
    with chain.deployed_by(owner(chain)):
        _tokens(chain)
        _pools(chain)
        _system(chain)
        _markets(chain)


def _tokens(chain: LocalChain) -> None:
    made, helpers, me = artifacts("perp-2"), artifacts("helpers"), owner(chain)
    bases = []
    for name, follows in FOLLOWS.items():
        feed = chain.deploy(f"Feed {name}", helpers["IndexFeed"], ("uint256",), PLAIN[follows][1] * 10**10)
        bases.append(chain.deploy(name, made["BaseToken"]))
        chain.do(me, name, "initialize", f"Virtual {follows}", name, feed)
        chain.tokens[bases[-1]] = {
            "symbol": name,
            "decimals": 18,
            "kind": "base",
            "price_feed": feed,
            "protocol": "perp_v2",
        }
    while chain.next_address(me) < max(bases):  # the quote token has to be a pool's second
        chain.send(me, me, "0x")
    quote = chain.deploy("vUSD", made["QuoteToken"])
    chain.do(me, "vUSD", "initialize", "Virtual USD", "vUSD")
    chain.tokens[quote] = {"symbol": "vUSD", "decimals": 18, "kind": "quote", "protocol": "perp_v2"}
    chain.deploy("UniswapV3Factory", artifacts("uniswap-3")["UniswapV3Factory"])
    for base in bases:
        chain.do(me, "UniswapV3Factory", "createPool", base, quote, POOL_FEE)
    chain.mine()


def _pools(chain: LocalChain) -> None:
    me, names = owner(chain), chain.contracts
    for name, follows in FOLLOWS.items():
        pool = chain.view("UniswapV3Factory", "getPool", names[name], names["vUSD"], POOL_FEE)
        pool = chain.register(f"UniswapV3Pool {name}", pool, artifacts("uniswap-3")["UniswapV3Pool"])
        chain.do(me, f"UniswapV3Pool {name}", "initialize", sqrt_price(PLAIN[follows][1]))
        chain.do(me, f"UniswapV3Pool {name}", "increaseObservationCardinalityNext", OBSERVATIONS)


def _system(chain: LocalChain) -> None:
    made, me, at = artifacts("perp-2"), owner(chain), chain.contracts
    for name in SYSTEM:
        chain.deploy(name, made[name])
    settings, registry, book, balance = (at[name] for name in SYSTEM[:4])
    exchange, fund, vault, manager, house = (at[name] for name in SYSTEM[4:])
    ratios = (5, 500_000, 500_000, 2_000, 30_000, 10**10, 5 * 10**8)
    for name, function, *arguments in (
        ("ClearingHouseConfig", "initialize"),
        ("MarketRegistry", "initialize", at["UniswapV3Factory"], at["vUSD"]),
        ("OrderBook", "initialize", registry),
        ("AccountBalance", "initialize", settings, book),
        ("Exchange", "initialize", registry, book, settings),
        ("Exchange", "setAccountBalance", balance),
        ("OrderBook", "setExchange", exchange),
        ("InsuranceFund", "initialize", at["USDC"]),
        ("Vault", "initialize", fund, settings, balance, exchange),
        ("InsuranceFund", "setVault", vault),
        ("AccountBalance", "setVault", vault),
        ("CollateralManager", "initialize", settings, vault, *ratios),
        ("Vault", "setCollateralManager", manager),
        ("ClearingHouse", "initialize", settings, vault, at["vUSD"], at["UniswapV3Factory"], exchange, balance, fund),
        ("ClearingHouseConfig", "setSettlementTokenBalanceCap", UNLIMITED),
    ):
        chain.do(me, name, function, *arguments)
    for name in ("MarketRegistry", "OrderBook", "Exchange", "AccountBalance", "Vault"):
        chain.do(me, name, "setClearingHouse", house)
    chain.do(me, "USDC", "mint", fund, 2_000_000 * 10**6)
    chain.mine()


def _markets(chain: LocalChain) -> None:
    me, names = owner(chain), chain.contracts
    house = names["ClearingHouse"]
    for token in ("vUSD", *FOLLOWS):
        chain.do(me, token, "mintMaximumTo", house)
        chain.do(me, token, "addWhitelist", house)
    for name, follows in FOLLOWS.items():
        pool, base = names[f"UniswapV3Pool {name}"], names[name]
        for token in ("vUSD", name):
            chain.do(me, token, "addWhitelist", pool)
        chain.do(me, "MarketRegistry", "addPool", base, POOL_FEE)
        chain.do(me, "MarketRegistry", "setFeeRatio", base, EXCHANGE_FEE)
        chain.do(me, "MarketRegistry", "setInsuranceFundFeeRatio", base, INSURANCE_SHARE)
        chain.do(me, "Exchange", "setMaxTickCrossedWithinBlock", base, MOST_TICKS)
        feed = names[f"Feed {name}"]
        chain.perp_markets[name] = PerpMarket(name, base, pool, feed, follows, chain.clock.head + 1)
    chain.mine()
    chain.mine(SETTLE_IN)
