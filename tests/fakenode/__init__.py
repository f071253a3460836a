"""A node for tests that can lie: ``FakeNode`` serves a ``FakeChain`` over loopback HTTP with seeded ``Faults``."""

from tests.fakenode.chain import FakeBlock, FakeChain
from tests.fakenode.faults import Fault, Faults, Injected
from tests.fakenode.node import FakeNode, RpcError

__all__ = ["FakeBlock", "FakeChain", "FakeNode", "Fault", "Faults", "Injected", "RpcError"]
