"""Legs of borrowers add up to the health factor, collateral and debt that `account_health` gives, on recorded chains.

`account_health` itself is held against the contracts' own answers by the tests of the protocols and tests/replay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.aggregation.cascade import start_prices
from indexer.aggregation.liquidation_rules import AAVE_V3_3, MORPHO
from indexer.aggregation.propagation import collateral_shares, overlap_matrix, shared_owner_debt
from indexer.config import ChainSettings, DeploymentSettings
from indexer.errors import BadRequest
from indexer.run import follow_chain
from indexer.simulate import answer, question_of
from indexer.store.queries.legs import load_legs
from indexer.store.queries.shocks import rules_at
from tests.protocols.compound_v3.test_compound_v3 import with_immutables
from tests.replay.answers import meta_of

LISTED = {
    "aave_v2": ("LendingPoolAddressesProvider",), "compound_v2": ("Unitroller",), "compound_v3": ("Comet",),
    "liquity_v1": ("TroveManager",), "maker": ("Vat", "Dai", "Jug", "Spotter", "Cat"),
}  # fmt: skip
RECORDED = ("aave_v3", "morpho_blue", "aave_v36", "multi", "multi_v36")
"""Recordings that tests/replay indexes as they are needed here."""
USD = {
    "aave_v3": 1700, "aave_v36": 1600, "compound_v2": 1500, "liquity_v1": 2200, "multi": 1700, "multi_v36": 1400,
}  # fmt: skip
"""Recordings in which borrowers have USD values, and how many there are at least over all checkpoints."""


def index(folder: Path, slug: str, url: str) -> None:
    meta = meta_of(folder)
    contracts = {part: meta["contracts"][part] for part in LISTED[slug]}
    deployment = DeploymentSettings(protocol=slug, name="recorded", start_block=0, contracts=contracts)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=(slug,), deployment=(deployment,))
    follow_chain(chain, url, to="latest", replay=folder)


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*LISTED, *RECORDED])
def test_the_legs_of_every_borrower_add_up(
    name: str, every: int, recordings: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if every > 1 and name in ("aave_v3", "morpho_blue", "multi_v36"):
        pytest.skip("its contracts are in another recording; the slow run takes all")
    folder = recordings / name
    meta = meta_of(folder)
    if name in RECORDED:
        url = request.getfixturevalue("indexed_database")(folder)
    else:
        url = request.getfixturevalue("migrated_database")()
        index(with_immutables(folder, tmp_path / name) if name == "compound_v3" else folder, name, url)
    checked = in_usd = 0
    with psycopg.connect(url, row_factory=dict_row) as connection, localcontext() as context:
        context.prec = 200
        assert connection.execute("SELECT error FROM cursor WHERE status = 'stopped'").fetchall() == []
        covered = connection.execute("SELECT max(start_block) AS first FROM cursor").fetchone()
        assert covered is not None
        for block in [b for b, _ in meta["checkpoints"] if b >= covered["first"]][::every]:
            borrowers, legs = borrowers_at(connection, (meta["chain_id"], block))
            assert set(borrowers) == set(legs), block
            for key, health in borrowers.items():
                in_usd += holds(health, legs[key], (block, key))
                checked += 1
    assert checked >= 800 / every
    assert in_usd >= USD.get(name, 0) / every * 0.8


def borrowers_at(
    connection: psycopg.Connection[dict[str, Any]], at: tuple[int, int]
) -> tuple[dict[Any, dict[str, Any]], dict[Any, list[dict[str, Any]]]]:
    """Return health of everyone with debt, and legs, by (deployment, scope, account)."""
    health = connection.execute(
        "SELECT * FROM account_health(%s, %s) WHERE cardinality(debt_assets) > 0", at
    ).fetchall()
    legs = defaultdict(list)
    for leg in connection.execute("SELECT * FROM risk_legs_at(%s, %s)", at):
        legs[leg["deployment_key"], leg["market_key"], leg["account"]].append(leg)
    return {(h["deployment_key"], h["market_key"], h["account"]): h for h in health}, dict(legs)


def total(values: list[Any]) -> Decimal | None:
    return None if None in values else sum(values, Decimal(0))


def holds(health: dict[str, Any], legs: list[dict[str, Any]], where: Any) -> bool:
    """Compare one borrower; return whether it has USD values."""
    collateral = [leg for leg in legs if leg["side"] == "collateral"]
    debt = [leg for leg in legs if leg["side"] == "debt"]
    assert len(collateral) + len(debt) == len(legs)
    backing, owed = total([leg["decides_raw"] for leg in collateral]), total([leg["decides_raw"] for leg in debt])
    raw = health["health_factor_raw"]
    if raw is None or not owed:  # without a price, or a debt that rounds to no value
        assert raw is None and not (backing is not None and owed), where
        return False
    assert backing is not None
    exact = backing * 10**18 / owed
    assert -rounding(health, legs) <= raw - exact <= rounding(health, legs), where
    values = {
        "debt_usd": total([leg["value_usd"] for leg in debt]),
        "assets_usd": total([leg["value_usd"] for leg in collateral]),
        "collateral_usd": total([leg["value_usd"] for leg in collateral if leg["counts"]]),
    }
    if health["status"] == "unpriced":
        return False
    assert values == {name: health[name] for name in values}, where
    if not values["debt_usd"]:
        return False
    weighted = sum((leg["value_usd"] * leg["liquidation_threshold"] for leg in collateral), Decimal(0))
    slack = rounding(health, legs) / 10**18 + Decimal(BY_BOOKS.get(legs[0]["protocol"], 0)) * health["health_factor"]
    # each collateral leg's decides_raw is floored once more than value times threshold, in the protocol's unit
    assert abs(weighted / values["debt_usd"] - health["health_factor"]) <= slack + dust(health, legs), where
    for leg in legs:
        assert leg["price_usd"] > 0 and abs(leg["units"] * leg["price_usd"] - leg["value_usd"]) <= Decimal("1e-8"), (
            where
        )
        assert leg["liquidation_threshold"] is None if leg["side"] == "debt" else 0 <= leg["liquidation_threshold"] <= 1
        assert leg["counts"] or leg["liquidation_threshold"] == 0
    return True


BY_BOOKS = {"compound_v2": "2e-5", "morpho_blue": "1e-6"}
"""Relative difference of USD from what decides: interest since the last accrual (Compound judges by what is stored); the
loan token's and the collateral's USD price against the market's own oracle (Morpho)."""


