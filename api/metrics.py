"""`/metrics` for Prometheus. Names and labels are a public interface:

leverage_api_requests_total{method,route,status}     requests answered
leverage_api_request_seconds{method,route}           time to answer, long polls included
leverage_api_waiting_requests                        long polls that wait for a block
leverage_api_open_streams                            server-sent event streams and WebSockets that are open
leverage_database_up                                 1 when the database answered this scrape
leverage_head_block{chain}                           newest block the node has spoken of
leverage_indexed_block{chain}                        newest block that every running protocol has reached
leverage_finalized_block{chain}                      newest final block
leverage_lag_blocks{chain}                           head minus indexed
leverage_lag_seconds{chain}                          age of the indexed block
leverage_reorgs_24h{chain}                           reorgs seen in the last 24 hours
leverage_reconciliation_error{chain}                 worst |indexed - contract| / contract of the newest comparison of balances
leverage_reconciliation_differences{chain}           answers of contracts that differed in it: above 0 the books are wrong
leverage_reconciliation_block{chain}                 block it was made at
leverage_protocol_block{chain,protocol}              last complete block of a protocol
leverage_protocol_stopped{chain,protocol}            1 when it is stopped; /v1/status says why
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexer.store.queries import Row

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

CHAIN_GAUGES = {
    "head_block": "Newest block the node has spoken of",
    "indexed_block": "Newest block that every running protocol has reached",
    "finalized_block": "Newest final block",
    "lag_blocks": "Head minus indexed block",
    "lag_seconds": "Age of the indexed block, seconds",
    "reorgs_24h": "Reorgs seen in the last 24 hours",
    "reconciliation_error": "Worst relative error of the newest comparison of balances with the contracts",
    "reconciliation_differences": "Answers of contracts that differed in the newest comparison",
    "reconciliation_block": "Block of the newest comparison with the contracts",
}


class Requests:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.total = Counter(
            "leverage_api_requests_total", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "leverage_api_request_seconds",
            "Time to answer, seconds",
            ["method", "route"],
            registry=registry,
            buckets=BUCKETS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self.total.labels(method, route, str(status)).inc()
            self.seconds.labels(method, route).observe(time.perf_counter() - started)


class Progress:
    """Collector that reads the state of the index at each scrape."""

    def __init__(self, read: Callable[[], list[Row]]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("leverage_database_up", "1 when the database answered this scrape")
        try:
            chains: list[Row] = self._read()
            up.add_metric([], 1)
        except psycopg.Error:
            chains = []
            up.add_metric([], 0)
        yield up
        for name, text in CHAIN_GAUGES.items():
            gauge = GaugeMetricFamily(f"leverage_{name}", text, labels=["chain"])
            for chain in chains:
                if chain[name] is not None:
                    gauge.add_metric([chain["chain"]], chain[name])
            yield gauge
        block = GaugeMetricFamily(
            "leverage_protocol_block", "Last complete block of a protocol", labels=["chain", "protocol"]
        )
        stopped = GaugeMetricFamily("leverage_protocol_stopped", "1 when it is stopped", labels=["chain", "protocol"])
        for chain in chains:
            for protocol in chain["protocols"]:
                labels = [chain["chain"], protocol["protocol"]]
                if protocol["block_number"] is not None:
                    block.add_metric(labels, protocol["block_number"])
                stopped.add_metric(labels, protocol["status"] == "stopped")
        yield block
        yield stopped


def registry_of(
    read: Callable[[], list[Row]], waiting: Callable[[], int], streams: Callable[[], int]
) -> CollectorRegistry:
    """Return the registry of one app."""
    registry = CollectorRegistry()
    registry.register(Progress(read))
    gauge = Gauge("leverage_api_waiting_requests", "Long polls that wait for a block", registry=registry)
    gauge.set_function(waiting)
    gauge = Gauge("leverage_api_open_streams", "Event streams and WebSockets that are open", registry=registry)
    gauge.set_function(streams)
    return registry


__all__ = ["Progress", "Requests", "registry_of"]
