"""Tables of M9 and M10 over time: edges between protocols, cycles and chains, look-through, rehypothecation.

Views    exposure_edges, exposure_history, exposure_totals, protocol_cycles, lookthrough_exposure, rehypothecation add the head
"""

from __future__ import annotations

from sqlalchemy import Numeric, Table
from sqlalchemy.dialects.postgresql import ARRAY

from indexer.store.columns import BigInteger, Integer, Text, Usd, block_number, chain_id, col
from indexer.store.metadata import metadata

TAKEN_AT = "block at whose end it holds: the last one with a log of any protocol in the interval"
BUCKET = "end of the interval, unix seconds"
METHOD = "how debt edges are found: events (open loop links) | state (balances)"

exposure_snapshot = Table(
    "exposure_snapshot", metadata,
    chain_id(),
    col("bucket", BigInteger, BUCKET, key=True),
    col("method", Text, METHOD, key=True),
    block_number(TAKEN_AT),
    col("loop_exposure_usd", Usd, "sum of the sizes of all owners' cycles, USD: every dollar once"),
    col("gross_circulation_usd", Usd, "sum of size times length of the same cycles, USD; never a headline"),
    col("system_loop_exposure_usd", Usd, "sum of the sizes of the cycles of all owners' graph together, USD"),
    col("chain_depth", Integer, "most protocols that a dollar is pledged through without coming back; 0: no edge"),
    col("n_owners", BigInteger, "owners with an edge between two protocols"),
    col("n_unpriced", BigInteger, "edges without a price, in no sum"),
    comment="M9: totals of the exposure graph at the end of each snapshot interval",
)  # fmt: skip

exposure_edge_snapshot = Table(
    "exposure_edge_snapshot", metadata,
    chain_id(),
    col("bucket", BigInteger, BUCKET, key=True),
    col("method", Text, METHOD, key=True),
    col("src", Text, "protocol borrowed from, or that issued the claim, or where the vault's assets are", key=True),
    col("dst", Text, "protocol at which it is posted", key=True),
    col("edge_kind", Text, "debt | claim | vault", key=True),
    block_number(TAKEN_AT),
    col("value_usd", Usd, "sum over owners, USD"),
    col("n_owners", BigInteger, "owners with such an edge"),
    col("n_unpriced", BigInteger, "owners' edges without a price, not in value_usd"),
    comment="M9: edges between protocols at the end of each snapshot interval, all owners summed",
)  # fmt: skip

protocol_cycle_snapshot = Table(
    "protocol_cycle_snapshot", metadata,
    chain_id(),
    col("bucket", BigInteger, BUCKET, key=True),
    col("method", Text, METHOD, key=True),
    col("scope", Text, "owners (of each owner's own graph, those through the same nodes summed) | system (of all together)", key=True),
    col("form", Text, "cycle | chain", key=True),
    col("rank", Integer, "1 for the first: cycles largest first, chains longest first", key=True),
    block_number(TAKEN_AT),
    col("nodes", ARRAY(Text), "protocols in the order of the edges; a cycle from its smallest name on"),
    col("length", Integer, "number of nodes; edges of a cycle, protocols of a chain"),
    col("size_usd", Usd, "value that runs through all of it, USD"),
    col("n_owners", BigInteger, "owners it is of; NULL for the system", null=True),
    comment="M9: cycles and chains between protocols at the end of each snapshot interval",
)  # fmt: skip

lookthrough_snapshot = Table(
    "lookthrough_snapshot", metadata,
    chain_id(),
    col("bucket", BigInteger, BUCKET, key=True),
    col("owner", Text, "owner, 0x hex", key=True),
    block_number(TAKEN_AT),
    col("status", Text, "no_debt | ok | zero_equity | insolvent | unpriced | unresolved"),
    col("assets_usd", Usd, "assets seen through vaults, USD, 6 decimals", null=True),
    col("debt_usd", Usd, "debts seen through vaults, USD, 6 decimals", null=True),
    col("gross_assets_usd", Usd, "assets as booked, USD", null=True),
    col("gross_debt_usd", Usd, "debts as booked, USD", null=True),
    col("leverage_gross", Numeric(38, 18), "A / E as booked; NULL unless E > 0", null=True),
    col("leverage_netted", Numeric(38, 18), "A / E with identical underlyings set off; NULL unless E > 0", null=True),
    col("leverage_lookthrough", Numeric(38, 18), "A / E seen through vaults; NULL unless E > 0", null=True),
    col("hops", Integer, "longest way through vaults; NULL in a circle", null=True),
    col("unresolved_usd", Usd, "held in vaults that cannot be seen through, USD"),
    comment="M10: owners that hold vault shares, seen through them, at the end of each snapshot interval",
)  # fmt: skip

rehypothecation_snapshot = Table(
    "rehypothecation_snapshot", metadata,
    chain_id(),
    col("bucket", BigInteger, BUCKET, key=True),
    col("asset", Text, "token, 0x hex", key=True),
    block_number(TAKEN_AT),
    col("claims_usd", Usd, "claims on it across all layers, USD; NULL without a price", null=True),
    col("held_usd", Usd, "of it really held by lending contracts, USD; NULL without a price", null=True),
    comment="M10: claims on each asset against what is there, at the end of each snapshot interval",
)  # fmt: skip

EXPOSURE_HISTORY: tuple[Table, ...] = (
    exposure_snapshot, exposure_edge_snapshot, protocol_cycle_snapshot, lookthrough_snapshot, rehypothecation_snapshot,
)  # fmt: skip
