"""Real protocol contracts on a private chain, a seeded scenario that uses them, and a recorder.

`LocalChain` starts anvil and deploys; `Scenario` acts; `collect_views` asks the contracts what they think;
`record` writes it all down. `python -m tests.localchain --help` does it from the shell.
"""

from .build import BuildUnavailable
from .chain import LocalChain
from .record import record
from .scenario import Scenario
from .views import collect_reads, collect_views

__all__ = ["BuildUnavailable", "LocalChain", "Scenario", "collect_reads", "collect_views", "record"]
