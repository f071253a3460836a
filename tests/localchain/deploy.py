"""The order in which everything is put on the chain; the one place that knows the whole cast of contracts."""

from __future__ import annotations

from . import aave, aave_v2, morpho, perp, tokens
from .chain import LocalChain


def everything(chain: LocalChain) -> None:
    """Tokens and exchange, Morpho and its vault, Aave, then what needs both; then Aave v2 and the perp venue."""
    tokens.deploy_tokens(chain)
    if chain.has_morpho:
        morpho.deploy_morpho(chain)
    if chain.aave_version is not None:
        aave.deploy_aave(chain)
        tokens.deploy_receipt_vault(chain)
        if chain.has_morpho:
            morpho.create_receipt_markets(chain)
    if chain.has_aave_v2:
        aave_v2.deploy_aave_v2(chain)
    if chain.has_perp:
        perp.deploy_perp(chain)
    settle(chain)


def settle(chain: LocalChain) -> None:
    """Mines what is left and makes sure that no transaction of the deployment failed."""
    chain.mine()
    blocks = chain.rpc.batch([("eth_getBlockReceipts", [hex(number)]) for number in range(chain.clock.head + 1)])
    failed = [receipt for block in blocks for receipt in block if receipt["status"] != "0x1"]
    if failed:
        raise RuntimeError(f"{len(failed)} deployment transactions failed, first {failed[0]['transactionHash']}")
