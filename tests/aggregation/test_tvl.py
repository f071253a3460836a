"""M17 by its worked numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from indexer.aggregation.tvl import Balance, value_locked


def test_collateral_minted_against_and_lent() -> None:
    """10 ETH (20000) locked, 12000 crypto-backed USD minted and lent: TVL 32000, TVR 20000, multiplier 1.6."""
    found = value_locked([Balance("plain", 20_000), Balance("crypto_backed", 12_000)])
    assert (found.tvl, found.tvr, found.double_count) == (32_000, 20_000, 12_000)
    assert found.defi_multiplier == Fraction(8, 5)


@pytest.mark.parametrize(
    "kind", ["lending_receipt", "erc4626", "vault_share", "lst", "lrt", "lp", "pt", "ctoken", "some_new_kind"]
)
def test_every_kind_but_plain_is_a_claim(kind: str) -> None:
    found = value_locked([Balance("plain", 10), Balance(kind, 4)])
    assert (found.tvr, found.claims_usd) == (10, 4)


def test_fiat_backed_coins_are_plain_by_their_token_not_their_protocol() -> None:
    """The same protocol holds both: a flag a protocol could not tell them apart."""
    assert value_locked([Balance("plain", 5), Balance("lst", 3)]).tvr == 5


def test_unclassified_is_never_plain() -> None:
    found = value_locked([Balance("unclassified", 7), Balance("plain", 1)])
    assert (found.tvr, found.unclassified_usd, found.claims_usd, found.tvl) == (1, 7, 0, 8)


def test_unpriced_is_counted_not_zero() -> None:
    found = value_locked([Balance("plain", None), Balance("plain", 3)])
    assert (found.n_unpriced, found.tvl) == (1, 3)


def test_own_token_and_debt_are_lines_of_their_own() -> None:
    found = value_locked([Balance("plain", 50, 30), Balance("plain", 9, is_own_token=True)])
    assert (found.tvl, found.tvl_including_borrowed, found.own_token_usd) == (50, 80, 9)


def test_nothing() -> None:
    assert value_locked([]).defi_multiplier is None
