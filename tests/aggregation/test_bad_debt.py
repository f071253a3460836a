"""M14 by its worked numbers."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction

import pytest

from indexer.aggregation.bad_debt import bad_debt, is_toxic, realised
from indexer.aggregation.quality import lag_blocks, reconciliation_error, unpriced_share


def test_latent() -> None:
    found = bad_debt([(90, 95), (1000, 950)])
    assert (found.latent_usd, found.n_insolvent, found.latent_ratio) == (5, 1, Fraction(5, 1045))


def test_a_surplus_nets_nothing() -> None:
    assert bad_debt([(90, 95), (10**6, 1)]).latent_usd == 5


def test_unhealthy_is_not_insolvent() -> None:
    """LTV 0.95 at a threshold of 0.9: health factor below 1, no bad debt."""
    assert bad_debt([(1000, 950)]).latent_usd == 0


def test_recovery_shrinks_latent_never_realised() -> None:
    assert (bad_debt([(90, 95)]).latent_usd, bad_debt([(100, 95)]).latent_usd) == (5, 0)
    assert realised([D(5), D(2)], [D(3)]) == 4


def test_economic_is_beside_latent() -> None:
    """Excess 3 is below a cost of 10, excess 50 is not; who lacks 5 is latent and not counted twice."""
    found = bad_debt([(103, 100), (150, 100), (95, 100), (0, 0)], cost=10)
    assert (found.economic_usd, found.n_uneconomic, found.latent_usd) == (100, 1, 5)


def test_dust_stays_on_the_books() -> None:
    """Debt without any collateral (Aave up to 3.2) is latent to its full amount."""
    assert bad_debt([(0, D("0.01"))]).latent_usd == Fraction(1, 100)


def test_unpriced_is_counted() -> None:
    assert bad_debt([(None, 5), (5, None)]).n_unpriced == 2
    assert bad_debt([]).latent_ratio is None


def test_toxic() -> None:
    """C 1000, D 950, bonus 8 %: 0.95 > 1/1.08."""
    assert is_toxic(D("0.95"), D("0.08")) and not is_toxic(D("0.925"), D("0.08"))


def test_quality() -> None:
    assert (lag_blocks(None, 5), lag_blocks(9, 5), lag_blocks(4, 5)) == (None, 4, 0)
    assert unpriced_share(1, 4) == Fraction(1, 4) and unpriced_share(0, 0) is None
    assert reconciliation_error([(100, 100), (99, 100), (5, 0)]) == 1
    assert reconciliation_error([(99, 100)]) == pytest.approx(0.01)
    assert reconciliation_error([]) is None