def dust(health: dict[str, Any], legs: list[dict[str, Any]]) -> Decimal:
    """What flooring a leg of a tiny position can make: a few units of what the protocol counts in."""
    owed = [leg for leg in legs if leg["side"] == "debt"]
    smallest = min(leg["value_usd"] / leg["decides_raw"] for leg in owed if leg["decides_raw"])
    return (
        len(legs)
        * smallest
        * (1 + health["health_factor"])
        / health["debt_usd"]
        * (10**4 if health["total_debt_base_raw"] else 1)
    )


def rounding(health: dict[str, Any], legs: list[dict[str, Any]]) -> Decimal:
    """Return by how much the protocol's own rounding may move health_factor_raw (1e18 is 1)."""
    if legs[0]["protocol"] == "liquity_v1":
        return Decimal(2)  # ICR is floored before it is set against 110 %
    debt = health["total_debt_base_raw"]
    if legs[0]["protocol"] in ("aave_v2", "aave_v3") and debt:
        # up to 3.4 the mean threshold is floored to a basis point and its product rounded to a base unit
        return (health["total_collateral_base_raw"] / 10_000 + 1) / debt * 10**18 + 2
    return Decimal(1)


def test_legs_of_named_accounts_only(recordings: Path, indexed_database: Callable[[Path], str]) -> None:
    url, meta = indexed_database(recordings / "aave_v36"), meta_of(recordings / "aave_v36")
    at = (meta["chain_id"], meta["checkpoints"][-1][0])
    query = "SELECT r::text FROM risk_legs_at(%s, %s) r"
    with psycopg.connect(url) as connection:
        everyone = set(connection.execute(query, at).fetchall())
        accounts = [row[0] for row in connection.execute("SELECT DISTINCT account FROM risk_legs_at(%s, %s)", at)]
        assert len(accounts) > 10
        for some in (accounts[:1], accounts[1:4], []):
            named = [bytes.fromhex(account[2:]) for account in some]
            found = set(connection.execute("SELECT r::text FROM risk_legs_at(%s, %s, %s) r", (*at, named)).fetchall())
            assert found == {row for row in everyone if any(account in row[0] for account in some)}
            assert bool(found) == bool(some)


