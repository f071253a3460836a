"""Which deployments of which protocols a chain has: the repository's lists and the user's file, put together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from indexer.config import ChainSettings
from indexer.errors import BadConfig
from indexer.protocol import Deployment, Protocol
from indexer.protocols import deployments as listed
from indexer.protocols import discover
from indexer.types import key64

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Covered:
    """One protocol on one chain with its deployments; `start_block` is the first block of the earliest."""

    protocol: Protocol
    deployments: Mapping[int, Deployment]

    @property
    def start_block(self) -> int:
        """Return the first block that matters."""
        return min(deployment.start_block for deployment in self.deployments.values())


def covered(chain: ChainSettings) -> dict[str, Covered]:
    """Return what is to be indexed on a chain, by protocol slug.

    Raises  BadConfig when there is nothing, a required contract is missing, or a start block is not known
    """
    found = {}
    for slug, protocol in discover().items():
        if not chain.follows(slug):
            continue
        deployments = [*_listed(chain, slug), *_configured(chain, slug)]
        for deployment in deployments:
            for name in protocol.required:
                if name not in deployment.contracts:
                    raise BadConfig(
                        f"deployment {deployment.name!r} of {slug} on {chain.name}: contracts lack {name!r}"
                    )
        if deployments:
            found[slug] = Covered(protocol, {deployment.key: deployment for deployment in deployments})
    if not found:
        raise BadConfig(
            f"chain {chain.name!r} (id {chain.chain_id}): no known deployment of "
            f"{', '.join(chain.protocols or discover())}; add [[chain.{chain.name}.deployment]]"
        )
    return found


def _listed(chain: ChainSettings, slug: str) -> list[Deployment]:
    found = []
    for entry in listed(slug):
        if entry["chain_id"] == chain.chain_id:
            start = chain.start_block if chain.start_block is not None else entry.get("start_block")
            if start is None:
                if chain.protocols is None:  # nobody asked for it by name: the others must not wait for it
                    logger.warning("%s %s is left out: set start_block for %s", slug, entry["name"], chain.name)
                    continue
                raise BadConfig(
                    f"the deployment block of {slug} {entry['name']} is not known; set start_block for {chain.name}"
                )
            contracts = {name: address.lower() for name, address in entry["contracts"].items()}
            found.append(_deployment(chain, slug, entry["name"], start, contracts, entry.get("version"), entry))
    return found


def _configured(chain: ChainSettings, slug: str) -> list[Deployment]:
    return [
        _deployment(chain, slug, entry.name, entry.start_block, entry.contracts, entry.version, {})
        for entry in chain.deployment
        if entry.protocol == slug
    ]


def _deployment(
    chain: ChainSettings, slug: str, name: str, start_block: int, contracts: Mapping[str, str], version: str | None,
    options: Mapping[str, object],
) -> Deployment:  # fmt: skip
    readable = f"{slug}:{chain.chain_id}:{name}"
    return Deployment(
        key64(readable), slug, chain.chain_id, name, start_block, dict(contracts), version,
        {key: options[key] for key in ("first_version", "discounted_debt") if key in options},
    )  # fmt: skip
