"""A vault of USDC: created, filled, accrued with a fee, half withdrawn. All by hand."""

from __future__ import annotations

from typing import Any

import psycopg
from eth_abi.abi import encode

from indexer.protocols.metamorpho.rules import DECIMALS_OFFSET
from tests.decode.making import topic
from tests.protocols.linked import ALICE, BOB, addr, index, registered, who, words

FACTORY, VAULT, USDC = addr(0x81), addr(0x82), addr(0x83)
CREATE = "CreateMetaMorpho(address,address,address,uint256,address,string,string,bytes32)"
TRANSFER, ACCRUED, LAST = (
    "Transfer(address,address,uint256)",
    "AccrueInterest(uint256,uint256)",
    "UpdateLastTotalAssets(uint256)",
)
ZERO, E18, E6 = addr(0), 10**18, 10**6
CREATED: Any = (
    10, FACTORY, CREATE, who(VAULT, ALICE, USDC),
    "0x" + encode(["address", "uint256", "string", "string", "bytes32"], [ALICE, 0, "Vault", "V", b"\x01" * 32]).hex(),
)  # fmt: skip
STORY: list[Any] = [
    CREATED,
    (20, VAULT, TRANSFER, who(ZERO, ALICE), words(1000 * E18)),
    (20, VAULT, LAST, [], words(1000 * E6)),
    (30, VAULT, TRANSFER, who(ALICE, BOB), words(7 * E18)),
    (40, VAULT, TRANSFER, who(ZERO, BOB), words(5 * E18)),
    (40, VAULT, ACCRUED, [], words(1050 * E6, 5 * E18)),
    (40, VAULT, LAST, [], words(525 * E6)),
    (40, VAULT, TRANSFER, who(ALICE, ZERO), words(500 * E18)),
]


def per_share(db: psycopg.Connection[Any], block: int) -> int | None:
    """Base units of USDC for one whole share, floored as the contract floors."""
    ((numerator, denominator),) = db.execute(
        "SELECT numerator_raw, denominator_raw FROM token_rate_at(1, unhex(%s), %s)", (VAULT, block)
    ).fetchall()
    return None if numerator is None else E18 * int(numerator) // int(denominator)


def test_a_vaults_life(linkdb: psycopg.Connection[Any]) -> None:
    """Offset 12. Filled: (1e9 + 1) / (1e21 + 1e12) of 1e18 is 1e6 to the unit. In the end 525 USDC for 505 shares:
    floor(1e18 * 525000001 / (505e18 + 1e12)) = floor(525000001e18 / 505000001e12) = 1039603."""
    read = {(10, VAULT, DECIMALS_OFFSET): words(12)}
    index(linkdb, "metamorpho", {"MetaMorphoFactory": FACTORY}, STORY, reads=read, decimals={USDC: 6})
    assert [per_share(linkdb, block) for block in (10, 20, 30, 40)] == [None, 1_000_000, 1_000_000, 1_039_603]
    assert registered(linkdb, VAULT) == ("vault_share", "morpho", USDC, USDC)


def test_without_the_offset_there_is_no_rate(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "metamorpho", {"MetaMorphoFactory": FACTORY}, STORY)
    assert per_share(linkdb, 40) is None


def test_the_topics_are_those_of_the_fact_sheet() -> None:
    assert topic(CREATE) == "0xed8c95d05909b0f217f3e68171ef917df4b278d5addfe4dda888e90279be7d1d"
    assert topic(ACCRUED) == "0xf66f28b40975dbb933913542c7e6a0f50a1d0f20aa74ea6e0efe65ab616323ec"
    assert topic(LAST) == "0x15c027cc4fd826d986cad358803439f7326d3aa4ed969ff90dbee4bc150f68e9"
