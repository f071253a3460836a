"""Positions to metrics. Pure: columns in, numbers out; usable from a notebook without database or node."""
