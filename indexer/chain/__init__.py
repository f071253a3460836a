"""chain: the only room that talks to nodes.

rpc        one node: JSON-RPC bodies, typed; every failure as one of our errors (faults, wire, limits)
pool       several nodes as one: failover, back-off, quarantine
ranges     how many blocks to ask for at once, learned
logs       the logs of a range, in as many pieces as the node demands
fetch      a range of blocks, complete and checked against its headers (bloom)
follow     the chain as steps: Range | Reorg | Finalized | Idle (follower holds the state, heads wakes it)
reads      view calls pinned to a block
record     a chain segment as files, and a node that answers from them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexer.chain.fetch import fetch_logs, fetch_more, fetch_range
from indexer.chain.follow import follow
from indexer.chain.heads import HeadWatcher
from indexer.chain.logs import Checks, Planner
from indexer.chain.node import Node, RecordableNode
from indexer.chain.pool import NodePool
from indexer.chain.ranges import Plan
from indexer.chain.reads import fetch_reads
from indexer.chain.record import ReplayNode, record
from indexer.chain.rpc import RpcNode

__all__ = [
    "Checks",
    "HeadWatcher",
    "Node",
    "NodePool",
    "Plan",
    "Planner",
    "RecordableNode",
    "ReplayNode",
    "RpcNode",
    "fetch_logs",
    "fetch_more",
    "fetch_range",
    "fetch_reads",
    "follow",
    "open_node",
    "record",
]


def open_node(
    rpc: Sequence[str],
    *,
    chain_id: int | None = None,
    timeout: float = 30.0,
    requests_per_second: float | None = None,
    headers: Mapping[str, str] | None = None,
    give_up_after: float = 300.0,
) -> NodePool:
    """Return the nodes behind these URLs as one; the first answers as long as it can.

    Shape   ws:// and wss:// URLs are passed over: they are a `HeadWatcher`'s
    Units   `timeout`, `give_up_after` seconds; `requests_per_second` JSON-RPC calls a second to each node (None: any)
    Raises  BadConfig for no http(s) URL or a malformed one; at the first call for a node of another chain than `chain_id`
    """
    nodes = [
        RpcNode(url, timeout=timeout, requests_per_second=requests_per_second, headers=headers)
        for url in dict.fromkeys(rpc)
        if not url.startswith(("ws://", "wss://"))
    ]
    return NodePool(nodes, chain_id=chain_id, give_up_after=give_up_after)
