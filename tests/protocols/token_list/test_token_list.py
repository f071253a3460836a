"""What a list says, and that nothing is plain without one."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.protocols.linked import COIN, addr, index, registered

WETH, USDC, EURC, UNI, DAI, ODD = (addr(n) for n in range(0xC1, 0xC7))


def test_listed_tokens(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "token_list", {"WrappedNative": WETH, "FiatUsd": USDC, "FiatEur": EURC, "Plain": UNI})
    for token, kind, issuer in ((DAI, "cdp_stable", "maker"), (ODD, "unclassified", None)):
        linkdb.execute("INSERT INTO token VALUES (1, unhex(%s), 5, 'T', 18, %s, %s, NULL)", (token, kind, issuer))
    assert registered(linkdb, WETH) == ("plain", None, COIN, COIN)
    assert registered(linkdb, USDC) == ("plain", None, None, "usd")
    assert registered(linkdb, EURC) == ("plain", None, None, "eur")
    assert registered(linkdb, UNI) == ("plain", None, None, UNI)
    assert registered(linkdb, DAI) == ("cdp_stable", "maker", None, "usd")
    assert registered(linkdb, ODD) == ("unclassified", None, None, ODD)
    plain = linkdb.execute("SELECT token_address FROM token_registry WHERE is_plain ORDER BY 1").fetchall()
    assert {row[0] for row in plain} == {WETH, USDC, EURC, UNI, COIN}
