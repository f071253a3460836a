"""Hex to columns. Pure: the only file read allowed is the static ABI data in `abis/`."""
