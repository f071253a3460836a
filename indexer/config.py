"""leverage.toml: what a user decides, read once into frozen settings.

Secrets   only as ${NAME}, taken from the environment; an undefined one is an error
Errors    `BadConfig` lists every problem as `file:line: key: what is wrong, what to write instead`
Omits     what is true of the world (addresses, start blocks): data in the repository, `protocols/<slug>/deployments.toml`
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from indexer.config_problems import Problem, Source, explain, substitute, suggest
from indexer.errors import BadConfig

FILE_NAME = "leverage.toml"
DATABASE_VARIABLE = "LEVERAGE_DATABASE_URL"
DATA_DIR = "leverage-data"
ROOT = Path(__file__).resolve().parents[1]

Known = Mapping[str, Collection[str]]
"""Protocol slug to the names of its ABI files: what `protocols` and `contracts` may say."""


def known_protocols() -> dict[str, frozenset[str]]:
    """Return the protocols of this checkout by folder name, without importing one."""
    adapters = (ROOT / "indexer" / "protocols").glob("*/__init__.py")
    return {
        slug: frozenset(abi.stem for abi in (ROOT / "abis" / slug).glob("*.json"))
        for slug in sorted(adapter.parent.name for adapter in adapters)
    }


# ------------------------------------------------------------------------------------------------- kinds of values


def _url(*schemes: str, otherwise: str = "") -> AfterValidator:
    def check(url: str) -> str:
        if urlsplit(url).scheme not in schemes:
            raise ValueError(f"is not a URL that begins with {'://, '.join(schemes)}://{otherwise}")
        return url

    return AfterValidator(check)


def _address(text: str) -> str:
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise ValueError(f"{text!r} is not an address; write 0x and 40 hex digits")
    if int(text, 16) == 0:
        raise ValueError("the zero address is no contract; write the contract's address or leave the name out")
    if text != text.lower():
        from eth_utils.address import to_checksum_address  # 0.2 s to import: only when a checksum is there to check

        right = to_checksum_address(text.lower())
        if text != right:
            raise ValueError(
                f"{text} has a wrong checksum, a digit may be mistyped; if the digits are right write {right}"
            )
    return text.lower()


NodeUrl = Annotated[str, _url("https", "http", otherwise="; WebSocket addresses go to the key `ws`")]
SocketUrl = Annotated[str, _url("wss", "ws", otherwise="; HTTP addresses go to the key `rpc`")]
DatabaseUrl = Annotated[str, _url("postgresql", "postgres", "postgresql+psycopg")]
Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Block = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


_T = TypeVar("_T")
Several = Annotated[tuple[_T, ...], Field(strict=False)]
"""A TOML list, kept as a tuple."""


# --------------------------------------------------------------------------------------------------------- settings


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DeploymentSettings(_Model):
    """A deployment that the repository does not list. Addresses are lower case from here on."""

    protocol: str
    name: Name
    start_block: Block
    contracts: dict[str, Address] = Field(min_length=1)
    version: str | None = None
    """The contracts' version, e.g. "3.0.2", where it cannot be read from the chain."""


class ChainSettings(_Model):
    """One chain to follow. `name` is the table's name in the file."""

    name: Name = Field(exclude=True)
    chain_id: Count
    rpc: Several[NodeUrl] = ()
    """JSON-RPC addresses in order of preference; none is needed to replay a recording."""
    ws: Several[SocketUrl] = ()
    """WebSocket addresses that announce new blocks; without one the head is polled."""
    start_block: Block | None = None
    protocols: Several[str] | None = None
    """None: all that are deployed there."""
    deployment: Several[DeploymentSettings] = ()
    poll_seconds: float = Field(default=2.0, ge=0.01, le=600, strict=False)
    finality_depth: Count = 64
    """Blocks under the head that count as final, for chains without a `finalized` tag."""
    all_headers: bool | None = None
    """Keep the header of every block, also of those without a log. None: where there are at most 200,000 to fetch."""
    wallet_flows: bool | None = None
    """Keep the Transfer logs of the tokens that markets name. None: on chains of at most 200,000 blocks and recordings."""
    double_read: bool = True
    """Read the logs of finalized ranges twice before they count; off where requests are dear and the node is trusted."""
    prefetch: Annotated[int, Field(ge=1, le=64)] = 8
    """Block ranges fetched ahead of the ledger."""
    max_block_range: Count | None = None
    """Most blocks a request may ask for. None: found by trying."""
    requests_per_second: float | None = Field(default=None, gt=0, strict=False)
    """Limit for each node. None: as fast as it answers."""
    price_interval_blocks: Count = 300
    """How often oracle prices are read during backfill; at the head, at every block."""
    snapshot_interval: Literal["1d", "1h"] = "1d"
    """Rhythm of the stored metric history."""
    reconcile_seconds: float = Field(default=3600, ge=0, strict=False)
    """How often `leverage run` compares a random sample of balances with the contracts at the head. 0: never."""

    def follows(self, protocol: str) -> bool:
        """Say whether `protocol` is to be indexed on this chain."""
        return self.protocols is None or protocol in self.protocols


