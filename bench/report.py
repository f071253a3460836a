"""Results as lines for a terminal and as `bench/RESULTS.md`: every figure beside its target, met or missed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bench.replay_node import ROOT

PACKAGES = ("psycopg", "msgspec", "urllib3", "web3")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what it is, what was measured, what it should be, and whether it is (None: no target)."""

    what: str
    figure: str
    target: str = "-"
    met: bool | None = None


def lines(results: dict[str, Any]) -> Iterator[Line]:
    """Every figure of a run against the targets of DESIGN section 10."""
    for slug, run in results.get("adapters", {}).items():
        figure, ratio = f"{run['logs_per_second']:,} logs/s, {run['ratio']:.2f}x", run["ratio"]
        yield Line(f"translate and settle, {slug}", figure, "at least 0.5x Aave v3", ratio >= 0.5)
    if found := results.get("backfill"):
        backfill, single, books, rebuild, floor = (
            found[name] for name in ("backfill", "backfill_single_read", "backfill_books", "rebuild", "floor")
        )
        rate = f"{floor['logs_per_second']:,} logs/s"
        yield Line("floor: transfer, parse, decode, `COPY` of the same rows", f"{floor['total_seconds']:.2f} s, {rate}")
        ways = ("backfill", backfill), ("backfill, `double_read = false`", single), ("backfill without metrics", books)
        for name, run in ways:
            speed, ratio = run["logs_per_second"], run["ratio_to_floor"]
            yield Line(name, f"{run['seconds']:.2f} s, {speed:,} logs/s", "60,000 logs/s", speed >= 60_000)
            yield Line(f"{name}, to the floor", f"{ratio:.2f}x", "at most 2.5x", ratio <= 2.5)
        peak = backfill["peak_rss_mib"]
        yield Line("backfill, peak memory", f"{peak:.0f} MiB", "under 400 MiB", peak < 400)
        yield Line("backfill, balances equal to the chain's", f"{backfill['balances_checked']:,}", "all", True)
        ratio = rebuild["ratio_to_backfill"]
        yield Line("rebuild from kept logs", f"{rebuild['seconds']:.2f} s, {rebuild['logs_per_second']:,} logs/s")
        yield Line("rebuild, to the backfill", f"{ratio:.2f}x", "under 1x", ratio < 1)
    if slow := results.get("slow"):
        ratio = slow["ratio_to_loopback"]
        yield Line(
            "backfill at 40 ms, 1,000 blocks, 5,000 logs",
            f"{slow['seconds']:.2f} s, {slow['logs_per_second']:,} logs/s",
        )
        yield Line("the same, to loopback", f"{ratio:.2f}x", "at most 1.5x", ratio <= 1.5)
    if memory := results.get("memory"):
        small, large = memory[0], memory[-1]
        for run in memory:
            yield Line(
                f"peak memory of {run['logs']:,} logs, {run['blocks']:,} blocks", f"{run['peak_rss_mib']:.0f} MiB"
            )
        growth = large["peak_rss_mib"] / small["peak_rss_mib"]
        yield Line("memory, longest chain to shortest", f"{growth:.2f}x", "flat (under 1.25x)", growth < 1.25)
    if restart := results.get("restart"):
        worst = restart["worst_seconds"]
        figure = f"p50 {restart['p50_seconds']:.2f} s, worst {worst:.2f} s"
        yield Line(f"start to first new row after kill -9, {restart['kills']} times", figure, "under 1 s", worst < 1)
    if head := results.get("head"):
        beyond, total = head["beyond_the_poll_ms"], head["available_to_committed_ms"]
        met = beyond["p50"] < 60
        yield Line(
            "head, beyond the poll", f"p50 {beyond['p50']:.0f} ms, p95 {beyond['p95']:.0f} ms", "p50 under 60 ms", met
        )
        yield Line("head, block available to row committed", f"p50 {total['p50']:.0f} ms, p95 {total['p95']:.0f} ms")
    if cascade := results.get("cascade"):
        what = f"cascade, {cascade['positions']:,} positions, {cascade['rounds']} rounds, {cascade['liquidations']:,} liquidations"
        yield Line(what, f"{cascade['seconds']:.2f} s", "under 5 s", cascade["seconds"] < 5)
    if loops := results.get("loops"):
        figure = f"{loops['seconds']:.1f} s, {loops['events_per_second']:,} events/s"
        yield Line(f"loop detection, {loops['events']:,} events, {loops['loops']:,} loops", figure)
    if graph := results.get("exposure"):
        work = graph["owners_seconds"] + graph["system_seconds"] + graph["chains_seconds"]
        figure = f"{graph['owners_seconds']:.2f} s of each owner, {graph['system_seconds']:.2f} s of all together"
        yield Line(
            f"cycles, {graph['edges']:,} edges of {graph['owners']:,} owners, {graph['nodes']} protocols", figure
        )
        yield Line("the same with chains, to summing the edges", f"{work / graph['floor_seconds']:.0f}x")
    yield from _risk(results.get("risk"))
    yield from _load(results.get("load"))


