"""Logs read above finality, remembered until they have been read a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.types import Watch


@dataclass(frozen=True, slots=True)
class Unproven:
    """Logs read above the finalized block: read again, and compared, when their blocks become final."""

    first: int
    last: int
    watch: Watch
    logs: frozenset[tuple[int, int, str, str]]

    def upto(self, last: int) -> Unproven:
        return Unproven(self.first, last, self.watch, frozenset(key for key in self.logs if key[0] <= last))

    def above(self, last: int) -> Unproven:
        return Unproven(last + 1, self.last, self.watch, frozenset(key for key in self.logs if key[0] > last))


def joined(pieces: Sequence[Unproven]) -> list[Unproven]:
    """Join neighbours that were asked with the same watch, so that one question proves them all."""
    found: list[Unproven] = []
    for piece in pieces:
        if found and found[-1].watch == piece.watch and found[-1].last + 1 == piece.first:
            found[-1] = Unproven(found[-1].first, piece.last, piece.watch, found[-1].logs | piece.logs)
        else:
            found.append(piece)
    return found
