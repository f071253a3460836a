"""Real transactions, named one by one, with what they did: read off the ERC-20 transfers of the receipt, by hand.

`receipts.jsonl` holds the receipts (SOURCE.md). Columns that a case does not state are null.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from making import HERE, receipts

from indexer.decode_file import decode_entries

COLUMNS = [
    "chain_id", "blockchain", "project", "version", "deployment", "transaction_type", "token_address", "borrower",
    "depositor", "on_behalf_of", "repayer", "liquidator", "amount_raw", "block_number", "block_time", "tx_hash",
    "tx_index", "evt_index", "project_contract_address", "market_id", "recipient",
]  # fmt: skip
"""`lending_events` in its own order, less symbol, amount and usd_amount, which a receipt does not give; recipient last."""

RECEIPTS = receipts(HERE / "receipts.jsonl")

ETHEREUM_POOL = "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"
ARBITRUM_POOL = "0x794a61358d6845594f94dc1db02a252b5b4814ad"
BASE_POOL = "0xa238dd80c259a72e81d7e4664a9801593f98d1c5"
SCROLL_POOL = "0x11fcfe756c05ad438e312a7fd934381537d3cffe"
BNB_POOL = "0x6807dc923806fe8fd134338eabca509979a7e0cb"
SPARK_POOL = "0xc13e21b648a5ee794902342038ff3adab66be987"
AAVE_V2_POOL = "0x7d2768de32b0b80b7a3454c06bdac94a69ddc7a9"
MORPHO = "0xbbbbbbbbbb9cc5e90e3b3af64bdaf62c37eeffcb"
A_ETH_USDC = "0x98c23e9d8f34fefb1b7bd6a91b7ff122f4e16f5c"
A_ETH_WETH = "0x4d5f47fa6a74757f35c14fd3a6ef8e3c9bc514e8"
A_ST_ETH = "0x1982b2f5814301d4e9a8b0201555376e62f82428"
A_SCR_WETH = "0xf301805be1df81102c957f6d4ce29d2b8c056b2a"

USDC = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
WSTETH = "0x7f39c581f595b53c5cb19bd0b3f8da6c935e2ca0"
ST_ETH = "0xae7ab96520de3a18e5e111b5eaab095312d7fe84"
SUSDS = "0xa3931d71877c0e7a3148cb7eb4463524fec27fbd"
ARBITRUM_USDT = "0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9"
ARBITRUM_WETH = "0x82af49447d8a07e3bd95bd0d56f35241523fbab1"
BASE_USDC = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"
BASE_WETH = "0x4200000000000000000000000000000000000006"
SCROLL_USDC = "0x06efdbff2a14a7c8e15944d1f4a48f9f95f663a4"
SCROLL_WETH = "0x5300000000000000000000000000000000000004"
WBNB = "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"


class Case(NamedTuple):
    """What a transaction did: its place on the chain once, then its rows."""

    tx_hash: str
    did: str
    place: dict[str, Any]
    rows: list[dict[str, Any]]


def place(chain_id: int, blockchain: str, block_number: int, utc: str, tx_index: int) -> dict[str, Any]:
    return {
        "chain_id": chain_id, "blockchain": blockchain, "block_number": block_number, "block_time": f"{utc}+00:00",
        "tx_index": tx_index,
    }  # fmt: skip


def aave(pool: str, deployment: str | None, chain_id: int, token: str, **row: Any) -> dict[str, Any]:
    """A row of a pool: what every row of a reserve has, and the rest."""
    return {
        "project": "aave", "version": "3", "deployment": deployment, "project_contract_address": pool,
        "token_address": token, "market_id": f"aave_v3:{chain_id}:{pool}:{token}", **row,
    }  # fmt: skip


def aave_v2(**row: Any) -> dict[str, Any]:
    return {"project": "aave", "version": "2", **row}


def aave_transfer(token: str, **row: Any) -> dict[str, Any]:
    """A row of an aToken, which no list names: no deployment, and the reserve is not in the log."""
    return {"project": "aave", "version": "3", "project_contract_address": token, "transaction_type": "transfer", **row}


def morpho(deployment: str, chain_id: int, market: str, **row: Any) -> dict[str, Any]:
    """A row of a Morpho market: the log has the market's id, not its tokens."""
    return {
        "project": "morpho", "version": "1", "deployment": deployment, "project_contract_address": MORPHO,
        "market_id": f"morpho_blue:{chain_id}:{market}", **row,
    }  # fmt: skip


