"""What each command does at its edges: help, exit codes, messages. 0 done, 1 failed, 2 wrong usage, 3 unreachable."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from indexer import cli, errors
from indexer.config import ROOT, load
from indexer.store import export
from indexer.store.schema import metadata

COMMANDS = (
    "demo", "run", "index", "serve", "verify", "decode", "rebuild", "record", "status", "simulate", "export", "sql", "reader", "new-protocol",
)  # fmt: skip


def configure(folder: Path, database: str | None = None, rpc: str = "http://127.0.0.1:1") -> None:
    """Write leverage.toml with one chain."""
    line = f'database = "{database}"\n' if database else ""
    (folder / "leverage.toml").write_text(f'{line}[chain.main]\nchain_id = 1\nrpc = ["{rpc}"]\n')


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# ------------------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(leverage: Callable, command: str) -> None:
    done = leverage(command, "--help")
    assert done.code == 0 and "Usage: leverage " + command in done.out


def test_the_list_of_commands_is_complete(leverage: Callable) -> None:
    done = leverage("--help")
    assert [command for command in COMMANDS if f"{command} " not in done.out] == []
    assert {command.name or command.callback.__name__ for command in cli.app.registered_commands} == set(COMMANDS)


def test_version(leverage: Callable) -> None:
    assert leverage("--version").out.startswith("leverage 0.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("index",), "give the last block: a number, latest or finalized"),
        (("index", "--to", "soon"), "write a block number, latest or finalized"),
        (("index", "--to", "-5"), "write a block number"),
        (("index", "--replay", "nowhere"), "nowhere/chain.jsonl.gz: No such file"),
        (("record", "dir", "--from", "1"), "Missing option '--to'"),
        (("record", "dir", "--from", "9", "--to", "1"), "--to 1 is below --from 9"),
        (("verify", "--sample", "0"), "--sample"),
        (("decode",), "Missing argument"),
        (("decode", "nowhere.json"), "nowhere.json: No such file"),
        (("decode", "."), ".: Is a directory"),
        (("export", "position", "--format", "xml"), "xml"),
        (("run", "--chain", "man"), "--chain man: not in leverage.toml; did you mean 'main'?"),
        (("run", "--config", "none.toml"), "none.toml: No such file"),
        (("--config", "none.toml", "run"), "none.toml: No such file"),
    ],
)
def test_wrong_usage_is_exit_2(leverage: Callable, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    configure(tmp_path)
    done = leverage(*arguments)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_wrong_configuration_is_exit_2_with_the_line(leverage: Callable, tmp_path: Path) -> None:
    (tmp_path / "leverage.toml").write_text("[chain.main]\nchain_id = 1\nrcp = []\n")
    for command in (
        ["run"],
        ["status"],
        ["serve"],
        ["index", "--to", "5"],
        ["verify"],
        ["rebuild"],
        ["export", "position"],
    ):
        done = leverage(*command)
        assert done.code == 2
        assert "leverage.toml:3: chain.main.rcp: unknown key; did you mean 'rpc'?" in done.err


def test_without_a_configuration_run_says_what_to_write(leverage: Callable) -> None:
    done = leverage("run")
    assert done.code == 2 and "copy leverage.example.toml" in done.err


def test_a_chain_without_nodes_can_only_be_replayed(leverage: Callable, tmp_path: Path) -> None:
    (tmp_path / "leverage.toml").write_text("[chain.main]\nchain_id = 1\n")
    done = leverage("run")
    assert done.code == 2 and "no `rpc`" in done.err and "--replay" in done.err


def test_a_folder_that_is_no_recording(leverage: Callable, tmp_path: Path) -> None:
    (tmp_path / "rec").mkdir()
    with gzip.open(tmp_path / "rec" / "chain.jsonl.gz", "wt") as file:
        file.write("{}\n")
    done = leverage("index", "--replay", "rec")
    assert done.code == 2 and "is not a recording" in done.err


# ------------------------------------------------------------------------------------------------------- unreachable


def test_an_unreachable_database_is_exit_3(leverage: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.store.database.wait_for_database.__defaults__", (0.2, None))
    configure(tmp_path, f"postgresql://who:s3cret@127.0.0.1:{free_port()}/none")
    for command in (["status"], ["export", "position"], ["serve"], ["verify"], ["rebuild"]):
        done = leverage(*command)
        assert done.code == 3
        assert "cannot reach PostgreSQL at postgresql://who:***@127.0.0.1" in done.err
        assert "s3cret" not in done.err


def test_an_unreachable_node_is_exit_3(leverage: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.commands.follow.NODE_SECONDS", 0.2)
    configure(tmp_path, rpc=f"http://127.0.0.1:{free_port()}")
    for command in (["run"], ["index", "--to", "latest"], ["record", "dir", "--from", "1", "--to", "2"]):
        done = leverage(*command)
        assert done.code == 3
        assert "Check `rpc` of [chain.main]" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.BadConfig("x"), 2),
        (errors.BadRequest("x"), 2),
        (errors.NodeUnavailable("x"), 3),
        (errors.RateLimited("x"), 3),
        (errors.DatabaseUnavailable("x"), 3),
        (errors.ReorgTooDeep("x"), 1),
        (errors.MissingFact("x"), 1),
        (errors.NodeDisagrees("x", "a", "b"), 1),
    ],
)
def test_exit_codes(error: errors.LeverageError, code: int) -> None:
    assert cli.exit_code(error) == code


# ------------------------------------------------------------------------------------------------- reading a database


def test_status_of_an_empty_database(leverage: Callable, tmp_path: Path, new_database: Callable[[], str]) -> None:
    configure(tmp_path, new_database())
    done = leverage("status")
    assert done.code == 0 and "nothing is indexed yet" in done.out
    assert json.loads(leverage("status", "--json").out) == []


def test_status_shows_what_stopped(leverage: Callable, tmp_path: Path, migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO chain (chain_id, name, head_block) VALUES (1, 'main', 120)")
        error = json.dumps({"error": "DecodeError", "message": "word 3 has dirty padding", "hint": "Check the ABI"})
        connection.execute(
            "INSERT INTO cursor (chain_id, protocol, start_block, block_number, status, error) VALUES "
            "(1, 'aave_v3', 10, 99, 'stopped', %s), (1, 'morpho_blue', 10, 120, 'following', NULL)",
            [error],
        )
    configure(tmp_path, url)
    done = leverage("status")
    assert done.code == 0
    assert "word 3 has dirty padding Check the ABI" in done.out
    rows = json.loads(leverage("status", "--json").out)
    assert [(row["protocol"], row["status"], row["lag_blocks"]) for row in rows] == [
        ("aave_v3", "stopped", 21),
        ("morpho_blue", "following", 0),
    ]


@pytest.fixture
def with_tokens(tmp_path: Path, migrated_database: Callable[[], str]) -> None:
    """A database with two tokens, configured."""
    url = migrated_database()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO token (chain_id, address, block_number, symbol, decimals, kind) VALUES "
            r"(1, '\x11', 5, 'A, \"quoted\"', 18, 'plain'), (1, '\x22', 6, NULL, NULL, 'plain')"
        )
    configure(tmp_path, url)


@pytest.mark.usefixtures("with_tokens")
def test_export_csv(leverage: Callable, tmp_path: Path) -> None:
    done = leverage("export", "token")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["address"], row["decimals"]) for row in rows] == [("0x11", "18"), ("0x22", "")]
    to_file = leverage("export", "token", "--output", "tokens.csv")
    assert (tmp_path / "tokens.csv").read_text() == done.out
    assert "2 rows in tokens.csv" in to_file.err
    assert leverage("export", "token_registry").code == 0


@pytest.mark.usefixtures("with_tokens")
def test_export_parquet(leverage: Callable, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert leverage("export", "token", "--format", "parquet").code == 0
    rows = parquet.read_table(tmp_path / "token.parquet").to_pylist()
    assert [(row["address"], row["decimals"], row["chain_id"]) for row in rows] == [("0x11", 18, 1), ("0x22", None, 1)]


@pytest.mark.usefixtures("with_tokens")
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_every_documented_relation_exports(leverage: Callable, format: str) -> None:
    database = load(Path("leverage.toml")).database
    assert database is not None
    with psycopg.connect(database) as connection:
        documented = export.relations(connection)
    assert set(metadata.tables) <= set(documented) and "lending_events" in documented
    for relation in documented:
        done = leverage("export", relation, "--format", format, "--output", "out")
        assert (relation, done.code) == (relation, 0), done.err


@pytest.mark.usefixtures("with_tokens")
def test_export_of_what_is_not_there(leverage: Callable, tmp_path: Path) -> None:
    done = leverage("export", "tokn", "--output", "x.csv")
    assert done.code == 2 and "no table or view 'tokn'; did you mean 'token'?" in done.err
    assert leverage("export", "alembic_version").code == 2
    assert leverage("export", 'token"; DROP TABLE token; --').code == 2
    assert leverage("export", "token", "--output", "no/such/folder.csv").code == 2
    assert not list(tmp_path.glob("*.csv*"))


@pytest.mark.usefixtures("with_tokens")
def test_export_writes_to_a_pipe_and_through_a_link_and_replaces_neither(leverage: Callable, tmp_path: Path) -> None:
    """As root, an export to /dev/null must leave /dev/null a device."""
    expected = leverage("export", "token").out
    os.mkfifo("pipe")
    with ThreadPoolExecutor() as threads:
        read = threads.submit(Path("pipe").read_text)
        assert leverage("export", "token", "--output", "pipe").code == 0
        assert read.result(10) == expected
    assert Path("pipe").is_fifo()
    Path("there.csv").write_text("old")
    Path("link.csv").symlink_to("there.csv")
    assert leverage("export", "token", "--output", "link.csv").code == 0
    assert Path("link.csv").is_symlink() and Path("there.csv").read_text() == expected
    assert not list(tmp_path.glob("*.partial"))


# -------------------------------------------------------------------------------------------------------------- decode


def test_decode_of_bad_input_is_exit_2(leverage: Callable, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"logs": []}\nnot json\n')
    done = leverage("decode", "bad.json", "--chain", "1")
    assert done.code == 2 and "line 2: not JSON" in done.err


def test_decode_needs_a_chain(leverage: Callable, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('[{"logs": []}]')
    done = leverage("decode", "one.json")
    assert done.code == 2 and "add --chain" in done.err
    assert leverage("decode", "one.json", "--chain", "1")[:2] == (0, "")
    configure(tmp_path)
    assert leverage("decode", "one.json", "--chain", "main").code == 0


# -------------------------------------------------------------------------------------------------------- new-protocol


def test_new_protocol_makes_three_folders(leverage: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.scaffold.create.__defaults__", (tmp_path,))
    done = leverage("new-protocol", "spark_v2")
    assert done.code == 0
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {
        "indexer/protocols/spark_v2/__init__.py",
        "indexer/protocols/spark_v2/deployments.toml",
        "indexer/protocols/spark_v2/README.md",
        "abis/spark_v2/interfaces.toml",
        "tests/protocols/spark_v2/test_spark_v2.py",
    }
    names: dict[str, object] = {}
    exec((tmp_path / "indexer/protocols/spark_v2/__init__.py").read_text(), names)
    protocol = names["PROTOCOL"]
    assert (protocol.slug, protocol.project, protocol.version) == ("spark_v2", "spark", "2")  # type: ignore[attr-defined]
    again = leverage("new-protocol", "spark_v2")
    assert again.code == 2 and "is already there" in again.err


@pytest.mark.parametrize("slug", ["Spark", "../x", "a-b", "1st", "a__b", "", "_a"])
def test_new_protocol_refuses_bad_slugs(leverage: Callable, tmp_path: Path, slug: str) -> None:
    done = leverage("new-protocol", slug)
    assert done.code == 2 and "is not a slug" in done.err
    assert not (ROOT / "abis" / slug).exists() or slug in ("", "../x")
    assert not list(tmp_path.iterdir())


def test_new_protocol_suggests_a_slug(leverage: Callable) -> None:
    assert "write for example my_lender_v2" in leverage("new-protocol", "My-Lender v2").err
