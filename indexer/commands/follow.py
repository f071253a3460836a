"""run, index, record and rebuild: from nodes or a recording into the database."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from indexer.commands.context import database, stoppable
from indexer.commands.screen import Screen
from indexer.config import FILE_NAME, ChainSettings, Settings, load
from indexer.errors import BadConfig, LeverageError, NodeUnavailable
from indexer.store.database import connect

logger = logging.getLogger(__name__)

NODE_SECONDS = 10.0
"""How long a node may take to give its first answer. Later on it is waited for."""


def chosen(settings: Settings, chain: str | None) -> tuple[ChainSettings, ...]:
    """Return the chain asked for, or all."""
    if chain is None and len(settings.chain) > 1:
        return settings.chains
    return (settings.find_chain(chain),)


def follow(
    settings: Settings, chains: Sequence[ChainSettings], *, to: int | Literal["latest", "finalized"] | None = None,
    replay: Path | None = None, reindex: Sequence[str] = (),
) -> None:  # fmt: skip
    """Index chains side by side, for ever or up to `to`. One that fails does not stop the others.

    Raises  the first failure, when all have ended; Interrupted when stopped before `to` was reached
    """
    from indexer.reconcile import reconciling
    from indexer.run import follow_chain

    if replay is None:
        for chain in chains:
            _check_nodes(chain)
    failures: list[LeverageError] = []

    def one(chain: ChainSettings) -> None:
        try:
            with reconciling(chain, url, stop) if to is None and replay is None else nullcontext():
                follow_chain(chain, url, to=to, replay=replay, progress=screen, stop=stop, reindex=reindex)
        except LeverageError as error:
            if len(chains) > 1:
                logger.error("%s: %s", chain.name, error)
            failures.append(error)

    with database(settings, migrate=True) as url, stoppable() as stop, Screen() as screen:
        if len(chains) == 1:
            one(chains[0])
        else:
            threads = [threading.Thread(target=one, args=(chain,), name=chain.name) for chain in chains]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        stopped = [] if failures else _stopped(url, chains)
    if failures:
        raise failures[0]
    if stopped:
        raise Stopped("; ".join(stopped))
    if stop.is_set() and to is not None:
        raise Interrupted(f"stopped before block {to}; run the same command again to go on")


class Stopped(LeverageError):
    """A protocol met data that cannot be booked; the others went on."""

    hint = "`leverage status` shows the log; run the same command again when its cause is mended."


def _stopped(url: str, chains: Sequence[ChainSettings]) -> list[str]:
    """Return what stopped each protocol that did, as sentences."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT c.name, k.protocol, k.block_number, k.error->>'message' FROM cursor k JOIN chain c USING (chain_id) "
            "WHERE k.status = 'stopped' AND k.chain_id = ANY(%s) ORDER BY 1, 2",
            ([chain.chain_id for chain in chains],),
        ).fetchall()
    return [f"{chain}: {protocol} stopped after block {block}: {message}" for chain, protocol, block, message in rows]


class Interrupted(LeverageError):
    """Somebody stopped a command before it was done."""


def _check_nodes(chain: ChainSettings) -> None:
    """Raise at once when no node of a chain answers, instead of waiting as long as a service may."""
    from indexer.chain import open_node

    if not chain.rpc:
        at = f"[chain.{chain.name}]"
        raise BadConfig(f'{FILE_NAME}: {at} has no `rpc`; add rpc = ["${{ETH_RPC_URL}}"], or give --replay DIR')
    node = open_node(chain.rpc, chain_id=chain.chain_id, give_up_after=NODE_SECONDS)
    try:
        node.heads()
    except NodeUnavailable as error:
        error.hint = f"Check `rpc` of [chain.{chain.name}] and that the node is up."
        raise
    finally:
        node.close()


# -------------------------------------------------------------------------------------------------------- recordings


def for_replay(config: Path | None, directory: Path) -> tuple[Settings, ChainSettings]:
    """Return the settings for a recording: its own leverage.toml names its deployments where no --config is given."""
    chain_id = recorded_chain_id(directory)
    settings = load(config)
    if config is None and (directory / FILE_NAME).is_file():
        settings = settings.model_copy(update={"chain": load(directory / FILE_NAME).chain})
    for chain in settings.chains:
        if chain.chain_id == chain_id:
            return settings, chain
    return settings, ChainSettings(name=f"chain_{chain_id}", chain_id=chain_id)


def recorded_chain_id(directory: Path) -> int:
    """Return the chain id from the first line of a recording."""
    path = directory / "chain.jsonl.gz"
    try:
        with gzip.open(path) as file:
            return int(json.loads(file.readline())["meta"]["chain_id"])
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror or error}; --replay takes a folder with chain.jsonl.gz") from None
    except (ValueError, KeyError, TypeError, EOFError, zlib.error):
        raise BadConfig(f"{path}: is not a recording; make one with `leverage record`") from None


def record(settings: Settings, chain: ChainSettings, first: int, last: int, directory: Path) -> None:
    """Save a chain segment for replay: blocks and logs from the node, reads and tokens as they were indexed."""
    from indexer.chain import open_node
    from indexer.chain import record as save
    from indexer.run import Progress
    from indexer.store import reader, status

    if last < first:
        raise BadConfig(f"--to {last} is below --from {first}; swap them")
    _check_nodes(chain)
    with database(settings) as url, connect(url) as connection, Screen() as screen:
        indexed = status.migrated(connection)
        reads = reader.stored_answers(connection, chain.chain_id, first, last) if indexed else []
        tokens = status.recorded_tokens(connection, chain.chain_id) if indexed else {}
        if not reads:
            logger.warning(
                "no reads of these blocks are stored, so a replay has no prices; index them first, then record"
            )
        node = open_node(chain.rpc, chain_id=chain.chain_id, requests_per_second=chain.requests_per_second)
        try:
            told = {"protocol": ", ".join(chain.protocols or ()), "tokens": tokens}
            save(
                node, first, last, directory, reads, told,
                lambda block: screen(Progress(chain.name, first, block, last, 0)),
            )  # fmt: skip
        finally:
            node.close()


def forget(settings: Settings, chain: str | None, first: int) -> None:
    """Drop everything from a block on: for a branch that is gone deeper than the kept window."""
    from indexer.rebuild import forget as forget_chain

    with database(settings, migrate=True) as url:
        for one in chosen(settings, chain):
            forget_chain(one, url, first)


def rebuild(settings: Settings, chain: str | None, first: int | None) -> None:
    """Make the derived tables again from kept truth, chain after chain."""
    from indexer.rebuild import rebuild as rebuild_chain

    chains = chosen(settings, chain)
    with database(settings, migrate=True) as url, stoppable() as stop, Screen() as screen:
        for one in chains:
            rebuild_chain(one, url, from_block=first, progress=screen, stop=stop)
    if stop.is_set():
        raise Interrupted("stopped before the end; run the same command again, or `leverage run` with a node")
