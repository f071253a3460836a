"""Wallet flows: which Transfer logs are ERC-20 transfers, and from which block on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg

from indexer.ledger.flows import TRANSFER, transfer_rows, watched_tokens
from indexer.run import follow_chain
from indexer.types import Logs
from tests.replay.test_recordings import DEMO, settings_of

TOKEN, NFT, OTHER = ("0x" + digit * 40 for digit in "abc")
FROM, TO = "0x" + "0" * 24 + "1" * 40, "0x" + "0" * 24 + "2" * 40
ONE = "0x" + f"{1:064x}"


def logs(*entries: tuple[int, int, str, tuple[str, ...], str]) -> Logs:
    found = Logs()
    for block, log, address, topics, data in entries:
        for column, value in zip(
            found.columns(), (block, log, 0, "0x" + "d" * 64, "", address, topics, data, 0), strict=True
        ):
            column.append(value)
    return found


def test_only_erc20_transfers_of_watched_tokens_from_their_block_on() -> None:
    batch = logs(
        (4, 0, TOKEN, (TRANSFER, FROM, TO), ONE),  # before the token was named
        (5, 0, TOKEN, (TRANSFER, FROM, TO), ONE),
        (5, 1, TOKEN, (TRANSFER, FROM, TO, ONE), "0x"),  # ERC-721: the id is a fourth topic
        (5, 2, TOKEN, (TRANSFER, FROM, TO), "0x"),  # no amount
        (5, 3, TOKEN, (TRANSFER,), ONE + FROM[2:] + TO[2:]),  # nothing indexed
        (5, 4, OTHER, (TRANSFER, FROM, TO), ONE),  # not watched
        (5, 5, TOKEN, ("0x" + "e" * 64, FROM, TO), ONE),  # another event
        (5, 6, TOKEN, (), ONE),
    )
    rows = transfer_rows([batch, batch], {TOKEN: 5, NFT: 0})
    assert rows == [(5, 0, 0, "0x" + "d" * 64, TOKEN, "0x" + "1" * 40, "0x" + "2" * 40, 1)]


def test_debt_tokens_and_native_coins_do_not_move_between_wallets() -> None:
    rows = [
        (TOKEN, 3, "A", 18, "plain", None, None),
        (OTHER, 3, "vA", 18, "debt_token", "aave", TOKEN),
        ("0x" + "e" * 40, 3, "ETH", 18, "plain", None, None),
    ]
    assert watched_tokens(rows) == {TOKEN: 3}


def test_every_transfer_of_the_demo_chain_is_kept_as_the_node_told_it(indexed_database: Callable[[Path], str]) -> None:
    """Counted from the recording's own lines, of each token from the block in which a market first named it."""
    url = indexed_database(DEMO)
    with psycopg.connect(url) as connection:
        since = dict(
            connection.execute(
                "SELECT hex(address), min(block_number) FROM contract WHERE kind = 'WalletToken' GROUP BY 1"
            )
        )
        stored = set(connection.execute("SELECT block_number, log_index, hex(token), amount_raw FROM token_transfer"))
    expected = set()
    for block in lines(DEMO):
        for log in block:
            number, topics = int(log["blockNumber"], 16), log["topics"]
            if topics and topics[0] == TRANSFER and len(topics) == 3 and number >= since.get(log["address"], 1 << 60):
                expected.add((number, int(log["logIndex"], 16), log["address"], int(log["data"], 16)))
    assert stored == expected and len(stored) > 1_500


def lines(folder: Path) -> list[list[dict[str, str]]]:
    import gzip

    with gzip.open(folder / "chain.jsonl.gz", "rt") as text:
        return [entry["logs"] for entry in map(json.loads, text) if "logs" in entry]


def test_the_setting_decides_and_a_begun_protocol_keeps_its_choice(migrated_database: Callable[[], str]) -> None:
    url, chain = migrated_database(), settings_of(DEMO)
    without = chain.model_copy(update={"wallet_flows": False})
    follow_chain(without, url, to=150, replay=DEMO)
    follow_chain(chain.model_copy(update={"wallet_flows": True}), url, to=200, replay=DEMO)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM token_transfer").fetchone() == (0,)
    follow_chain(chain, url, to=200, replay=DEMO, reindex=[one.protocol for one in chain.deployment])
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT min(block_number) < 150, max(block_number) <= 200 FROM token_transfer"
        ).fetchone()
    assert found == (True, True)