class ApiSettings(_Model):
    """Where the HTTP API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share the port."""
    require_key: bool = False
    """Answer only to callers with a key of `leverage key create`."""
    requests_per_minute: Count | None = None
    """Limit for each address without a key, in each process. None: none."""
    cors_origins: Several[str] = ()
    """Origins whose pages may read answers, e.g. "https://example.org"; "*" for all."""
    ready_lag_seconds: Count | None = None
    """How old the indexed block may be before `/readyz` says no. None: any age."""


class Settings(_Model):
    """The whole file. Frozen; passed down from `cli` and the API's app factory, never looked up."""

    database: DatabaseUrl | None = None
    """PostgreSQL to use. None: an embedded one in `data_dir`."""
    data_dir: Path = Field(default=Path(DATA_DIR), strict=False)
    """Relative to the file's folder."""
    api: ApiSettings = ApiSettings()
    chain: dict[str, ChainSettings] = {}
    file: Path | None = Field(default=None, exclude=True)
    """Where the settings came from; None: defaults. Not a key of the file."""

    @property
    def chains(self) -> tuple[ChainSettings, ...]:
        """Return the chains in the order of the file."""
        return tuple(self.chain.values())

    def find_chain(self, name_or_id: str | None) -> ChainSettings:
        """Return the chain of that name or id; with None the only one there is."""
        if not self.chain:
            raise BadConfig(
                f"{self.file or FILE_NAME}: no chain is configured; copy leverage.example.toml and fill in [chain.<name>]"
            )
        if name_or_id is None:
            if len(self.chain) == 1:
                return self.chains[0]
            raise BadConfig(f"several chains are configured; add --chain with one of: {', '.join(self.chain)}")
        for chain in self.chains:
            if name_or_id in (chain.name, str(chain.chain_id)):
                return chain
        raise BadConfig(f"--chain {name_or_id}: not in {self.file or FILE_NAME}{suggest(name_or_id, self.chain)}")


# ---------------------------------------------------------------------------------------------------------- reading


def load(path: Path | None = None, known: Known | None = None) -> Settings:
    """Read the configuration.

    `path` None means `leverage.toml` in the current folder, or defaults without a chain where there is none; the database is then
    what LEVERAGE_DATABASE_URL says, if it is set.
    Raises `BadConfig` that names every line at fault.
    """
    if path is None:
        path = Path(FILE_NAME)
        if not path.exists():
            return Settings(data_dir=Path.cwd() / DATA_DIR, database=os.environ.get(DATABASE_VARIABLE) or None)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadConfig(
            f"{path}: {error.strerror}; copy leverage.example.toml or give another file with --config"
        ) from None
    except UnicodeDecodeError:
        raise BadConfig(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return parse(text, path, known_protocols() if known is None else known)


def parse(text: str, path: Path, known: Known) -> Settings:
    """Check the text of a configuration file and return its settings. `path` is for messages and relative paths."""
    source = Source(path, text)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise source.bad([Problem((), f"not valid TOML: {error}", source.line_in(str(error)))]) from None
    tree, problems = substitute(tree)
    if problems:
        raise source.bad(problems)
    chains = tree.get("chain")
    for name, chain in chains.items() if isinstance(chains, dict) else ():
        if isinstance(chain, dict) and chain.setdefault("name", name) != name:
            problems.append(Problem(("chain", name, "name"), f"unknown key; the header [chain.{name}] names the chain"))
    if tree.pop("file", None) is not None:
        problems.append(Problem(("file",), "unknown key; remove it"))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise source.bad([*problems, *explain(error, Settings)]) from None
    problems += [problem for chain in settings.chains for problem in _contradictions(chain, settings, known)]
    if problems:
        raise source.bad(problems)
    folder = path.resolve().parent
    return settings.model_copy(update={"file": path, "data_dir": folder / settings.data_dir.expanduser()})


class _Named(NamedTuple):
    protocol: str
    name: str


def _contradictions(chain: ChainSettings, settings: Settings, known: Known) -> list[Problem]:
    """Return what is wrong with a chain whose every single value is well formed."""
    at = ("chain", chain.name)
    problems: list[Problem] = []
    twins = [other.name for other in settings.chains if other.chain_id == chain.chain_id]
    if twins[0] != chain.name:
        problems.append(
            Problem((*at, "chain_id"), f"{chain.chain_id} is already the id of [chain.{twins[0]}]; keep one of the two")
        )
    for n, slug in enumerate(chain.protocols or ()):
        if slug not in known:
            problems.append(Problem((*at, "protocols", n), f"unknown protocol {slug!r}{suggest(slug, known)}"))
    seen: set[_Named] = set()
    for n, deployment in enumerate(chain.deployment):
        here = (*at, "deployment", n)
        slug = deployment.protocol
        if slug not in known:
            problems.append(Problem((*here, "protocol"), f"unknown protocol {slug!r}{suggest(slug, known)}"))
            continue
        if not chain.follows(slug):
            problems.append(Problem((*here, "protocol"), f"{slug!r} is not in this chain's `protocols`; add it there"))
        if (named := _Named(slug, deployment.name)) in seen:
            problems.append(
                Problem((*here, "name"), f"a second {slug} deployment called {deployment.name!r}; rename one")
            )
        seen.add(named)
        for contract in deployment.contracts:
            if known[slug] and contract not in known[slug]:
                wrong = f"{slug} has no contract of that name{suggest(contract, known[slug])}"
                problems.append(Problem((*here, "contracts", contract), wrong))
    return problems
