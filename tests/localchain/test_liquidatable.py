"""Who is flagged liquidatable at a block can be liquidated on the real contracts at that block, and nobody else can.

The liquidator has money and approvals from before the story, so that `eth_call` at the block tells, for every borrower: Aave's
`liquidationCall` of the pair and size that the index proposes, Morpho's `liquidate` of one share. At equality Morpho is healthy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from indexer.run import follow_chain
from tests.localchain.anvil import RpcError
from tests.localchain.build import BuildUnavailable
from tests.localchain.chain import LocalChain
from tests.localchain.scenario import Scenario
from tests.localchain.test_exact import settings
from tests.localchain.world import MAX, ORACLE_SCALE, WAD

ROWS = """
SELECT d.protocol, hex(r.account), r.market_id, r.is_liquidatable, r.health_factor_raw, r.best_debt_asset,
       r.best_collateral_asset, r.max_repay_raw, r.debt_assets[1], r.collateral_assets[1]
FROM risk_head r JOIN deployment d USING (chain_id, deployment_key)
WHERE r.is_open AND (r.as_of_block = %(block)s OR NOT %(exact)s)
"""


def rich(scenario: Scenario) -> str:
    """Give one of the story's liquidators money and approvals for everything, before anything happens."""
    chain, who = scenario.chain, scenario.liquidators[0]
    for symbol in ("WETH", "USDC", "DAI", "WBTC"):
        chain.do(who, symbol, "mint", who, 10**15 * 10 ** scenario.world.unit(symbol).bit_length())
    for symbol in ("WETH", "USDC", "DAI", "WBTC", "wstETH", "sDAI"):
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
    for protocol, account, market_id, _, _, debt, collateral, repay, any_debt, any_collateral in rows:
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


def stories(seed: int, rounds: int) -> Iterator[tuple[Scenario, str]]:
    """A story without its own liquidators, whose prices go up and down; every round a block to look at."""
    try:
        chain = LocalChain(aave=("3.0.2", "3.6")[seed % 2], morpho=True, seed=seed)
    except BuildUnavailable as error:
        pytest.skip(str(error))
    with chain:
        scenario = Scenario(chain, seed=seed)
        scenario.setup()
        who = rich(scenario)
        scenario.steps(70, crashes=False)
        draw = random.Random(seed)
        before = dict(scenario.world.price)
        for _ in range(rounds):
            for symbol in ("WETH", "WBTC"):
                scenario.world.price[symbol] = int(before[symbol] * draw.uniform(0.7, 0.95))
            scenario.block([scenario.world.publish()], draw.choice((12, 60, 600)))
            yield scenario, who


def try_everybody(seed: int, rounds: int, url: str) -> tuple[int, int]:
    """Return how many could be liquidated, and how many not, after holding every flag against the contract."""
    yes = no = 0
    for scenario, who in stories(seed, rounds):
        chain = scenario.chain
        follow_chain(settings(chain), url, to="latest")
        with psycopg.connect(url) as connection:
            rows = connection.execute(ROWS, {"block": chain.clock.head, "exact": True}).fetchall()
        for row, (done, said) in zip(rows, attempts(chain, who, rows), strict=True):
            assert done == row[3], (chain.clock.head, row, said)
            if not done:
                assert any(word in said for word in HEALTHY), (row, said)
            yes, no = yes + done, no + (not done)
    return yes, no


def test_flags_are_what_the_contracts_do(migrated_database: Callable[[], str]) -> None:
    yes, no = try_everybody(2, 1, migrated_database())
    assert yes >= 3
    assert no >= 3


@pytest.mark.slow
def test_two_hundred_positions(migrated_database: Callable[[], str]) -> None:
    found = [try_everybody(seed, 6, migrated_database()) for seed in (3, 4)]
    assert sum(yes for yes, _ in found) >= 100
    assert sum(no for _, no in found) >= 100


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
