"""Moonwell: Compound v2 whose interest is counted by seconds."""

from indexer.families import compound
from indexer.families.compound.checks import checks
from indexer.protocol import Protocol

PROTOCOL = Protocol(
    slug="moonwell", project="moonwell", version="1", kind="lending", required=("Unitroller",), checks=checks,
    contracts=compound.contracts(compound.SECONDS), feeds=compound.feeds, state_reads=compound.state_reads,
    read_rules=compound.READ_RULES, abi="compound_v2")  # fmt: skip
