"""Which deployments a chain's settings mean."""

from __future__ import annotations

import pytest

from indexer.catalog import covered
from indexer.config import ChainSettings
from indexer.errors import BadConfig
from indexer.protocols import deployments, discover


def unknown_start(chain_id: int) -> set[str]:
    """Protocols on a chain none of whose deployments has a known start block."""
    listed = {slug: [entry for entry in deployments(slug) if entry["chain_id"] == chain_id] for slug in discover()}
    return {
        slug for slug, entries in listed.items() if entries and all("start_block" not in entry for entry in entries)
    }


@pytest.mark.parametrize("chain_id", [1, 10, 137, 8453, 42161])
def test_every_listed_protocol_with_a_start_block(chain_id: int) -> None:
    found = covered(ChainSettings(name="chain", chain_id=chain_id))
    listed = {slug for slug in discover() if any(entry["chain_id"] == chain_id for entry in deployments(slug))}
    assert found.keys() == listed - unknown_start(chain_id)
    assert {"aave_v3", "morpho_blue"} <= found.keys()


def test_a_start_block_that_nobody_knows_is_asked_for() -> None:
    chain_id, slug = next((c, s) for c in (1, 137, 8453, 42161) for s in sorted(unknown_start(c)))
    with pytest.raises(BadConfig, match="set start_block"):
        covered(ChainSettings(name="chain", chain_id=chain_id, protocols=(slug,)))
    found = covered(ChainSettings(name="chain", chain_id=chain_id, protocols=(slug,), start_block=7))
    assert found[slug].start_block == 7


def test_nothing_there() -> None:
    with pytest.raises(BadConfig, match="no known deployment"):
        covered(ChainSettings(name="local", chain_id=31337))
