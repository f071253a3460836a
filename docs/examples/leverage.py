# %% [markdown]
# # Tables of three papers, from the recorded chain
#
# The demo's accounts and prices are made up, so the figures say nothing about the world; the definitions are the papers'. Point
# `LEVERAGE_DATABASE_URL` at an index of a real chain (`leverage sql -- -c '\conninfo'` shows the embedded one) and run it again.
#
# * wallet-level leverage of borrowers, daily: BIS Working Paper 1171 (asset-to-equity)
# * leverage staking positions: Xiong et al. (direct: stake, deposit, borrow the staked asset)
# * recursive borrowing within a day: Bank of Canada (share of borrowing that came back as collateral)
#
# SQL brings the rows; the metrics are the pure functions of `indexer.aggregation`, which need no database.

# %%
import os
from decimal import Decimal

import matplotlib.pyplot as plt
import psycopg
from IPython.display import Markdown

from indexer.aggregation.distribution import Borrower, quantile
from indexer.aggregation.leverage import account_leverage
from indexer.aggregation.loops import equivalent_depth

connection = psycopg.connect(os.environ["LEVERAGE_DATABASE_URL"], autocommit=True)
connection.read_only = True
CHAIN, HEAD = connection.execute(
    "SELECT chain_id, max(block_number) FROM block GROUP BY chain_id ORDER BY 1 LIMIT 1"
).fetchone()


def table(heading, rows):
    """Show rows as a table."""
    shown = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    shown += ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows]
    return Markdown("\n".join(shown))


# %% [markdown]
# ## Wallet-level leverage of borrowers, by day
#
# One wallet is one owner: the accounts of a person are added before the ratio is taken. Ratio of sums, and quantiles over wallets
# weighted by debt, as of the last block of each week. BIS WP 1171 finds 1.4 to 1.9 on the large venues.

# %%
DAYS = connection.execute(
    "SELECT (to_timestamp(max(block_timestamp)) AT TIME ZONE 'UTC')::date, max(block_number) FROM block WHERE chain_id = %s "
    "GROUP BY block_timestamp / 604800 ORDER BY 2",
    [CHAIN],
).fetchall()
wallets = []
for day, block in DAYS:
    books = connection.execute(
        "SELECT assets_usd, debt_usd FROM owner_leverage_at(%s, %s) WHERE status = 'ok'", [CHAIN, block]
    ).fetchall()
    borrowers = [Borrower(account_leverage(assets, debt).assets_to_equity, debt) for assets, debt in books]
    if borrowers:
        assets, debt = (sum((row[n] for row in books), Decimal(0)) for n in (0, 1))
        quantiles = [quantile(borrowers, p) for p in (Decimal("0.5"), Decimal("0.9"))]
        wallets.append(
            (day, len(borrowers), round(debt), *(round(float(x), 3) for x in (assets / (assets - debt), *quantiles)))
        )
table(["week to", "wallets", "debt, USD", "assets to equity", "median (by debt)", "90th"], wallets)

# %%
figure, axes = plt.subplots(figsize=(7, 2.6))
axes.plot([row[0] for row in wallets], [row[3] for row in wallets], marker="o", label="all borrowers")
axes.plot([row[0] for row in wallets], [row[5] for row in wallets], marker=".", label="90th percentile by debt")
axes.set_ylabel("assets / equity")
axes.legend(frameon=False)
figure.autofmt_xdate()

# %% [markdown]
# ## Leverage staking
#
# A wallet that holds the staked asset as collateral and owes the asset it is a claim on. `turns` is what the chain shows, the equivalent
# depth what a loop at the maximum loan-to-value would need for the same multiplier: flash loans do in one turn what others do in many.

# %%
STAKING = """
SELECT l.owner_id, l.projects::text, l.is_flash, l.turns, l.multiplier::float8, l.max_ltv::float8, l.debt_usd, l.closed_block IS NOT NULL
FROM loops l
WHERE l.chain_id = %s AND l.method = 'event' AND EXISTS (
    SELECT FROM loop_links k WHERE k.chain_id = l.chain_id AND 'event:' || k.loop_id = l.loop_id
        AND k.symbol = 'wstETH' AND k.borrow_symbol = 'WETH')
ORDER BY l.multiplier DESC NULLS LAST, l.loop_id
"""
staking = []
for owner, projects, flash, turns, reached, limit, debt, closed in connection.execute(STAKING, [CHAIN]):
    depth = equivalent_depth(reached, limit) if reached and limit else None
    staking.append((
        owner[:10], projects, "flash" if flash else "turn by turn", turns, reached and round(reached, 2),
        depth and round(depth, 1), debt and round(debt), "closed" if closed else "open",
    ))  # fmt: skip
table(["wallet", "where", "how", "turns", "multiplier", "equivalent depth", "debt, USD", "now"], staking)

# %%
opened = [row for row in staking if row[7] == "open"]
table(
    ["positions ever", "open", "wallets", "debt of open ones, USD"],
    [(len(staking), len(opened), len({row[0] for row in staking}), sum(row[6] or 0 for row in opened))],
)

# %% [markdown]
# ## Recursive borrowing within a day
#
# Of all that was borrowed, how much came back as collateral of the same owner within one day, by volume and by count. Beside it the
# same without a limit of time, and within one transaction.

# %%
recursive = []
for window in (0, 86_400, None):
    recursive += [
        ("one transaction" if window == 0 else "any" if window is None else "1 day", *row)
        for row in connection.execute(
            "SELECT project || ' v' || version, round(borrow_usd), n_borrows, round(recursive_borrow_share_volume::numeric, 4), "
            "round(recursive_borrow_share_count::numeric, 4) FROM loops_summary_at(%s, %s, 0, %s) ORDER BY 1",
            [CHAIN, HEAD, window],
        )
    ]
table(["window", "protocol", "borrowed, USD", "borrows", "recursive, of volume", "of count"], recursive)