def _risk(found: dict[str, Any] | None) -> Iterator[Line]:
    """Liquidation risk: everybody at once, a head block, the list that bots poll."""
    if found is None:
        return
    screen = found["screen"]
    what = f"risk of {screen['borrowers']:,} borrowers x 3 legs after a price change"
    yield Line(what, f"{screen['ms']:.1f} ms", "under 1 s", screen["ms"] < 1_000)
    yield Line("the same, to numpy's multiply-add", f"{screen['ratio']:.1f}x", "within 10x", screen["ratio"] <= 10)
    for run in found["head"]:
        size = f"{run['borrowers']:,} borrowers"
        yield Line(f"head table of {size}, built in one go", f"{run['build_ms'] / 1e3:.1f} s")
        for block in run["blocks"]:
            figure = f"{block['ms']:.0f} ms, {block['looked_at']:,} rows looked at"
            yield Line(f"head block, {size}, {block['changed']:,} of them changed", figure)
        for name, page in run["poll"].items():
            figure = f"p50 {page['p50_ms']:.1f} ms, p99 {page['p99_ms']:.1f} ms"
            yield Line(f"at-risk list, {size}, {name}, one poller", figure, "p99 under 25 ms", page["p99_ms"] < 25)


def _load(found: dict[str, Any] | None) -> Iterator[Line]:
    """The API under pollers and listeners."""
    if found is None:
        return
    what = f"{found['pollers']} pollers and {found['listeners']} listeners, {found['borrowers']:,} borrowers, {found['seconds']:.0f} s"
    took = found["poll_ms"]
    figure = f"p50 {took['p50']:.1f} ms, p95 {took['p95']:.1f} ms, p99 {took['p99']:.1f} ms"
    yield Line(f"at-risk list, {what}", figure, "p99 under 25 ms", took["p99"] < 25)
    yield Line("its requests", f"{found['requests']:,}, {found['unchanged']:,} of them 304, {found['errors']} errors",
               "no errors", not found["errors"])  # fmt: skip
    lost = found["missed_events"] + found["listeners_out_of_order"] + found["broken_streams"]
    yield Line("events missed", f"{found['missed_events']} of {found['events_expected']:,}", "none", not lost)
    yield Line("a block's commit beside them", f"p50 {found['commit_ms']['p50']:.0f} ms")


def terminal(results: dict[str, Any]) -> str:
    """The lines in columns."""
    rows = [(line.what.replace("`", ""), line.figure, line.target, _verdict(line)) for line in lines(results)]
    widths = [max(len(row[n]) for row in rows) for n in range(3)] if rows else [0, 0, 0]
    padded = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    return "\n".join(text.rstrip() for text in padded)


def markdown(results: dict[str, Any]) -> str:
    """`bench/RESULTS.md`."""
    about, machine = results["about"], results["machine"]
    out = [
        "# Results",
        "",
        "Written by `python -m bench --results bench/RESULTS.md`; not edited. What is measured and how: `bench/README.md`.",
        "",
        f"Date      {about['date']}, commit {about['commit']}  ",
        f"Machine   {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; load average "
        f"{about['load_before']} before, {about['load_after']} after  ",
        f"Versions  Python {machine['python']}, PostgreSQL {about['postgresql']}, {about['packages']}  ",
        f"Chain     {about['logs']:,} logs in {about['blocks']:,} blocks, seed {about['seed']}; best of {about['runs']} runs",
        "",
    ]
    if about["load_before"] > 0.5:
        out += [
            f"The machine was not quiet (load average {about['load_before']} on {machine['cores']} cores): absolute figures are "
            "too low, and ratios to the floor are unsure in both directions (the floor wants one core, the indexer two).",
            "",
        ]
    out += ["| what | measured | target | |", "|---|---|---|---|"]
    out += [f"| {line.what} | {line.figure} | {line.target} | {_verdict(line)} |" for line in lines(results)]
    missed = [line for line in lines(results) if line.met is False]
    out += [
        "",
        f"Missed: {'; '.join(f'{line.what} ({line.figure}, {line.target})' for line in missed)}."
        if missed
        else "No target missed.",
    ]
    return "\n".join([*out, "", *_details(results)])


def _details(results: dict[str, Any]) -> list[str]:
    out: list[str] = []
    if found := results.get("backfill"):
        out += [
            "## Where the time goes",
            "",
            "| CPU seconds | indexer | PostgreSQL | node | wall |",
            "|---|---|---|---|---|",
        ]
        for name in ("backfill", "backfill_single_read", "backfill_books"):
            run = found[name]
            cpu = [run[key] for key in ("cpu_seconds", "postgres_cpu_seconds", "node_cpu_seconds")]
            out.append(f"| {name} | {' | '.join(f'{value:.2f}' for value in cpu)} | {run['seconds']:.2f} |")
        parts = found["floor"]["seconds"]
        out.append(
            f"| floor | {found['floor']['cpu_seconds']:.2f} | | {found['floor']['node_cpu_seconds']:.2f} | {found['floor']['total_seconds']:.2f} |"
        )
        out += ["", "Floor by part, s: " + ", ".join(f"{name} {value:.2f}" for name, value in parts.items()), ""]
        rows = found["backfill"]["rows"]
        out += ["Rows: " + ", ".join(f"{name} {count:,}" for name, count in rows.items()), ""]
        for name, key in (
            ("backfill", "seconds"),
            ("backfill_single_read", "seconds"),
            ("backfill_books", "seconds"),
            ("rebuild", "seconds"),
            ("floor", "total_seconds"),
        ):
            out.append(
                f"All runs, {name}, s: " + ", ".join(f"{value:.2f}" for value in found[name][f"all_{key}"]) + "  "
            )
        out.append("")
    if restart := results.get("restart"):
        phases = ", ".join(f"{name} {value:.2f}" for name, value in restart["phase_p50_seconds"].items())
        out += [f"Restart by phase, p50 s: {phases}", ""]
    return out


def _verdict(line: Line) -> str:
    return "" if line.met is None else "met" if line.met else "**missed**"


def about(postgresql: str) -> dict[str, Any]:
    """Versions and commit of what was measured."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "commit": told.stdout.strip() or "unknown",
        "postgresql": postgresql,
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
