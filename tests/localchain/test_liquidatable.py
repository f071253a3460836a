"""Who is flagged liquidatable at a block can be liquidated on the real contracts at that block, and nobody else can.

The liquidator has money and approvals from before the story, so that `eth_call` at the block tells, for every borrower: Aave's
`liquidationCall` of the pair and size that the index proposes, Morpho's `liquidate` of one share, and of what it proposes, whose
answer says what is repaid and seized. At equality both are healthy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import psycopg
import pytest

from indexer.run import follow_chain
from tests.localchain.aave import deploy_curve
from tests.localchain.anvil import RpcError
from tests.localchain.build import BuildUnavailable
from tests.localchain.chain import LocalChain
from tests.localchain.scenario import Scenario
from tests.localchain.test_exact import settings
from tests.localchain.tokens import PLAIN
from tests.localchain.world import MAX, ORACLE_SCALE, WAD

ROWS = """
SELECT d.protocol, hex(r.account), r.market_id, r.is_liquidatable, r.health_factor_raw, r.best_debt_asset,
       r.best_collateral_asset, r.max_repay_raw, r.debt_assets[1], r.collateral_assets[1], r.seize_raw
FROM risk_head r JOIN deployment d USING (chain_id, deployment_key)
WHERE r.is_open AND (r.as_of_block = %(block)s OR NOT %(exact)s)
"""


def rich(scenario: Scenario) -> str:
    """Give one of the story's liquidators money and approvals for everything, before anything happens."""
    chain, who = scenario.chain, scenario.liquidators[0]
    for symbol in PLAIN:
        chain.do(who, symbol, "mint", who, 10**15 * 10 ** scenario.world.unit(symbol).bit_length())
    for symbol in (*PLAIN, "wstETH", "sDAI"):
        for spender in ("Pool", "Morpho"):
            chain.do(who, symbol, "approve", chain.contracts[spender], MAX)
    # what cannot be minted is bought
    for symbol in ("wstETH", "sDAI"):
        step = scenario.world.bring(who, symbol, 10**6 * scenario.world.unit(symbol))
        for name, function, arguments in step.calls:
            chain.do(who, name, function, *arguments)
    chain.mine()
    return who


def attempts(chain: LocalChain, who: str, rows: list[tuple[Any, ...]]) -> list[tuple[bool, str]]:
    """Return of every row whether the contract lets it be liquidated at the newest block, and what it said."""
    by_id = {market.id.lower(): name for name, market in chain.markets.items()}
    calls = []
    for protocol, account, market_id, _, _, debt, collateral, repay, any_debt, any_collateral, _ in rows:
        if protocol == "aave_v3":
            size = MAX if repay is None else int(repay)
            arguments = (collateral or any_collateral or any_debt, debt or any_debt, account, size, False)
            name, function = "Pool", "liquidationCall"
        else:
            market = chain.markets[by_id[market_id.rsplit(":", 1)[-1].lower()]]
            arguments, name, function = (market.params, account, 0, 1, b""), "Morpho", "liquidate"
        contract = chain.book[name]
        data = contract(function, *arguments)
        calls.append(("eth_call", [{"from": who, "to": contract.address, "data": data}, hex(chain.clock.head)]))
    answers = chain.rpc.batch(calls, strict=False)
    return [(not isinstance(answer, RpcError), str(answer)[-300:]) for answer in answers]


HEALTHY = ("HealthFactorNotBelowThreshold", "0x930bb771", "45", "position is healthy")


def fall_until(scenario: Scenario, share: float) -> None:
    """Let ether and bitcoin fall, step by step, until Aave itself says that this share of its borrowers is not healthy."""
    world = scenario.world
    for _ in range(60):
        for symbol in ("WETH", "WBTC"):
            world.price[symbol] = world.price[symbol] * 97 // 100
        scenario.block([world.publish()], 12)
        asked = [("Pool", "getUserAccountData", (account,)) for account in scenario.people]
        factors = [answer[5] for answer in scenario.chain.views(asked) if answer[1]]
        if sum(factor < WAD for factor in factors) >= share * len(factors):
            return
    raise AssertionError(f"no fall makes {share:.0%} of the borrowers liquidatable")


