"""`leverage simulate`: over the small world of the API's tests, whose numbers can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.world import DAI, HEAD, WETH, World, everything


@pytest.fixture(scope="module")
def url(migrated_database: Callable[[], str]) -> str:
    found = migrated_database()
    world = World(found)
    everything(world)
    world.close()
    return found


@pytest.fixture
def simulate(leverage: Callable[..., Any], tmp_path: Path, url: str) -> Callable[..., Any]:
    (tmp_path / "leverage.toml").write_text(
        f'database = "{url}"\n[chain.ethereum]\nchain_id = 1\nrpc = ["http://127.0.0.1:1"]\n'
    )
    return lambda *arguments: leverage("simulate", *arguments)


def test_as_tables(simulate: Callable[..., Any]) -> None:
    done = simulate("--shock", "WETH=-0.5", "--depth", "WETH=1000000")
    assert done.code == 0, done.err
    for told in (f"block {HEAD}", "WETH", "-50.0%", "aave_v3", "repaid", "branching"):
        assert told in done.out


def test_as_json_with_every_option(simulate: Callable[..., Any], tmp_path: Path) -> None:
    done = simulate(
        "--shock", f"{WETH}=-0.5", "--shock", "DAI=0.01", "--path", "steps:4", "--impact", "exponential", "--depth", "WETH=0.001",
        "--pass-through", "0.5", "--max-rounds", "60", "--protocol", "aave_v3", "--alone", "--block", str(HEAD - 1),
        "--json", "out.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["block_number"] == HEAD - 1
    assert found["question"]["shocks"] == {WETH: -0.5, DAI: 0.01}
    assert len(found["settings"]) == 3 and found["rounds"]
    assert max(each["step"] for each in found["rounds"]) <= 4
    # Bob: 1 WETH against 1400 x 1.2 = 1680 DAI; by hand the fall is far beyond both collaterals
    assert float(found["settings"][0]["bad_debt_usd"]) > 0
    printed = simulate("--shock", "WETH=-0.5", "--json", "-")
    assert json.loads(printed.out)["depth"] == "relative"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--shock", "WETH"], "--shock WETH: write ASSET=NUMBER, e.g. --shock WETH=-0.3"),
        (["--shock", "WETH=much"], "--shock WETH=much: write ASSET=NUMBER"),
        (["--shock", "WETH=-0.3", "--shock", "WETH=-0.2"], "given more than once"),
        (["--shock", "WETH=-1"], "is not above -1 and below 10"),
        (["--shock", "NOPE=-0.3"], "--shock NOPE is not an asset of any indexed market"),
        (["--shock", "WETH=-0.3", "--depth", "WETH=0"], "> 0.0"),
        (["--shock", "WETH=-0.3", "--path", "slowly"], "path"),
        (["--shock", "WETH=-0.3", "--max-rounds", "101"], "<= 100"),
        (["--shock", "WETH=-0.3", "--pass-through", "2"], "<= 1.0"),
        (["--shock", "WETH=-0.3", "--protocol", "euler_v2"], "euler_v2 has no borrowers"),
        (["--shock", "WETH=-0.3", "--block", "1"], "--block 1:"),
        (["--shock", "WETH=-0.3", "--json", "/no/such/folder/x"], "--json /no/such/folder/x"),
    ],
)
def test_bad_usage_says_what_would_do(simulate: Callable[..., Any], arguments: list[str], told: str) -> None:
    done = simulate(*arguments)
    assert done.code == 2, done.err
    assert told in done.err
