"""Benchmarks: a generated Aave v3 chain, a node that replays it, and the floor to compare the indexer with."""
