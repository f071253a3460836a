"""The API over a whole world, as in `tests/api`."""

from tests.api.conftest import client, whole_world

__all__ = ["client", "whole_world"]
