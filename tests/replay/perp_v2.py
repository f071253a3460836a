"""Hold what SQL says of Perpetual Protocol v2 against what its contracts answered, answer by answer.

Predicted from events alone, for every account and market at every checkpoint:

* `getTakerPositionSize`, `getTakerOpenNotional`: a taker's size (`positions_at`) and what it paid (`perp_v2_takers_at`)
* `getBalance`: the vault balance in the settlement token (`positions_at`)
* `getPnlAndPendingFee`, first word: profit owed, not in the balance yet (`perp_v2_margins_at`)
* `slot0`, first word: the pool's price, from the first trade on (`market_state.extra`)

No rule, because makers' orders are Uniswap positions whose amounts follow the pool's tick, fee growth and 1-wei roundings:
`getTotalPositionSize`, `getTotalOpenNotional`, the other two words of `getPnlAndPendingFee`,
`getMarginRequirementForLiquidation`. Because pending funding needs the growth accumulators and averages at the asked
second, which no event tells: `getAllPendingFundingPayment`, and `getFreeCollateral` and `getAccountValue`, which hold it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.replay.answers import Comparison

NO_RULE = {
    "getTotalPositionSize", "getTotalOpenNotional", "getMarginRequirementForLiquidation", "getAllPendingFundingPayment",
    "getFreeCollateral", "getAccountValue", "getIndexPrice",
}  # fmt: skip


class Said:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        at = (meta["chain_id"], block)
        self.meta, self.settlement = meta, meta["contracts"]["USDC"]
        with connection.cursor(row_factory=dict_row) as cur:
            rows = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            ours = [r for r in rows if r["market_id"].startswith("perp_v2:")]
            self.held = {(r["account"], r["asset"], r["side"]): int(r["amount_raw"]) for r in ours}
            self.takers = {
                (r["account"], r["base_token"]): (int(r["size_raw"]), int(r["open_notional_raw"]))
                for r in cur.execute("SELECT * FROM perp_v2_takers_at(%s, %s)", at)
            }
            self.owed = {
                r["account"]: int(r["owed_realized_pnl_raw"])
                for r in cur.execute("SELECT * FROM perp_v2_margins_at(%s, %s)", at)
                if r["token"] == self.settlement
            }
            self.state = {
                r["market_id"].rsplit(":", 1)[1]: r["extra"] or {}
                for r in cur.execute(
                    "SELECT DISTINCT ON (m.market_id) m.market_id, s.extra FROM market m "
                    "JOIN market_state s USING (chain_id, market_key) WHERE chain_id = %s AND m.accounting LIKE 'perp_v2%%' AND s.block_number <= %s "
                    "ORDER BY m.market_id, s.block_number DESC",
                    at,
                )
            }

    def signed(self, account: str, asset: str, plus: str, minus: str) -> int:
        """Return a signed number that is booked on two sides."""
        return self.held.get((account, asset, plus), 0) - self.held.get((account, asset, minus), 0)

    def say(self, what: str, label: dict[str, Any]) -> int | None:
        """Return the first word that the contract has to answer, None where nothing told it yet."""
        account, base = label.get("account", ""), label.get("base", "")
        match what:
            case "getTakerPositionSize":
                size = self.signed(account, base, "long", "short")
                assert size == self.takers.get((account, base), (0, 0))[0]
                return size
            case "getTakerOpenNotional":
                return self.takers.get((account, base), (0, 0))[1]
            case "getBalance":
                return self.signed(account, self.settlement, "margin", "debt")
            case "getPnlAndPendingFee":
                return self.owed.get(account, 0)
            case "slot0":
                return self.state[self.meta["contracts"][label["market"]]].get("sqrt_price_x96")
        raise AssertionError(f"no comparison for {what}")


def compare(connection: psycopg.Connection[Any], meta: dict[str, Any], answers: Iterable[dict[str, Any]]) -> Comparison:
    """Compare every answer that has a rule."""
    asked: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers:
        if answer["label"]["what"] not in NO_RULE:
            asked[answer["block"]].append(answer)
    found = Comparison()
    for block, of_block in sorted(asked.items()):
        said = Said(connection, meta, block)
        for answer in of_block:
            what, ours = answer["label"]["what"], said.say(answer["label"]["what"], answer["label"])
            if ours is None:
                continue
            found.compared[what] += 1
            if ours % 2**256 != int(answer["result"][2:66], 16):
                found.mismatches.append(
                    f"block {block} {answer['label']}: contract {answer['result'][2:66]}, SQL {ours}"
                )
    return found
