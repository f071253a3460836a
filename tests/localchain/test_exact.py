"""The acceptance of exactness: the real contracts live on anvil, indexed over RPC, every answer equal to the last digit.

Each seed is another story: loops, liquidations, bad debt, parameter changes, time jumps. The contracts' own views at the
checkpoints are the oracle; SQL has to say the same. One seed for each version of Aave, the others are slow tests
(`-m slow`); LEVERAGE_SEEDS=20 makes more of those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any

import psycopg
import pytest

from indexer.config import ChainSettings, DeploymentSettings
from indexer.run import follow_chain
from indexer.verify import verify
from tests.localchain.build import BuildUnavailable
from tests.localchain.chain import LocalChain
from tests.localchain.scenario import Scenario
from tests.localchain.views import collect_views
from tests.replay import aave_v2, perp_v2
from tests.replay.answers import compare
from tests.replay.test_recordings import LISTED

SEEDS = int(os.environ.get("LEVERAGE_SEEDS", "4"))
STEPS = 160
CHECKPOINTS = 42


def settings(chain: LocalChain, protocols: Collection[str] = tuple(LISTED)) -> ChainSettings:
    return ChainSettings(
        name="local",
        chain_id=31337,
        rpc=(chain.rpc_url,),
        price_interval_blocks=1,
        deployment=tuple(
            DeploymentSettings(
                protocol=slug, name="local", start_block=0, contracts={name: chain.contracts[name] for name in names}
            )
            for slug, names in LISTED.items()
            if slug in protocols and set(names) <= chain.contracts.keys()
        ),
    )


def spread(checkpoints: list[tuple[int, str]], head: int, count: int) -> list[int]:
    """Return `count` blocks: checkpoints evenly over the run, filled up with blocks in the middle of things."""
    named = sorted({block for block, _ in checkpoints})
    chosen = set(named[:: max(1, len(named) // count)])
    others = [block for block in range(named[0], head + 1) if block not in chosen]
    lacking = max(0, count - len(chosen))
    chosen.update(others[:: max(1, len(others) // max(1, lacking))][:lacking])
    return sorted(chosen)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, SEEDS + 1))])
def test_every_answer_of_a_live_chain(seed: int, migrated_database: Callable[[], str]) -> None:
    version = ("3.0.2", "3.6")[seed % 2]
    try:
        chain = LocalChain(aave=version, morpho=True, seed=seed, aave_v2=True, perp=True)
    except BuildUnavailable as error:
        pytest.skip(str(error))
    with chain:
        scenario = Scenario(chain, seed=seed)
        scenario.setup()
        scenario.steps(STEPS)
        blocks = spread(scenario.checkpoints, max(block for block, _ in scenario.checkpoints), CHECKPOINTS)
        answers = collect_views(chain, blocks, scenario.accounts, wallets=False, newcomers=scenario.newcomers)
        url = migrated_database()
        follow_chain(settings(chain), url, to="latest")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
            found = compare(connection, 31337, meta(chain), iter(answers))
            old = aave_v2.compare(connection, meta(chain), asked_of("aave_v2", answers))
            perps = perp_v2.compare(connection, meta(chain), asked_of("perp_v2", answers))
        assert (found.mismatches, old.mismatches, perps.mismatches) == ([], [], [])
        assert len(blocks) >= 40
        assert found.compared.total() > 20_000
        assert old.compared.total() > 10_000
        assert perps.compared.total() > 1_500
        report = verify(settings(chain), url, sample=10, seed=seed)
        assert report.differences == []
        assert report.total > 200


def asked_of(protocol: str, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for answer in answers if answer["label"].get("protocol") == protocol]


def meta(chain: LocalChain) -> dict[str, Any]:
    return {"chain_id": 31337, "tokens": chain.tokens, "contracts": chain.contracts}
