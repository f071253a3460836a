"""What comes back. The models document and check the rows of `store.queries`; names are those of the SQL views.

Units    `*_raw` exact on-chain integers and `*_usd`, `amount` exact decimals, all as strings; ratios are numbers (0.825, not
         82.5 % or 8250); `*_bps` 1/10000; `*_time` RFC 3339 in UTC; absent is null
"""

from api.schemas.common import (
    AccountStatus,
    Address,
    Data,
    Envelope,
    Exact,
    FieldError,
    Hash,
    Meta,
    Model,
    PageInfo,
    PairClass,
    ProblemDocument,
    Side,
    Time,
    Whole,
)
from api.schemas.rows import (
    AccountLeverage,
    AtRisk,
    Health,
    Liquidation,
    Market,
    ParamChange,
    Position,
    ProtocolLeverage,
)
from api.schemas.status import (
    ChainStatus,
    Deployment,
    Healthz,
    ProtocolRow,
    ProtocolStatus,
    Readyz,
    Status,
    StatusEnvelope,
)

__all__ = [
    "AccountLeverage",
    "AccountStatus",
    "Address",
    "AtRisk",
    "ChainStatus",
    "Data",
    "Deployment",
    "Envelope",
    "Exact",
    "FieldError",
    "Hash",
    "Health",
    "Healthz",
    "Liquidation",
    "Market",
    "Meta",
    "Model",
    "PageInfo",
    "PairClass",
    "ParamChange",
    "Position",
    "ProblemDocument",
    "ProtocolLeverage",
    "ProtocolRow",
    "ProtocolStatus",
    "Readyz",
    "Side",
    "Status",
    "StatusEnvelope",
    "Time",
    "Whole",
]
