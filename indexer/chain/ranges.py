"""PURE: how many blocks to ask for at once, learned from what the node takes and refuses.

Units    spans in blocks
Rule     split at once on a refusal and never wait for it; remember the span that went well; probe above a refused span
         rarely, and ever more rarely, because a fixed cap would be hit again and again
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexer.errors import RangeTooLarge

FIRST_SPAN = 500
MAX_SPAN = 100_000
TARGET_LOGS = 8_000
"""Logs of one range: some 8 MB of columns, large enough that a commit per range costs nothing."""

PATIENCE = 16
MAX_PATIENCE = 4_096


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known about the node's limits. `span` is the next range's size.

    `good` is the largest span that was answered since the last refusal below it, `refused` the smallest that was refused
    (None: none stands), `streak` the answers in a row at full span, `patience` the streak needed before probing above.
    """

    span: int = FIRST_SPAN
    good: int = 0
    refused: int | None = None
    streak: int = 0
    patience: int = PATIENCE
    max_span: int = MAX_SPAN
    target_logs: int = TARGET_LOGS

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", min(self.span, self.max_span))

    def last_of(self, first: int, limit: int) -> int:
        """Return the last block of the range that begins at `first` and may not pass `limit`."""
        return min(first + self.span - 1, limit)

    def answered(self, span: int, logs: int) -> Plan:
        """Learn from an answer of `logs` logs to a range of `span` blocks."""
        if logs > self.target_logs:
            # Too much to hold at once although the node gave it: aim at the target, by density.
            return replace(self, span=max(1, min(self.span, span * self.target_logs // logs)), streak=0)
        if span < self.span:
            return self  # the tail of a range, or planned before the last change: says nothing about the limit
        good = max(self.good, span)
        wanted = self.max_span if logs == 0 else max(span, span * self.target_logs // logs)
        if self.refused is None or span >= self.refused:  # no limit in sight, or the old one no longer holds
            grown = min(span * 2, wanted, self.max_span)
            return replace(self, span=max(self.span, grown), good=good, refused=None, streak=0)
        if self.streak + 1 < self.patience:
            return replace(self, good=good, streak=self.streak + 1)
        probe = min(span + max(1, span // 8), wanted, self.max_span)
        return replace(self, span=max(self.span, probe), good=good, streak=0)

    def refuse(self, first: int, last: int, suggested_last: int | None, reason: str = "") -> tuple[Plan, int]:
        """Learn from a refusal of `first..last`; return the plan and the last block to try now, at once.

        The node's own proposal is taken where it makes progress (it ends inside the range); else the span that went
        well before, else half.
        Raises  RangeTooLarge when the range is a single block, naming what to do
        """
        span = last - first + 1
        if span <= 1:
            raise RangeTooLarge(
                f"the node refuses the logs of the single block {first}: {reason}; give another node in `rpc`, or a plan "
                "of this provider with a larger response size"
            )
        if suggested_last is not None and first <= suggested_last < last:
            tried = suggested_last - first + 1
        elif span > self.span:
            # Several ranges are in flight: this one was planned before the last refusal, which is learned already.
            return self, first + self.span - 1
        else:
            tried = self.good if 0 < self.good < span else span // 2
        if span > self.span:
            return self, first + tried - 1
        probed = 0 < span - self.good <= max(1, span // 8)
        return replace(
            self,
            # A proposal far below the range (one dense block at its start) serves this range, not all that follow.
            span=max(tried, span // 16),
            good=self.good if self.good < span else 0,
            refused=span if self.refused is None else min(self.refused, span),
            streak=0,
            patience=min(self.patience * 2, MAX_PATIENCE) if probed else PATIENCE,
        ), first + tried - 1
