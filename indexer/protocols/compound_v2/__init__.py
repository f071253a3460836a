"""Compound v2. The work is done by the family; interest is counted by blocks."""

from indexer.families import compound
from indexer.families.compound.checks import checks
from indexer.protocol import Protocol

FIRST_USD_ORACLE = 10_551_058
"""Block of Ethereum in which the first UniswapAnchoredView was made: oracles named before it quote in ETH."""

PROTOCOL = Protocol(
    slug="compound_v2", project="compound", version="2", kind="lending", required=("Unitroller",), checks=checks,
    contracts=compound.contracts(compound.BLOCKS, {1: FIRST_USD_ORACLE}), feeds=compound.feeds,
    state_reads=compound.state_reads, read_rules=compound.READ_RULES,
    proven="the public repository's head (four-word AccrueInterest, seize share, cETH) on recordings, to the wei",
)  # fmt: skip
