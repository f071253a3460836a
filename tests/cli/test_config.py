"""leverage.toml: what is accepted, and what each mistake is told: line, key, what is wrong, what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from indexer.config import ROOT, Settings, known_protocols, load, parse
from indexer.errors import BadConfig

KNOWN = {"aave_v3": {"Pool", "PoolAddressesProvider", "AaveOracle"}, "morpho_blue": {"Morpho"}, "my_fork": set[str]()}

CHAIN = "[chain.main]\nchain_id = 1\n"
DEPLOYMENT = '[[chain.main.deployment]]\nprotocol = "aave_v3"\nname = "a"\nstart_block = 1\n'
RIGHT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an example of EIP-55
WRONG = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"


def settings(text: str) -> Settings:
    return parse(text, Path("leverage.toml"), KNOWN)


MISTAKES = {
    "unknown top key": ('databse = "x"\n', "1: databse: unknown key; did you mean 'database'?"),
    "unknown chain key": (CHAIN + "protcols = []\n", "3: chain.main.protcols: unknown key; did you mean 'protocols'?"),
    "unknown api key": ("[api]\nhots = 1\n", "2: api.hots: unknown key; did you mean 'host'?"),
    "unknown key far from any": ("[api]\nxyz = 1\n", "2: api.xyz: unknown key; write one of: cors_origins, host, port, ready_lag_seconds, requests_per_minute, require_key, workers"),
    "unknown deployment key": (
        CHAIN + DEPLOYMENT + f'contracts = {{ Pool = "{RIGHT}" }}\nstrat_block = 1\n',
        "8: chain.main.deployment[0].strat_block: unknown key; did you mean 'start_block'?",
    ),
    "name in the table": (CHAIN + 'name = "x"\n', "3: chain.main.name: unknown key"),
    "file key": ('file = "x"\n', "file: unknown key"),
    "missing chain id": ("[chain.main]\nrpc = []\n", "1: chain.main.chain_id: is missing; add the line `chain_id = ...`"),
    "chain id as text": ('[chain.main]\nchain_id = "1"\n', "2: chain.main.chain_id: must be a whole number"),
    "chain id as boolean": ("[chain.main]\nchain_id = true\n", "2: chain.main.chain_id: must be a whole number"),
    "chain id zero": ("[chain.main]\nchain_id = 0\n", "2: chain.main.chain_id: must be at least 1"),
    "two chains of one id": (CHAIN + "[chain.other]\nchain_id = 1\n", "4: chain.other.chain_id: 1 is already the id of"),
    "capital chain name": ("[chain.Main]\nchain_id = 1\n", "1: chain.Main.name: may hold lower-case letters"),
    "chain is no table": ("chain = 5\n", "1: chain: must be a table"),
    "rpc not a list": (CHAIN + 'rpc = "http://x"\n', '3: chain.main.rpc: must be a list; write it in brackets: ["..."]'),
    "rpc is a WebSocket": (CHAIN + 'rpc = ["wss://x"]\n', "3: chain.main.rpc[0]: is not a URL that begins with https://"),
    "ws is HTTP": (CHAIN + 'ws = ["https://x"]\n', "3: chain.main.ws[0]: is not a URL that begins with wss://"),
    "second rpc on its own line": (CHAIN + 'rpc = [\n"http://x",\n"y"]\n', "3: chain.main.rpc[1]: is not a URL"),
    "database of another kind": ('database = "mysql://x"\n', "1: database: is not a URL that begins with postgresql://"),
    "unknown protocol": (CHAIN + 'protocols = ["aav_v3"]\n', "3: chain.main.protocols[0]: unknown protocol 'aav_v3'; did you mean 'aave_v3'?"),
    "unknown protocol far from any": (CHAIN + 'protocols = ["zzz"]\n', "write one of: aave_v3, morpho_blue, my_fork"),
    "poll too short": (CHAIN + "poll_seconds = 0\n", "3: chain.main.poll_seconds: must be at least 0.01"),
    "no requests": (CHAIN + "requests_per_second = 0\n", "3: chain.main.requests_per_second: must be more than 0"),
    "negative block": (CHAIN + "start_block = -1\n", "3: chain.main.start_block: must be at least 0"),
    "bad interval": (CHAIN + 'snapshot_interval = "1w"\n', "3: chain.main.snapshot_interval: write one of: '1d' or '1h'"),
    "port too high": ("[api]\nport = 70000\n", "2: api.port: must be at most 65535"),
    "wrong checksum": (
        CHAIN + DEPLOYMENT + f'contracts = {{ Pool = "{WRONG}" }}\n',
        f"7: chain.main.deployment[0].contracts.Pool: {WRONG} has a wrong checksum, a digit may be mistyped; "
        f"if the digits are right write {RIGHT}",
    ),
    "capital address": (CHAIN + DEPLOYMENT + f'contracts = {{ Pool = "0x{RIGHT[2:].upper()}" }}\n', "has a wrong checksum"),
    "short address": (CHAIN + DEPLOYMENT + 'contracts = { Pool = "0x12" }\n', "'0x12' is not an address; write 0x and 40"),
    "zero address": (CHAIN + DEPLOYMENT + f'contracts = {{ Pool = "0x{"0" * 40}" }}\n', "the zero address is no contract"),
    "unknown contract": (
        CHAIN + DEPLOYMENT + f'contracts = {{ Poool = "{RIGHT}" }}\n',
        "7: chain.main.deployment[0].contracts.Poool: aave_v3 has no contract of that name; did you mean 'Pool'?",
    ),
    "no contracts": (CHAIN + DEPLOYMENT + "contracts = {}\n", "7: chain.main.deployment[0].contracts: must not be empty"),
    "second deployment at fault": (
        CHAIN + (DEPLOYMENT + f'contracts = {{ Pool = "{RIGHT}" }}\n') * 2,
        "10: chain.main.deployment[1].name: a second aave_v3 deployment called 'a'; rename one",
    ),
    "deployment of a protocol left out": (
        CHAIN + 'protocols = ["morpho_blue"]\n' + DEPLOYMENT + f'contracts = {{ Pool = "{RIGHT}" }}\n',
        "5: chain.main.deployment[0].protocol: 'aave_v3' is not in this chain's `protocols`; add it there",
    ),
    "not TOML": (CHAIN + "x = = 1\n", "3: not valid TOML"),
    "TOML cut off": ("[chain.main", "not valid TOML"),
    "undefined variable": (CHAIN + 'rpc = ["${NOT_SET_ANYWHERE}"]\n', "3: chain.main.rpc[0]: the environment variable NOT_SET_ANYWHERE is not set"),
    "empty variable": (CHAIN + 'rpc = ["${EMPTY}"]\n', "3: chain.main.rpc[0]: the environment variable EMPTY is empty"),
    "no variable": (CHAIN + 'rpc = ["${a b}"]\n', "3: chain.main.rpc[0]: ${a b} does not name an environment variable"),
    "open brace": (CHAIN + 'rpc = ["${KEY"]\n', "3: chain.main.rpc[0]: ${KEY does not name an environment variable"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_to_write(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    text, told = MISTAKES[mistake]
    with pytest.raises(BadConfig) as error:
        settings(text)
    assert told in str(error.value)
    assert str(error.value).startswith("leverage.toml:")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(BadConfig) as error:
        settings("[api]\nport = -1\n[chain.main]\nrpc = 1\nprotcols = 1\n")
    assert re.findall(r"^leverage.toml:(\d+)", str(error.value), re.MULTILINE) == ["2", "3", "4", "5"]


def test_a_secret_is_taken_from_the_environment_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPC_KEY", "s3cret")
    assert settings(CHAIN + 'rpc = ["https://node/${RPC_KEY}"]\n').chain["main"].rpc == ("https://node/s3cret",)
    with pytest.raises(BadConfig) as error:
        settings(CHAIN + 'rpc = ["ftp://node/${RPC_KEY}"]\n')
    assert "s3cret" not in str(error.value)


def test_addresses_are_lower_case_and_checksums_optional() -> None:
    for written in (RIGHT, RIGHT.lower()):
        chain = settings(CHAIN + DEPLOYMENT + f'contracts = {{ Pool = "{written}" }}\n').chain["main"]
        assert chain.deployment[0].contracts == {"Pool": RIGHT.lower()}


def test_a_fork_without_abis_of_its_own_may_name_any_contract() -> None:
    fork = DEPLOYMENT.replace("aave_v3", "my_fork") + f'contracts = {{ Whatever = "{RIGHT}" }}\n'
    assert settings(CHAIN + fork).chain["main"].deployment[0].protocol == "my_fork"


def test_defaults_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEVERAGE_DATABASE_URL", raising=False)
    found = load()
    assert found.chains == () and found.database is None
    assert found.data_dir == tmp_path / "leverage-data"
    with pytest.raises(BadConfig, match=r"no chain is configured; copy leverage\.example\.toml"):
        found.find_chain(None)


def test_a_database_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer looks at the demo's database before there is a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVERAGE_DATABASE_URL", "postgresql://somewhere/demo")
    assert load().database == "postgresql://somewhere/demo"
    monkeypatch.setenv("LEVERAGE_DATABASE_URL", "")
    assert load().database is None
    (tmp_path / "leverage.toml").write_text("")
    monkeypatch.setenv("LEVERAGE_DATABASE_URL", "postgresql://somewhere/demo")
    assert load().database is None, "a file says it all"


def test_data_dir_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "leverage.toml").write_text('data_dir = "here"\n')
    assert load(tmp_path / "leverage.toml").data_dir == tmp_path / "here"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_chains_are_found_by_name_and_by_id() -> None:
    found = settings(CHAIN + "[chain.other]\nchain_id = 8453\n")
    assert found.find_chain("8453") is found.find_chain("other") is found.chains[1]
    with pytest.raises(BadConfig, match="several chains are configured; add --chain with one of: main, other"):
        found.find_chain(None)
    with pytest.raises(BadConfig, match="did you mean 'other'"):
        found.find_chain("othr")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings(CHAIN).chain["main"].chain_id = 2  # type: ignore[misc]


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_example_is_valid_and_shows_every_key(uncommented: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETH_RPC_URL", "https://node")
    monkeypatch.setenv("ETH_WS_URL", "wss://node")
    monkeypatch.setenv("LEVERAGE_DATABASE_URL", "postgresql://host/database")
    text = (ROOT / "leverage.example.toml").read_text()
    if uncommented:
        text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    found = parse(text, ROOT / "leverage.example.toml", known_protocols())
    if uncommented:
        given = found.model_fields_set | found.api.model_fields_set | found.chains[0].model_fields_set
        given |= found.chains[0].deployment[0].model_fields_set
        models = (Settings, type(found.api), type(found.chains[0]), type(found.chains[0].deployment[0]))
        assert {name for model in models for name in model.model_fields} - {"file"} <= given
