"""The API over a whole world, as in `tests/api`."""

from tests.api.conftest import client, server, template, template_full

__all__ = ["client", "server", "template", "template_full"]
