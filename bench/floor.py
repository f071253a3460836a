"""The floor: the work every backfill has to do, measured on this machine, with this node and this PostgreSQL.

Five parts over the same chain, one range at a time, one connection, one thread:

* transfer: ``eth_getLogs`` over HTTP keep-alive (urllib3), body read in full;
* parse: msgspec into typed structs of the fields an indexer needs;
* decode: static words of the data sliced into integers, indexed topics into addresses;
* rows: the bytes that ``COPY`` takes, one raw row and one event row a log (or the tables asked for);
* copy: ``COPY`` into tables with primary keys, one transaction a range, default durability.

No ledger, no reorg checks, no cursor; Python's cycle collector is off, as nothing here makes cycles.
Seconds are wall time of each part; they add up to the run. It is a
yardstick, not a bound: a backfill that overlaps the database's work with its own can be faster than the sum.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import urllib3
from psycopg import sql

from bench.chain_generator import GeneratedChain, load
from bench.replay_node import ROOT, ReplayNode

DEFAULT_ROWS: tuple[tuple[str, float], ...] = (("raw_log", 1.0), ("event", 1.0))
"""Tables and rows a log; ``raw_log`` has the raw shape and always a row a log, any other name the event shape."""

_RAW_DDL = (
    "(chain_id bigint NOT NULL, block_number bigint NOT NULL, log_index integer NOT NULL, block_hash bytea NOT NULL,"
    " tx_hash bytea NOT NULL, tx_index integer NOT NULL, address bytea NOT NULL, topic0 bytea, topic1 bytea,"
    " topic2 bytea, topic3 bytea, data bytea NOT NULL, PRIMARY KEY (chain_id, block_number, log_index))"
)
_EVENT_DDL = (
    "(chain_id bigint NOT NULL, block_number bigint NOT NULL, log_index integer NOT NULL, part integer NOT NULL,"
    " event text NOT NULL, contract text NOT NULL, account text, amount_raw numeric(78,0), index_raw numeric(78,0),"
    " PRIMARY KEY (chain_id, block_number, log_index, part))"
)


class Log(msgspec.Struct, gc=False):
    """The fields of a log entry that an indexer needs."""

    address: str
    topics: tuple[str, ...]
    data: str
    blockNumber: str
    transactionHash: str
    transactionIndex: str
    blockHash: str
    logIndex: str


class Answer(msgspec.Struct, gc=False):
    """An ``eth_getLogs`` answer."""

    result: list[Log]


PARTS = ("transfer", "parse", "decode", "rows", "copy")

Event = tuple[int, int, str, str, str, bytes, list[int]]
"""Block number, log index, topic0, emitter, last indexed word, data, words of the data."""


@dataclass(slots=True)
class Clock:
    """Wall seconds by part."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    at: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        """Book the time since the last lap."""
        now = time.perf_counter()
        self.seconds[part] += now - self.at
        self.at = now


class _Fields(dict[str, bytes]):
    """0x text to a length-prefixed binary COPY field, each distinct text converted once."""

    def __missing__(self, text: str) -> bytes:
        raw = bytes.fromhex(text[2:])
        made = self[text] = len(raw).to_bytes(4, "big") + raw
        return made


def decode(logs: list[Log]) -> list[Event]:
    """Integers of every static word of every log."""
    events: list[Event] = []
    for log in logs:
        topics, data = log.topics, bytes.fromhex(log.data[2:])
        words = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data) - 31, 32)]
        account = "0x" + topics[-1][26:]
        events.append((int(log.blockNumber, 16), int(log.logIndex, 16), topics[0], log.address, account, data, words))
    return events


_NUMBERS = struct.Struct(">hiqiqii").pack
_INT4 = struct.Struct(">ii").pack
_NULLS = tuple(b"\xff\xff\xff\xff" * (4 - n) for n in range(5))


def raw_rows(chain_id: int, logs: list[Log], events: list[Event]) -> bytes:
    """Binary COPY of the raw rows of a range."""
    known = _Fields()
    rows = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    for log, (block, index, _, address, _, data, _) in zip(logs, events, strict=True):
        topics = log.topics
        rows += (
            _NUMBERS(12, 8, chain_id, 8, block, 4, index),
            known[log.blockHash],
            known[log.transactionHash],
            _INT4(4, int(log.transactionIndex, 16)),
            known[address],
            *[known[topic] for topic in topics],
            _NULLS[len(topics)],
            len(data).to_bytes(4, "big"),
            data,
        )
    rows.append(b"\xff\xff")
    return b"".join(rows)


def event_rows(chain_id: int, events: list[Event], count: int, total: int) -> bytes:
    """COPY text of so many event rows, taken round from the events of the range."""
    rows = []
    for n in range(count):
        part, at = divmod(n, total)
        block, index, first, address, account, _, words = events[at]
        amount = words[0] if words else "\\N"
        last = words[-1] if words else "\\N"
        rows.append(f"{chain_id}\t{block}\t{index}\t{part}\t{first[:10]}\t{address}\t{account}\t{amount}\t{last}\n")
    return "".join(rows).encode()


def _ranges(head: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, head + 1, step):
        yield start, min(start + step - 1, head)


def run(
    chain: GeneratedChain,
    node: ReplayNode,
    pg_uri: str,
    *,
    step: int = 500,
    rows: Sequence[tuple[str, int]] | None = None,
    schema: str = "bench_floor",
) -> dict[str, Any]:
    """Measure the floor in this process.

    ``step`` is blocks a getLogs call; ``rows`` is (table, number of rows) to copy instead of one raw and one event
    row a log, spread evenly over the ranges; ``schema`` is dropped, made, filled and dropped again. The result has
    seconds by part, their sum, logs per second, peak resident MiB of this process and the node's CPU seconds.
    Call ``isolated`` for a memory figure that nothing else in the caller's process disturbs.
    """
    tables = [(name, count / max(1, chain.logs)) for name, count in rows] if rows is not None else list(DEFAULT_ROWS)
    http = urllib3.PoolManager(maxsize=1)
    parser = msgspec.json.Decoder(Answer)
    node_before = node.stats()["cpu_seconds"]
    copied = dict.fromkeys((name for name, _ in tables), 0)
    seen = size = 0
    with psycopg.connect(pg_uri, autocommit=True) as db:
        _make(db, schema, [name for name, _ in tables])
        statements = {
            name: sql.SQL("COPY {} FROM STDIN {}").format(
                sql.Identifier(schema, name), sql.SQL("BINARY" if name == "raw_log" else "")
            )
            for name in copied
        }
        collecting = gc.isenabled()
        gc.disable()
        cpu_before = time.process_time()
        clock = Clock()
        for start, end in _ranges(chain.head, step):
            query = {"fromBlock": hex(start), "toBlock": hex(end)}
            call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]}
            body = http.request("POST", node.url, body=msgspec.json.encode(call)).data
            clock.lap("transfer")
            logs = parser.decode(body).result
            clock.lap("parse")
            events = decode(logs)
            clock.lap("decode")
            seen += len(logs)
            size += len(body)
            blocks: dict[str, bytes] = {}
            for name, share in tables:
                count = len(logs) if name == "raw_log" else round(seen * share) - copied[name] if events else 0
                copied[name] += count
                if name == "raw_log":
                    blocks[name] = raw_rows(chain.chain_id, logs, events)
                else:
                    blocks[name] = event_rows(chain.chain_id, events, count, len(events))
            clock.lap("rows")
            with db.transaction(), db.cursor() as cursor:
                for name, block in blocks.items():
                    with cursor.copy(statements[name]) as copy:
                        copy.write(block)
            clock.lap("copy")
        cpu = time.process_time() - cpu_before
        if collecting:
            gc.enable()
        for name, count in copied.items():
            stored = db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))).fetchone()
            if stored != (count,):
                raise RuntimeError(f"{name} holds {stored} rows, not {count}")
        db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    http.clear()
    total = sum(clock.seconds.values())
    return {
        "logs": seen,
        "blocks": chain.head + 1,
        "step_blocks": step,
        "json_mib": round(size / 2**20, 1),
        "seconds": {part: round(value, 3) for part, value in clock.seconds.items()},
        "total_seconds": round(total, 3),
        "logs_per_second": round(seen / total),
        "rows": copied,
        "cpu_seconds": round(cpu, 3),
        "node_cpu_seconds": round(node.stats()["cpu_seconds"] - node_before, 3),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "machine": machine(),
    }


def _make(db: psycopg.Connection[Any], schema: str, tables: Sequence[str]) -> None:
    name = sql.Identifier(schema)
    db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
    db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    for table in tables:
        columns = sql.SQL(_RAW_DDL if table == "raw_log" else _EVENT_DDL)
        db.execute(sql.SQL("CREATE TABLE {} {}").format(sql.Identifier(schema, table), columns))


def isolated(
    chain: GeneratedChain, pg_uri: str, *, step: int = 500, rows: Sequence[tuple[str, int]] | None = None
) -> dict[str, Any]:
    """``run`` in a process and with a replay node of its own, so that peak memory is the floor's alone."""
    job = {"chain": str(chain.directory), "pg_uri": pg_uri, "step": step, "rows": rows}
    done = subprocess.run(
        [sys.executable, "-m", "bench.floor"], input=json.dumps(job), cwd=ROOT, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def machine() -> dict[str, Any]:
    """CPU name and count, memory in GiB, Python version."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "python": platform.python_version(),
    }


def table(result: dict[str, Any]) -> str:
    """The result as lines for people."""
    lines = [f"{'part':<12}{'s':>8}{'us/log':>9}"]
    for part, seconds in (*result["seconds"].items(), ("total", result["total_seconds"])):
        lines.append(f"{part:<12}{seconds:>8.3f}{seconds / result['logs'] * 1e6:>9.2f}")
    rows = ", ".join(f"{name} {count:,}" for name, count in result["rows"].items())
    lines.append(f"{result['logs']:,} logs, {result['blocks']:,} blocks, {result['json_mib']} MiB of JSON")
    lines.append(f"{result['logs_per_second']:,} logs/s, peak {result['peak_rss_mib']} MiB, rows: {rows}")
    lines.append(f"CPU s: floor {result['cpu_seconds']}, replay node {result['node_cpu_seconds']}")
    return "\n".join(lines)


def _main() -> None:
    """Child of ``isolated``: a job as JSON on standard input, the result as JSON on standard output."""
    job = json.load(sys.stdin)
    chain = load(job["chain"])
    rows = [(name, count) for name, count in job["rows"]] if job["rows"] is not None else None
    with ReplayNode(chain) as node:
        print(json.dumps(run(chain, node, job["pg_uri"], step=job["step"], rows=rows)))


if __name__ == "__main__":
    _main()
