"""Facts to positions. Pure: state comes in, rows go out; nothing here reads a clock, a node or a table."""
