"""Every SELECT that the API uses: one module a subject, each function a connection and parameters in, rows out.

Statements are constants and values are bound, never spliced. Exact numbers leave as text, ratios as floats and times as
RFC 3339 text, so that no caller computes. Lists are keyset slices; `*_KEY` names the columns that order them.
"""

from indexer.store.queries import (
    at_risk,
    coverage,
    events,
    exposure,
    history,
    keys,
    leverage,
    loops,
    markets,
    owners,
    params,
    perps,
    positions,
    risk,
    simulations,
    stream,
)
from indexer.store.queries.rows import Key, Keyset, Row, Slice

__all__ = [
    "Key",
    "Keyset",
    "Row",
    "Slice",
    "at_risk",
    "coverage",
    "events",
    "exposure",
    "history",
    "keys",
    "leverage",
    "loops",
    "markets",
    "owners",
    "params",
    "perps",
    "positions",
    "risk",
    "simulations",
    "stream",
]
