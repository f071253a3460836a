"""The screen of everybody against sums of exact integers, at the boundary too."""

from __future__ import annotations

import random

import numpy as np

from indexer.aggregation.screen import Screen


def exact(borrower: list[int], asset: list[int], weights: list[int], prices: list[int], borrowers: int) -> list[bool]:
    margins = [0] * borrowers
    for who, what, weight in zip(borrower, asset, weights, strict=True):
        margins[who] += weight * prices[what]
    return [margin < 0 for margin in margins]


def test_as_exact_integers_say() -> None:
    draw = random.Random(3)
    borrower, asset, weights = [], [], []
    for who in range(2_000):
        if who % 50 == 7:
            continue  # no legs
        backing = [draw.randrange(10**20) for _ in range(2)]
        prices_now = [7 * 10**8, 3 * 10**12, 10**8]
        owed = sum(w * p for w, p in zip(backing, prices_now, strict=False))
        legs = [(0, backing[0]), (1, backing[1]), (2, -(owed // 10**8) + draw.choice([-1, 0, 1, -(10**19), 10**19]))]
        for what, weight in legs:
            borrower.append(who), asset.append(what), weights.append(weight)  # type: ignore[func-returns-value]
    screen = Screen(np.array(borrower), np.array(asset), weights, 2_000)
    for prices in ([7 * 10**8, 3 * 10**12, 10**8], [6 * 10**8, 3 * 10**12, 10**8]):
        assert screen.liquidatable(prices).tolist() == exact(borrower, asset, weights, prices, 2_000)
    assert 300 < int(screen.liquidatable([7 * 10**8, 3 * 10**12, 10**8]).sum()) < 1_700


def test_equality_is_not_liquidatable_though_floats_cannot_tell() -> None:
    big = 10**30
    screen = Screen(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1] * 3), [big, -big, big, -big - 1, big, 1 - big], 3)
    assert screen.liquidatable([10**8, 10**8]).tolist() == [False, True, False]
    margin, _ = screen.margins(np.array([1e8, 1e8]))
    assert (margin == 0).all()  # naive: floats alone call all three equal


def test_nobody() -> None:
    assert Screen(np.array([], np.int64), np.array([], np.int64), [], 2).liquidatable([]).tolist() == [False, False]
