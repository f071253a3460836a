"""A chain of one's own to write logs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.protocols.synthetix_perps_v2.by_hand import Chain


@pytest.fixture
def chain(tmp_path: Path, migrated_database: Callable[[], str]) -> Iterator[Chain]:
    yield Chain(tmp_path, migrated_database())
