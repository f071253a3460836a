"""Which turn a question takes at the database, by how much it looks at.

quick   milliseconds, whatever the number of accounts: indexes, and the table of the head. What bots poll
slow    looks at everybody on the chain: seconds where there are many. A few at a time, each on one core, with a longer
        timeout; the same question of several callers is computed once
usual   the rest: one account, one market, a page of events
"""

from __future__ import annotations

from typing import Final, Literal

from fastapi import Request

Lane = Literal["quick", "usual", "slow"]

PLACED: Final = {"as_of_block", "as_of_time", "finality", "cursor", "min_block", "wait"}
"""Parameters that ask for another block than the newest, or wait for one."""

QUICK: Final = {
    "/v1/status", "/v1/protocols", "/v1/liquidation-risk/positions", "/v1/liquidation-risk/liquidatable",
    "/v1/liquidation-risk/buckets",
}  # fmt: skip
"""Operations that are quick at the newest block."""

SLOW: Final = {
    "/v1/leverage", "/v1/protocols/{protocol}/leverage", "/v1/protocols/{protocol}/leverage/distribution", "/v1/bad-debt",
    "/v1/concentration", "/v1/tvl", "/v1/limits", "/v1/liquidation-levels", "/v1/liquidation-risk/drops", "/v1/loops",
    "/v1/loops/summary", "/v1/dfc", "/v1/exposure/graph", "/v1/exposure/cycles", "/v1/exposure/summary",
}  # fmt: skip
"""Operations that look at everybody. Their answers are kept (`api.kept`), so that whoever waited for one has it at once."""


def lane(request: Request) -> Lane:
    """Return the lane of a request."""
    path = request.scope["route"].path
    if path in SLOW:
        return "slow"
    return "quick" if path in QUICK and not PLACED & request.query_params.keys() else "usual"
