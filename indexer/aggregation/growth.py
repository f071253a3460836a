"""M5: acceleration, and whether growth is exponential.

    acceleration = (v_t - v_{t-w}) / w
    exponential  = beta > 0 and R2_log >= 0.95 and SSE_exp < SSE_lin (both in levels) and ln 2 / beta <= 30 d
    with ln y = alpha + beta t and y = a + b t fitted by ordinary least squares

Units    t in days, y at constant prices, velocity a day, acceleration a day squared
Edge     fewer than 5 points, or any y <= 0: None. A constant series has no R2_log and is not exponential
Source   docs/methodology.md M5
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAST_POINTS: Final = 5
R2_LOG: Final = 0.95
DOUBLING_DAYS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Growth:
    """Two fits of the same points, and the verdict with the thresholds it was made by."""

    beta: float
    r2_log: float | None
    sse_exp: float
    sse_lin: float
    doubling_days: float | None
    is_exponential: bool
    n: int
    least_r2_log: float = R2_LOG
    most_doubling_days: float = DOUBLING_DAYS


def acceleration(velocity_1: float | None, velocity_0: float | None, window_days: float) -> float | None:
    """Return (v1 - v0) / w. None where either velocity is unknown."""
    return None if velocity_1 is None or velocity_0 is None else (velocity_1 - velocity_0) / window_days


def exponential_growth(
    values: Sequence[float], step_days: float = 1.0, *, least_r2_log: float = R2_LOG, most_doubling_days: float = DOUBLING_DAYS
) -> Growth | None:  # fmt: skip
    """Fit equally spaced points and say whether they grow exponentially.

    Three positive growth rates in a row, or R2_log alone, would also flag a straight line; comparing the errors of both
    fits in levels does not.
    """
    if len(values) < LEAST_POINTS or any(value <= 0 for value in values):
        return None
    times = [n * step_days for n in range(len(values))]
    logs = [math.log(value) for value in values]
    alpha, beta, r2_log = _line(times, logs)
    a, b, _ = _line(times, list(values))
    sse_exp = sum((y - math.exp(alpha + beta * t)) ** 2 for t, y in zip(times, values, strict=True))
    sse_lin = sum((y - a - b * t) ** 2 for t, y in zip(times, values, strict=True))
    constant = max(values) == min(values)
    doubling = math.log(2) / beta if beta > 0 and not constant else None
    verdict = (
        doubling is not None and r2_log is not None
        and r2_log >= least_r2_log and sse_exp < sse_lin and doubling <= most_doubling_days
    )  # fmt: skip
    return Growth(
        0.0 if constant else beta, None if constant else r2_log, sse_exp, sse_lin, doubling, verdict, len(values),
        least_r2_log, most_doubling_days,
    )  # fmt: skip


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float | None]:
    """Return intercept, slope and R2 of the least squares line. R2 is None for a constant y."""
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    xx = math.fsum((a - mean_x) ** 2 for a in x)
    xy = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    yy = math.fsum((b - mean_y) ** 2 for b in y)
    slope = xy / xx
    return mean_y - slope * mean_x, slope, None if yy == 0 else xy * xy / (xx * yy)