CASES = [
    Case(
        "0xc1eb69ba80f10a7e45781f6da36f95c45300e7130db7988ac2e618659cb9a8a7",
        "A smart account supplies 0.0125 WETH into Aave v3 on Base.",
        place(8453, "base", 31786140, "2025-06-19T19:33:47", 39),
        [
            aave(
                BASE_POOL, "base", 8453, BASE_WETH, transaction_type="supply", evt_index=48,
                amount_raw="12500000000000000", depositor="0x1089db83561d4c9b68350e1c292279817ac6c8da",
                on_behalf_of="0x1089db83561d4c9b68350e1c292279817ac6c8da",
            )
        ],
    ),
    Case(
        "0x18353a471cc229f45b723e50d976187dd73f8fb9b39c5529e1a5cafc51f9b4ce",
        "The same smart account withdraws 20 USDC from Aave v3 on Base.",
        place(8453, "base", 29200208, "2025-04-20T22:56:03", 65),
        [
            aave(
                BASE_POOL, "base", 8453, BASE_USDC, transaction_type="withdraw", evt_index=638, amount_raw="20000000",
                depositor="0x1089db83561d4c9b68350e1c292279817ac6c8da",
                on_behalf_of="0x1089db83561d4c9b68350e1c292279817ac6c8da",
                recipient="0x1089db83561d4c9b68350e1c292279817ac6c8da",
            )
        ],
    ),
    Case(
        "0xc1a03e87f1c0446ddd5a77f7eb906831c72618a921a1f6f9f430f612edca0531",
        "A liquidator repays 30.660134 USDC of 0x7420...'s debt on Aave v3 Ethereum and takes 0.018891825379519208 WETH; "
        "0.000090391508992915 aWETH of the bonus go to the treasury.",
        place(1, "ethereum", 17938283, "2023-08-18T01:03:47", 67),
        [
            aave_transfer(
                A_ETH_WETH, evt_index=253, amount_raw="90391508992915",
                depositor="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                on_behalf_of="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                recipient="0x464c71f6c2f760dda6093dcb91c24c39e5d6e18c",
            ),
            aave(
                ETHEREUM_POOL, "ethereum_core", 1, USDC, transaction_type="liquidation", evt_index=255,
                amount_raw="30660134", borrower="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                on_behalf_of="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                repayer="0x594efbe5a71a10a958d812b4c65f3dfa60922a15",
                liquidator="0x594efbe5a71a10a958d812b4c65f3dfa60922a15",
            ),
            aave(
                ETHEREUM_POOL, "ethereum_core", 1, WETH, transaction_type="seize", evt_index=255,
                amount_raw="18891825379519208", depositor="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                on_behalf_of="0x7420fa58ba44e1141d5e9adb6903be549f7ce0b5",
                liquidator="0x594efbe5a71a10a958d812b4c65f3dfa60922a15",
                recipient="0x594efbe5a71a10a958d812b4c65f3dfa60922a15",
            ),
        ],
    ),
    Case(
        "0x4374352cb86470cc895b7ad433a5ea6e8c62a7d0016434600fa1446ebaea857b",
        "A trader pays 5,001.535682 aEthUSDC to a Pendle router, which passes them on to the yield contract.",
        place(1, "ethereum", 22078254, "2025-03-19T03:32:35", 22),
        [
            aave_transfer(
                A_ETH_USDC, evt_index=234, amount_raw="5001535682",
                depositor="0x4acaead5249770f268f18284ef7e71039dc127fb",
                on_behalf_of="0x4acaead5249770f268f18284ef7e71039dc127fb",
                recipient="0x888888888889758f76e7103c6cbf23abbf58f946",
            ),
            aave_transfer(
                A_ETH_USDC, evt_index=240, amount_raw="5001535682",
                depositor="0x888888888889758f76e7103c6cbf23abbf58f946",
                on_behalf_of="0x888888888889758f76e7103c6cbf23abbf58f946",
                recipient="0x773f0d42e418df4165a0a5bb754dc447b652538c",
            ),
        ],
    ),
    Case(
        "0xb834f10346b44fea939462547e7df990430ddccf92152fa452680afe7a636748",
        "A vault's WETH debt on Aave v3 Ethereum is paid down twice: 6 WETH by the gateway in ETH, then the rest, "
        "22.168708881893998569 WETH, by the vault itself.",
        place(1, "ethereum", 24274116, "2026-01-20T06:11:23", 280),
        [
            aave(
                ETHEREUM_POOL, "ethereum_core", 1, WETH, transaction_type="repay", evt_index=496,
                amount_raw="6000000000000000000", borrower="0xb5d235c27bd7741e2467ffb0efd49877f6beda13",
                on_behalf_of="0xb5d235c27bd7741e2467ffb0efd49877f6beda13",
                repayer="0xd01607c3c5ecaba394d8be377a08590149325722",
            ),
            aave(
                ETHEREUM_POOL, "ethereum_core", 1, WETH, transaction_type="repay", evt_index=502,
                amount_raw="22168708881893998569", borrower="0xb5d235c27bd7741e2467ffb0efd49877f6beda13",
                on_behalf_of="0xb5d235c27bd7741e2467ffb0efd49877f6beda13",
                repayer="0xb5d235c27bd7741e2467ffb0efd49877f6beda13",
            ),
        ],
    ),
    Case(
        "0x56c57b83508f46d45af6b3230ee882f99df315c089af3250fbe5494ea59e5624",
        "A smart wallet repays 2,353.181360 USDT on Aave v3 Arbitrum and takes its 3.038166066433018795 WETH out.",
        place(42161, "arbitrum", 292033050, "2025-01-04T22:04:40", 1),
        [
            aave(
                ARBITRUM_POOL, "arbitrum", 42161, ARBITRUM_USDT, transaction_type="repay", evt_index=10,
                amount_raw="2353181360", borrower="0x1cdc859a9685103a0791075b6c365e2d583bc236",
                on_behalf_of="0x1cdc859a9685103a0791075b6c365e2d583bc236",
                repayer="0x1cdc859a9685103a0791075b6c365e2d583bc236",
            ),
            aave(
                ARBITRUM_POOL, "arbitrum", 42161, ARBITRUM_WETH, transaction_type="withdraw", evt_index=17,
                amount_raw="3038166066433018795", depositor="0x1cdc859a9685103a0791075b6c365e2d583bc236",
                on_behalf_of="0x1cdc859a9685103a0791075b6c365e2d583bc236",
                recipient="0x1cdc859a9685103a0791075b6c365e2d583bc236",
            ),
        ],
    ),
    Case(
        "0x65cd06fd54a10052c3d9084d14d28c06e2bb328b1ec39730fab9284cb529d068",
        "0x7611... hands 0.010000021776581852 aScrWETH to the gateway of Aave v3 on Scroll, which withdraws the WETH.",
        place(534352, "scroll", 6012115, "2024-05-26T15:52:26", 11),
        [
            aave_transfer(
                A_SCR_WETH, evt_index=62, amount_raw="10000021776581852",
                depositor="0x76111d2841b41b15e6f07fbae4796a82438d9c90",
                on_behalf_of="0x76111d2841b41b15e6f07fbae4796a82438d9c90",
                recipient="0xff75a4b698e3ec95e608ac0f22a03b8368e05f5d",
            ),
            aave(
                SCROLL_POOL, "scroll", 534352, SCROLL_WETH, transaction_type="withdraw", evt_index=68,
                amount_raw="10000021776581852", depositor="0xff75a4b698e3ec95e608ac0f22a03b8368e05f5d",
                on_behalf_of="0xff75a4b698e3ec95e608ac0f22a03b8368e05f5d",
                recipient="0xff75a4b698e3ec95e608ac0f22a03b8368e05f5d",
            ),
        ],
    ),
    Case(
        "0x66010f353be60adaa004f839d37cecd22c35c580060eeaffb9a28ebe169e1692",
        "0x3e6b... repays 14,460.008663 USDC of its own debt to Aave v3 on Scroll.",
        place(534352, "scroll", 4430491, "2024-03-26T12:42:38", 27),
        [
            aave(
                SCROLL_POOL, "scroll", 534352, SCROLL_USDC, transaction_type="repay", evt_index=69,
                amount_raw="14460008663", borrower="0x3e6b4598e5bfeec911f344e546c9ebfe4a00d770",
                on_behalf_of="0x3e6b4598e5bfeec911f344e546c9ebfe4a00d770",
                repayer="0x3e6b4598e5bfeec911f344e546c9ebfe4a00d770",
            )
        ],
    ),
    Case(
        "0x07b14d73cf0b4ca453883178c6521a6c6fd21cd7ee2bf7650badc8be61d9c76e",
        "The gateway supplies 0.005 BNB, wrapped, into Aave v3 on BNB for 0x706a...: depositor and owner differ.",
        place(56, "bnb", 45624882, "2025-01-09T20:51:41", 13),
        [
            aave(
                BNB_POOL, "bnb", 56, WBNB, transaction_type="supply", evt_index=22, amount_raw="5000000000000000",
                depositor="0xe63eaf6dab1045689bd3a332bc596ffcf54a5c88",
                on_behalf_of="0x706a70067be19bdadbea3600db0626859ff25d74",
            )
        ],
    ),
    Case(
        "0xe7ae42aa6b3815b135c5dfe62222421e43013d30ec132f18d52b396229ce5c6a",
        "5,839,855.131490784645058218 sUSDS are supplied to Spark, a fork of Aave v3 with a pool of its own.",
        place(1, "ethereum", 21634984, "2025-01-16T05:33:47", 89),
        [
            {
                "project": "spark", "version": "1", "deployment": "ethereum", "project_contract_address": SPARK_POOL,
                "token_address": SUSDS, "market_id": f"spark:1:{SPARK_POOL}:{SUSDS}", "transaction_type": "supply",
                "evt_index": 413, "amount_raw": "5839855131490784645058218",
                "depositor": "0x81ebde24453b8e40454616579ea79c79a197699d",
                "on_behalf_of": "0x81ebde24453b8e40454616579ea79c79a197699d",
            }
        ],
    ),
    Case(
        "0xa77ea655f8e0fc7227674633ee1da0c52aadd38f825e2dfa8f44d40867ae1745",
        "A migration: 0x4bf1... hands its aSTETH over, 84.521918902842181052 stETH leave Aave v2, are wrapped, and "
        "76.326951198340166536 wstETH go into Aave v3 for 0x4bf1....",
        place(1, "ethereum", 16513219, "2023-01-29T14:57:47", 79),
        [
            aave_v2(
                project_contract_address=A_ST_ETH, transaction_type="transfer", evt_index=137,
                amount_raw="84521918902842181053", depositor="0x4bf180a73575d4393cc794f29fb92c3954a36b5a",
                on_behalf_of="0x4bf180a73575d4393cc794f29fb92c3954a36b5a",
                recipient="0xb748952c7bc638f31775245964707bcc5ddfabfc",
            ),
            aave_v2(
                deployment="ethereum", project_contract_address=AAVE_V2_POOL, transaction_type="withdraw",
                evt_index=146, token_address=ST_ETH, market_id=f"aave_v2:1:{AAVE_V2_POOL}:{ST_ETH}",
                amount_raw="84521918902842181052", depositor="0xb748952c7bc638f31775245964707bcc5ddfabfc",
                on_behalf_of="0xb748952c7bc638f31775245964707bcc5ddfabfc",
                recipient="0xb748952c7bc638f31775245964707bcc5ddfabfc",
            ),
            aave(
                ETHEREUM_POOL, "ethereum_core", 1, WSTETH, transaction_type="supply", evt_index=157,
                amount_raw="76326951198340166536", depositor="0xb748952c7bc638f31775245964707bcc5ddfabfc",
                on_behalf_of="0x4bf180a73575d4393cc794f29fb92c3954a36b5a",
            )
        ],
    ),
    Case(
        "0x90a83a26d46fbdb0a85f5cbaa5f7cb7df21795d664ffe5b247c7076ae51bbcf2",
        "A bundler pledges 0.0002 WETH on Morpho Base for 0x4dfb... and borrows 0.1 USDC in its name, paid out to it.",
        place(8453, "base", 45249137, "2026-04-27T11:00:21", 102),
        [
            morpho(
                "base", 8453, "0x8793cf302b8ffd655ab97bd1c695dbd967807e8367a65cb2f4edaf1380ba1bda",
                transaction_type="supply_collateral", evt_index=315, amount_raw="200000000000000",
                depositor="0x23055618898e202386e6c13955a58d3c68200bfb",
                on_behalf_of="0x4dfb028a4d1353d0f0fb876cd9f4ed643e04cf27",
            ),
            morpho(
                "base", 8453, "0x8793cf302b8ffd655ab97bd1c695dbd967807e8367a65cb2f4edaf1380ba1bda",
                transaction_type="borrow", evt_index=319, amount_raw="100000",
                borrower="0x4dfb028a4d1353d0f0fb876cd9f4ed643e04cf27",
                on_behalf_of="0x4dfb028a4d1353d0f0fb876cd9f4ed643e04cf27",
                recipient="0x4dfb028a4d1353d0f0fb876cd9f4ed643e04cf27",
            ),
        ],
    ),
    Case(
        "0xb40d2edb688afbca34c2dc9cbd364ce83a66e0a55f421231ac4d88281009866f",
        "A proxy repays 0.500002 USDC of its Morpho debt on Base and returns the unused 0.000189 USDC.",
        place(8453, "base", 15957619, "2024-06-18T09:56:25", 214),
        [
            morpho(
                "base", 8453, "0xdba352d93a64b17c71104cbddc6aef85cd432322a1446b5b65163cbbc615cd0c",
                transaction_type="repay", evt_index=240, amount_raw="500002",
                borrower="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
                on_behalf_of="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
                repayer="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
            )
        ],
    ),
    Case(
        "0x6f22fe65f25aa9e68e4fc8b43d742da52318259531c02c7369342e19a67a0227",
        "The same proxy takes 0.001 cbETH of collateral out of Morpho on Base.",
        place(8453, "base", 15960896, "2024-06-18T11:45:39", 57),
        [
            morpho(
                "base", 8453, "0xdba352d93a64b17c71104cbddc6aef85cd432322a1446b5b65163cbbc615cd0c",
                transaction_type="withdraw_collateral", evt_index=164, amount_raw="1000000000000000",
                depositor="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
                on_behalf_of="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
                recipient="0x20e74013d82fea853afca3b4cb1fd9c2b105f55a",
            )
        ],
    ),
    Case(
        "0x8d3a5be47ff121846a85c84e9f1f487c43f66eadd5a3607f6c767ffc6704b50f",
        "1,172,000 USDC leave a MetaMorpho vault on Ethereum, which draws them from three of its markets.",
        place(1, "ethereum", 21170887, "2024-11-12T10:04:47", 191),
        [
            morpho(
                "ethereum", 1, market, transaction_type="withdraw", evt_index=index, amount_raw=amount,
                depositor="0xd63070114470f685b75b74d60eec7c1113d33a3d",
                on_behalf_of="0xd63070114470f685b75b74d60eec7c1113d33a3d",
                recipient="0xd63070114470f685b75b74d60eec7c1113d33a3d",
            )
            for index, amount, market in [
                (583, "545375590374", "0x8411eeb07c8e32de0b3784b6b967346a45593bfd8baeb291cc209dc195c7b3ad"),
                (587, "615052628855", "0x864c9b82eb066ae2c038ba763dfc0221001e62fc40925530056349633eb0a259"),
                (591, "11571780771", "0xb48bb53f0f2690c71e8813f2dc7ed6fca9ac4b0ace3faa37b4a8e5ece38fa1a2"),
            ]
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.did[:60] for case in CASES])
def test_a_named_transaction_did_what_is_known_of_it(case: Case) -> None:
    (decoded,) = decode_entries([RECEIPTS[case.tx_hash]])
    blank = dict.fromkeys(COLUMNS)
    expected = [blank | case.place | {"tx_hash": case.tx_hash} | row for row in case.rows]
    assert decoded.actions == expected, case.did
    assert [list(row) for row in decoded.actions] == [COLUMNS] * len(expected)
    assert decoded.ambiguous == []
    assert (decoded.failures, decoded.removed) == ([], 0)


def test_every_receipt_is_named_once() -> None:
    assert sorted(case.tx_hash for case in CASES) == sorted(RECEIPTS)
