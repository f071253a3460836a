"""Helpers in SQL against Python's integers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RAY, WAD, YEAR = 10**27, 10**18, 31_536_000
uints = st.one_of(st.integers(0, 10**6), st.integers(0, 2**128), st.integers(0, 2**256))
positive = uints.map(lambda n: n + 1)
quiet = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def call(db: psycopg.Connection[Any], expression: str, *values: object) -> Any:
    row = db.execute(f"SELECT {expression}", [Decimal(v) if type(v) is int else v for v in values]).fetchone()
    assert row is not None
    return row[0]


def truncated(a: int, b: int) -> int:
    """Divide as Solidity does: toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


@quiet
@given(a=uints, b=uints, d=positive)
def test_mul_div(db: psycopg.Connection[Any], a: int, b: int, d: int) -> None:
    row = db.execute(
        "SELECT mul_div_floor(a, b, d), mul_div_ceil(a, b, d), mul_div_half_up(a, b, d), amount_of(a, b, d, 'floor'),"
        " amount_of(a, b, d, 'ceil'), amount_of(a, b, d, 'half_up') FROM (VALUES (%s::numeric, %s::numeric, %s::numeric))"
        " v (a, b, d)", (Decimal(a), Decimal(b), Decimal(d)),
    ).fetchone()  # fmt: skip
    expected = (a * b // d, -(-a * b // d), (a * b + d // 2) // d)
    assert row == expected * 2


@quiet
@given(a=uints, b=positive)
def test_ray_and_wad(db: psycopg.Connection[Any], a: int, b: int) -> None:
    row = db.execute(
        "SELECT ray_mul_floor(a, b), ray_mul_ceil(a, b), ray_mul_half_up(a, b), ray_div_floor(a, b), ray_div_ceil(a, b),"
        " ray_div_half_up(a, b), wad_mul_floor(a, b), wad_div_half_up(a, b), percent_mul_half_up(a, b),"
        " percent_mul_floor(a, b) FROM (VALUES (%s::numeric, %s::numeric)) v (a, b)", (Decimal(a), Decimal(b)),
    ).fetchone()  # fmt: skip
    assert row == (
        a * b // RAY, -(-a * b // RAY), (a * b + RAY // 2) // RAY, a * RAY // b, -(-a * RAY // b),
        (a * RAY + b // 2) // b, a * b // WAD, (a * WAD + b // 2) // b, (a * b + 5000) // 10000, a * b // 10000,
    )  # fmt: skip


@quiet
@given(rate=st.integers(0, 5 * RAY), seconds=st.integers(0, 10 * YEAR))
def test_aave_interest(db: psycopg.Connection[Any], rate: int, seconds: int) -> None:
    def ray_mul(a: int, b: int) -> int:
        return (a * b + RAY // 2) // RAY

    if seconds:
        squared = ray_mul(rate, rate) // (YEAR * YEAR)
        cubed = ray_mul(squared, rate) // YEAR
        binomial = (
            RAY + rate * seconds // YEAR + seconds * (seconds - 1) * squared // 2
            + seconds * (seconds - 1) * max(seconds - 2, 0) * cubed // 6
        )  # fmt: skip
    else:
        binomial = RAY
    x = rate * seconds // YEAR
    taylor = RAY + x + ray_mul(x, x // 2 + ray_mul(x, x // 6))
    row = db.execute(
        "SELECT aave_linear_interest(r, s), aave_compounded_a(r, s), aave_compounded_b(r, s)"
        " FROM (VALUES (%s::numeric, %s::numeric)) v (r, s)", (Decimal(rate), Decimal(seconds)),
    ).fetchone()  # fmt: skip
    assert row == (RAY + rate * seconds // YEAR, binomial, taylor)


@quiet
@given(x=st.integers(-45 * WAD, 100 * WAD))
def test_morpho_exp(db: psycopg.Connection[Any], x: int) -> None:
    ln2 = 693147180559945309
    if x < -41446531673892822312:
        expected = 0
    elif x >= 93859467695000404319:
        expected = 57716089161558943949701069502944508345128422502756744429568
    else:
        q = truncated(x + (-(ln2 // 2) if x < 0 else ln2 // 2), ln2)
        r = x - q * ln2
        series = WAD + r + truncated(truncated(r * r, WAD), 2)
        expected = series << q if q >= 0 else series >> -q
    assert call(db, "morpho_exp(%s::numeric)", x) == expected


def test_powers_of_two_are_exact(db: psycopg.Connection[Any]) -> None:
    """The shift of morpho_exp reaches 2^136."""
    for row in db.execute("SELECT n, trunc(power(2::numeric, n)) FROM generate_series(0, 140) n").fetchall():
        assert row[1] == 2 ** row[0]


@quiet
@given(raw=uints, decimals=st.integers(0, 54))
def test_scaling_by_powers_of_ten_is_exact(db: psycopg.Connection[Any], raw: int, decimals: int) -> None:
    row = db.execute(
        "SELECT r * unit_of(d), price_of(r, 10::numeric ^ d) FROM (VALUES (%s::numeric, %s)) v (r, d)",
        (Decimal(raw), decimals),
    ).fetchone()
    assert row is not None
    exact = Decimal((0, tuple(map(int, str(raw))), -decimals))
    assert row[0].compare(exact) == row[1].compare(exact) == 0


def test_hex_and_back(db: psycopg.Connection[Any]) -> None:
    assert call(db, "hex(unhex('0xAb01'))") == "0xab01"
    assert call(db, "unhex('0xzz')") is None
    assert call(db, "unhex('ab')") is None


def test_ratio_and_status(db: psycopg.Connection[Any]) -> None:
    """docs/methodology.md M1's own numbers: A = 150, D = 100."""
    assert call(db, "ratio(150, 50)") == 3
    assert call(db, "ratio(100, 150)") == Decimal("0.666666666666666667")
    assert call(db, "ratio(1, 0)") is None
    cases = [((150, 100, True), "ok"), ((1, 0, False), "no_debt"), ((5, 5, True), "zero_equity"),
             ((90, 95, True), "insolvent"), ((None, 95, True), "unpriced"), ((90, None, True), "unpriced")]  # fmt: skip
    for values, expected in cases:
        assert call(db, "account_status(%s::numeric, %s::numeric, %s)", *values[:2], values[2]) == expected


def test_buckets_are_half_open(db: psycopg.Connection[Any]) -> None:
    edges = {"0": "[0,1)", "1": "[1,1.05)", "1.05": "[1.05,1.1)", "1.1": "[1.1,1.25)", "1.25": "[1.25,1.5)",
             "1.5": "[1.5,2)", "2": "[2,inf)", "0.999999999999999999": "[0,1)"}  # fmt: skip
    for factor, bucket in edges.items():
        assert call(db, "health_bucket(%s::numeric)", factor) == bucket
    assert call(db, "health_bucket(NULL)") is None
