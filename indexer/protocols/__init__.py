"""Protocol adapters, one folder each. This file finds them; nothing else lives here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from indexer.protocol import Protocol

FOLDER = Path(__file__).parent


@cache
def discover() -> Mapping[str, Protocol]:
    """Return every adapter by slug: each folder here with a `PROTOCOL`."""
    slugs = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))
    found = {slug: import_module(f"{__name__}.{slug}").PROTOCOL for slug in slugs}
    for slug, protocol in found.items():
        if protocol.slug != slug:
            raise AssertionError(f"indexer/protocols/{slug} declares the slug {protocol.slug!r}")
    return found


@cache
def deployments(slug: str) -> tuple[dict[str, Any], ...]:
    """Return the entries of a protocol's `deployments.toml`."""
    path = FOLDER / slug / "deployments.toml"
    return tuple(tomllib.loads(path.read_text()).get("deployment", ())) if path.is_file() else ()