def test_legs_as_columns(recordings: Path, indexed_database: Callable[[Path], str]) -> None:
    url, meta = indexed_database(recordings / "multi"), meta_of(recordings / "multi")
    at = (meta["chain_id"], meta["checkpoints"][-1][0])
    with psycopg.connect(url, row_factory=dict_row) as connection:
        legs = load_legs(connection, *at)
        borrowers, _ = borrowers_at(connection, at)
        morpho = load_legs(connection, *at, protocols=["morpho_blue"])
    places = zip(legs.deployment_keys, legs.market_keys, legs.accounts, strict=True)
    found = dict(zip([(d, m or None, a) for d, m, a in places], legs.health_factor(), strict=True))
    assert found.keys() == borrowers.keys()
    for key, factor in found.items():
        assert factor == pytest.approx(float(borrowers[key]["health_factor"]), rel=1e-4), key
    assert set(legs.protocols) == {"aave_v3", "morpho_blue"}
    assert set(morpho.protocols) == {"morpho_blue"} and 0 < morpho.borrowers < legs.borrowers


def test_propagation_in_sql_is_the_one_in_python(recordings: Path, indexed_database: Callable[[Path], str]) -> None:
    url, meta = indexed_database(recordings / "multi_v36"), meta_of(recordings / "multi_v36")
    at = (meta["chain_id"], meta["checkpoints"][-1][0])
    with psycopg.connect(url, row_factory=dict_row) as connection:
        legs = load_legs(connection, *at)
        rows = connection.execute("SELECT * FROM propagation_at(%s, %s)", at).fetchall()
    stables = [asset for asset, price in zip(legs.assets, start_prices(legs), strict=True) if 0.95 <= price <= 1.05]
    assert 0 < len(stables) < len(legs.assets)
    nodes, shares = collateral_shares(legs)
    _, rest = collateral_shares(legs, without=stables)
    _, shared = shared_owner_debt(legs)
    assert nodes == ("aave_v3", "morpho_blue") and len(rows) == 2
    for row in rows:
        pair = nodes.index(row["source"]), nodes.index(row["target"])
        assert float(row["collateral_overlap"]) == pytest.approx(overlap_matrix(shares)[pair], rel=1e-9)
        assert float(row["collateral_overlap_without_stables"]) == pytest.approx(overlap_matrix(rest)[pair], rel=1e-9)
        assert float(row["shared_owner_debt_usd"]) == pytest.approx(shared[pair], rel=1e-9)
        assert float(row["target_debt_usd"]) == pytest.approx(shared[pair[1], pair[1]], rel=1e-9)


def test_a_simulation_over_the_books(recordings: Path, indexed_database: Callable[[Path], str]) -> None:
    url, meta = indexed_database(recordings / "multi_v36"), meta_of(recordings / "multi_v36")
    chain, block = meta["chain_id"], meta["checkpoints"][-1][0]
    tokens = {token["symbol"]: address for address, token in meta["tokens"].items()}
    with psycopg.connect(url) as connection:
        found = answer(
            connection, chain, block, question_of({"shocks": {tokens["WETH"]: -0.3}, "depth": {tokens["WETH"]: 1e6}})
        )
        alone = answer(connection, chain, block, question_of({"shocks": {tokens["WETH"]: -0.3}, "correlated": False}))
        assert set(rules_at(connection, chain, block).values()) == {AAVE_V3_3, MORPHO}  # 3.6 by its regime
        with pytest.raises(BadRequest, match="no borrowers"):
            answer(connection, chain, block, question_of({"shocks": {tokens["WETH"]: -0.3}, "protocols": ["euler_v2"]}))
    shocks = {each["symbol"]: each["shock"] for each in found.result["assets"]}
    assert shocks == {"WETH": -0.3, "wstETH": -0.3}  # one e-mode; nobody named wstETH
    assert "wstETH" not in {each["symbol"] for each in alone.result["assets"] if each["shock"]}
    for setting in found.result["settings"]:
        parts = [row for row in found.rounds if row[0] == setting["depth_factor"]]
        assert len(parts) == setting["rounds"]
        assert sum(Decimal(row[4]) for row in parts) == pytest.approx(
            Decimal(setting["repaid_usd"]), abs=Decimal("1e-4")
        )
        assert float(setting["repaid_usd"]) > 0
    for market in found.result["markets"]:
        assert market["utilization_before"] is None or 0 <= market["utilization_before"] <= 1.01
    assert {(source, target) for source, target, _ in found.matrix} == {
        ("aave_v3", "morpho_blue"), ("morpho_blue", "aave_v3"),
    }  # fmt: skip
