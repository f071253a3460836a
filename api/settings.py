"""What the API has to be told. `leverage serve` fills it in; `api.main.from_environment` reads it back in each worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from indexer.errors import BadConfig

PREFIX = "LEVERAGE_API_"


def _yes(text: str) -> bool:
    """Read True or False as `environment` writes them, or 1 and 0."""
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


READERS: dict[str, Callable[[str], str | int | float | bool]] = {"str": str, "int": int, "float": float, "bool": _yes}


@dataclass(frozen=True, slots=True)
class Settings:
    """`database` is a PostgreSQL URL. The rest are bounds, and their defaults suit one machine.

    `requests_per_minute` is for callers without a key, 0 for no limit; `cors_origins` is comma-separated, `*` for all;
    `ready_lag_seconds` is how old the indexed block may be before `/readyz` says no, 0 for any age.
    """

    database: str
    pool_size: int = 8
    pool_wait_seconds: float = 5.0
    statement_timeout_ms: int = 5_000
    max_body_bytes: int = 1 << 20
    max_waiting_requests: int = 1_000
    max_streams: int = 1_000
    poll_seconds: float = 0.1
    require_key: bool = False
    requests_per_minute: int = 0
    cors_origins: str = ""
    ready_lag_seconds: int = 0

    def environment(self) -> dict[str, str]:
        """Return the environment variables that `from_environment` reads."""
        return {PREFIX + field.name.upper(): str(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Settings:
        """Read settings from environment variables, refusing what is missing or not a number."""
        found: dict[str, str | int | float | bool] = {}
        for field in fields(Settings):
            name = PREFIX + field.name.upper()
            if name not in environment:
                continue
            kind = READERS[str(field.type)]
            try:
                found[field.name] = kind(environment[name])
            except (ValueError, KeyError) as error:
                raise BadConfig(f"{name}={environment[name]!r} is not of type {field.type}") from error
        if "database" not in found:
            raise BadConfig(
                f"{PREFIX}DATABASE is not set; write a PostgreSQL URL, or start the API with `leverage serve`"
            )
        return Settings(**found)  # type: ignore[arg-type]