def stories(seed: int, shares: tuple[float, ...]) -> Iterator[tuple[Scenario, str]]:
    """A story without crashes, then for every share a block at which that much of Aave's borrowers can be liquidated."""
    try:
        chain = LocalChain(aave=("3.0.2", "3.6")[seed % 2], morpho=True, seed=seed)
    except BuildUnavailable as error:
        pytest.skip(str(error))
    with chain:
        scenario = Scenario(chain, seed=seed)
        scenario.setup()
        who = rich(scenario)
        scenario.steps(90, crashes=False)
        before = dict(scenario.world.price)
        for share, pause in zip(shares, cycle((12, 60, 600)), strict=False):
            scenario.world.price |= {symbol: before[symbol] * 11 // 10 for symbol in ("WETH", "WBTC")}
            fall_until(scenario, share)
            scenario.block([], pause)  # interest alone, since the oracle spoke
            yield scenario, who


Found = Counter[tuple[str, bool]]
"""How many rows of a protocol can be liquidated (True) and how many cannot."""


def try_everybody(seed: int, shares: tuple[float, ...], url: str) -> Found:
    """Hold every flag, and every size that is proposed for Morpho, against the contract."""
    found: Found = Counter()
    for scenario, who in stories(seed, shares):
        chain = scenario.chain
        follow_chain(settings(chain), url, to="latest")
        with psycopg.connect(url) as connection:
            rows = connection.execute(ROWS, {"block": chain.clock.head, "exact": True}).fetchall()
        for row, (done, said) in zip(rows, attempts(chain, who, rows), strict=True):
            assert done == row[3], f"{chain.clock.head} {row} {said}"
            if not done:
                assert any(word in said for word in HEALTHY), (row, said)
            found[row[0], done] += 1
        found["morpho_blue sizes", True] += check_morpho_sizes(chain, who, rows)
    return found


def check_morpho_sizes(chain: LocalChain, who: str, rows: list[tuple[Any, ...]]) -> int:
    """Liquidate what is proposed: of a whole debt all shares, else all collateral; what Morpho answers is the proposal."""
    by_id = {market.id.lower(): market for market in chain.markets.values()}
    contract, checked = chain.book["Morpho"], 0
    for protocol, account, market_id, flagged, _, _, _, repay, _, _, seize in rows:
        if protocol != "morpho_blue" or not flagged or repay is None:
            continue
        market = by_id[market_id.rsplit(":", 1)[-1].lower()]
        _, shares, collateral = chain.view("Morpho", "position", bytes.fromhex(market.id[2:]), account)
        sizes = (collateral, 0) if seize == collateral else (0, shares)
        data = contract("liquidate", market.params, account, *sizes, b"")
        answer = chain.rpc.call("eth_call", {"from": who, "to": contract.address, "data": data}, hex(chain.clock.head))
        seized, repaid = contract.functions["liquidate"].answer(answer)
        # the contract rounds after every step, the proposal once
        assert int(seize) == pytest.approx(seized, rel=1e-9, abs=5), (account, market.name)
        assert int(repay) == pytest.approx(repaid, rel=1e-9, abs=5), (account, market.name)
        checked += 1
    return checked


def test_flags_are_what_the_contracts_do(migrated_database: Callable[[], str]) -> None:
    found = try_everybody(2, (0.4,), migrated_database())
    assert all(found[protocol, done] >= 3 for protocol in ("aave_v3", "morpho_blue") for done in (True, False)), found
    assert found["morpho_blue sizes", True] >= 3


@pytest.mark.slow
def test_two_hundred_positions(migrated_database: Callable[[], str]) -> None:
    found: Found = Counter()
    for seed in (3, 4):  # Aave 3.6 and 3.0.2
        found += try_everybody(seed, (0.15, 0.3, 0.45, 0.2, 0.35, 0.4, 0.25, 0.45, 0.42, 0.38), migrated_database())
    print(dict(found))
    for protocol in ("aave_v3", "morpho_blue"):
        assert min(found[protocol, True], found[protocol, False]) >= 50, found
    assert sum(found[protocol, True] for protocol in ("aave_v3", "morpho_blue")) >= 200


def without_interest(chain: LocalChain, symbol: str) -> None:
    """A reserve whose index stays at one ray."""
    asset, none = chain.contracts[symbol], (8000, 0, 0, 0)
    if chain.aave_version == "3.0.2":
        chain.do(
            chain.admin, "PoolConfigurator", "setReserveInterestRateStrategyAddress", asset, deploy_curve(chain, none)
        )
    else:
        curve = b"".join(part.to_bytes(32, "big") for part in none)
        chain.do(chain.admin, "PoolConfigurator", "setReserveInterestRateData", asset, curve)


@pytest.mark.parametrize("version", ["3.0.2", pytest.param("3.6", marks=pytest.mark.slow)])
def test_aave_is_healthy_at_equality(version: Any, migrated_database: Callable[[], str]) -> None:
    """Ten ether at 83 % back as many dollars as are owed, to the last digit: not liquidatable, and a hair below it is."""
    url = migrated_database()
    try:
        chain = LocalChain(aave=version, morpho=False, seed=2)
    except BuildUnavailable as error:
        pytest.skip(str(error))
    with chain:
        lender, borrower, who = chain.accounts[2], chain.accounts[9], chain.accounts[3]
        weth, usdc = chain.contracts["WETH"], chain.contracts["USDC"]
        without_interest(chain, "USDC")
        for asset, price in ((weth, 3000 * 10**8), (usdc, 10**8)):
            chain.do(chain.admin, "AavePriceOracle", "setAssetPrice", asset, price)
        for account, symbol in ((lender, "USDC"), (borrower, "WETH"), (who, "USDC")):
            chain.do(account, symbol, "mint", account, 10**24)
            chain.do(account, symbol, "approve", chain.contracts["Pool"], MAX)
        chain.do(lender, "Pool", "supply", usdc, 10**14, lender, 0)
        chain.do(borrower, "Pool", "supply", weth, 10**19, borrower, 0)
        sent = chain.do(borrower, "Pool", "borrow", usdc, 16_600 * 10**6, 2, 0, borrower)
        chain.mine()
        assert chain.statuses([sent]) == [True]
        price = 2000 * 10**8  # 10 * 2000 * 0.83 == 16600
        for at, flagged in ((price, False), (price - 1, True)):
            chain.do(chain.admin, "AavePriceOracle", "setAssetPrice", weth, at)
            chain.mine(86_400)
            factor = chain.view("Pool", "getUserAccountData", borrower)[5]
            assert (factor == WAD, factor < WAD) == (not flagged, flagged)
            follow_chain(settings(chain), url, to="latest")
            with psycopg.connect(url) as connection:
                (row,) = connection.execute(ROWS, {"block": chain.clock.head, "exact": True}).fetchall()
            assert (row[3], row[4]) == (flagged, factor)
            ((done, said),) = attempts(chain, who, [row])
            assert done == flagged, said


def test_morpho_is_healthy_at_equality(migrated_database: Callable[[], str]) -> None:
    """In a market without interest a price can make maxBorrow exactly the debt: not liquidatable, and 1 below it is."""
    url, name = migrated_database(), "WBTC/USDC"
    try:
        chain = LocalChain(aave=None, morpho=True, seed=2)
    except BuildUnavailable as error:
        pytest.skip(str(error))
    with chain:
        lender, borrower, who = chain.accounts[2], chain.accounts[9], chain.accounts[3]
        market = chain.markets[name]
        for account, symbol in ((lender, "USDC"), (borrower, "WBTC"), (who, "USDC")):
            chain.do(account, symbol, "mint", account, 10**15)
            chain.do(account, symbol, "approve", chain.contracts["Morpho"], MAX)
        chain.do(chain.admin, f"Oracle {name}", "setPrice", 600 * ORACLE_SCALE)
        chain.do(lender, "Morpho", "supply", market.params, 10**14, 0, lender, b"")
        chain.do(borrower, "Morpho", "supplyCollateral", market.params, 123_456_789, borrower, b"")
        sent = chain.do(borrower, "Morpho", "borrow", market.params, 31_234_567_891, 0, borrower, borrower)
        chain.mine()
        assert chain.statuses([sent]) == [True]
        lltv, debt = market.params[4], 31_234_567_891
        worth = -(-debt * WAD // lltv)
        price = -(-worth * ORACLE_SCALE // 123_456_789)
        assert worth * lltv // WAD == debt and 123_456_789 * price // ORACLE_SCALE == worth  # maxBorrow == borrowed
        for at, flagged in ((price, False), (price - ORACLE_SCALE // 123_456_789 - 1, True)):
            chain.do(chain.admin, f"Oracle {name}", "setPrice", at)
            chain.mine()
            only_morpho = settings(chain, ("morpho_blue",))
            follow_chain(only_morpho, url, to="latest")
            with psycopg.connect(url) as connection:
                (row,) = connection.execute(ROWS, {"block": chain.clock.head, "exact": True}).fetchall()
            assert row[3] == flagged
            assert (row[4] == WAD) != flagged  # naive: a health factor of 1 can be liquidated
            ((done, said),) = attempts(chain, who, [row])
            assert done == flagged, said
