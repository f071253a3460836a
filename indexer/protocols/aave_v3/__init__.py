"""Aave v3, every version with known rules. The work is done by the family."""

from indexer.families import aave
from indexer.families.aave.checks import checks
from indexer.families.aave.rules import open_deployment
from indexer.protocol import Protocol

VERSIONS = {
    1: "3.0.1", 2: "3.0.2", 3: "3.0.2", 4: "3.1", 5: "3.2", 6: "3.2", 7: "3.3", 8: "3.4", 9: "3.5", 10: "3.6", 11: "3.7",
}  # fmt: skip
"""POOL_REVISION to contract version. Revision 1 is 3.0.0 where the deployment's `first_version` says so."""

PROTOCOL = Protocol(
    slug="aave_v3",
    project="aave",
    version="3",
    kind="lending",
    contracts=aave.contracts(VERSIONS),
    required=("PoolAddressesProvider",),
    feeds=aave.feeds,
    open_deployment=open_deployment,
    checks=checks,
    market_is_asset=True,
    proven="3.0.2 and 3.6.0 on local chains and recordings, to the wei",
)
