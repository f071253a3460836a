"""`leverage new-protocol SLUG`: three folders of one name, filled so that what is left to write is plain to see."""

from __future__ import annotations

import re
from pathlib import Path

from indexer.config import ROOT
from indexer.errors import BadConfig

ADAPTER = '''"""{title}: what it is, in one line.

Source   the contract files that the accounting was read from
Units    amounts in base units; say what a share is
Omits    what is left out, and why
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Actions, Contract, Fact, Protocol


def supply(e: Events) -> Sequence[Fact]:
    """An example: one handler an event; columns carry the ABI's own argument names.

    Actions are for people. What moves a balance is a change: `changes(e, rules.supply, e["account"], e["shares"])`,
    with a rule in rules.py that books it. See indexer/protocols/morpho_blue.
    """
    return [Actions(e, "supply", e["market"], amount=e["assets"], depositor=e["caller"], on_behalf_of=e["account"])]


PROTOCOL = Protocol(
    slug="{slug}",
    project="{project}",
    version="{version}",
    kind="lending",  # lending | perp | oracle | link
    contracts=[
        Contract("Pool", {{}}),  # the name of a file in abis/{slug}/; then its events: {{"Supply": supply}}
    ],
    required=(),  # the contracts that a deployment must list
)
'''

DEPLOYMENTS = """\
# Where {title} is deployed. Contract names are the names of the files in abis/{slug}/.
# An earlier start_block costs time only; a later one loses logs.
#
# [[deployment]]
# name = "ethereum"
# chain = "ethereum"
# chain_id = 1
# start_block = 18000000
# source = "where the addresses and the block were read"
# [deployment.contracts]
# Pool = "0x..."
"""

README = """\
# {title}

## What is counted

## What is left out

## How the books work

Which events move which balance, the unit that does not grow with interest, and the contract's rounding at each step.

## How it was checked

Against which contract version, by which of the contract's own views, at how many blocks.
"""

INTERFACES = """\
# Interfaces of abis/{slug}/, as the contract sources declare them. `python tools/make_abis.py` writes the JSON files from
# these. Take each declaration from the contract's own source, parameter names and `indexed` as they stand there.

# [Pool]
# sources = ["package or repository, with its version"]
# declarations = \"\"\"
# event Supply(address indexed account, uint256 amount)
# function balanceOf(address account) view returns (uint256)
# \"\"\"
"""

TEST = '''"""{title}: what its adapter makes of logs, held against the contracts' own answers."""

from __future__ import annotations

from indexer.protocols import discover


def test_the_adapter_names_its_contracts() -> None:
    protocol = discover()["{slug}"]
    assert any(contract.handlers for contract in protocol.contracts), "write the handlers in indexer/protocols/{slug}/__init__.py"
'''


def create(slug: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a new protocol and return their paths.

    Raises  BadConfig for a slug that is not `name` or `name_vN`, or one that is taken
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", slug):
        suggestion = re.sub(r"[^a-z0-9]+", "_", slug.lower()).strip("_")
        better = f"; write for example {suggestion}" if re.match("[a-z]", suggestion) else ""
        raise BadConfig(f"{slug!r} is not a slug: lower-case letters, digits and single _, a letter first{better}")
    adapter, abis, tests = (root / part / slug for part in ("indexer/protocols", "abis", "tests/protocols"))
    for folder in (adapter, abis, tests):
        if folder.exists():
            raise BadConfig(f"{folder} is already there; take another slug or work in that folder")
    project, _, version = slug.rpartition("_v") if re.search(r"_v\d+$", slug) else (slug, "", "1")
    words = {
        "slug": slug,
        "project": project,
        "version": version,
        "title": slug.replace("_", " ").capitalize(),
    }
    files = {
        adapter / "__init__.py": ADAPTER,
        adapter / "deployments.toml": DEPLOYMENTS,
        adapter / "README.md": README,
        abis / "interfaces.toml": INTERFACES,
        tests / f"test_{slug}.py": TEST,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**words), encoding="utf-8")
    return list(files)
