"""SparkLend: Aave v3.0 under another name, with a pool that numbers its own revisions (README.md)."""

from indexer.families import aave
from indexer.families.aave.checks import checks
from indexer.families.aave.rules import open_deployment
from indexer.protocol import Protocol

VERSIONS = {1: "3.0.1", 2: "3.0.2", 3: "3.0.2", 4: "3.0.2"}

PROTOCOL = Protocol(
    slug="spark", project="spark", version="1", kind="lending", abi="aave_v3", contracts=aave.contracts(VERSIONS),
    required=("PoolAddressesProvider",), feeds=aave.feeds, open_deployment=open_deployment, checks=checks,
    market_is_asset=True,
)  # fmt: skip
