"""The pages for newcomers and researchers: every query and request in them gives what they show; every relation can be exported."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import psycopg
import pyarrow.parquet as parquet
import pytest

from indexer.config import ROOT
from indexer.store.export import copy_table, relations
from tools import make_cookbook

COOKBOOK = (ROOT / "docs" / "sql-cookbook.md").read_text(encoding="utf-8")


def test_every_answer_is_what_the_demo_gives(demo: str) -> None:
    differing = [page.name for page, _ in make_cookbook.differing(demo)]
    assert differing == [], "run `python -m tools.make_cookbook`"


def test_the_cookbook_has_what_researchers_ask() -> None:
    queries = make_cookbook.queries(COOKBOOK)
    assert len(queries) >= 30
    assert COOKBOOK.count("```text") == len(queries)
    assert "(0 rows)" not in COOKBOOK, "a query that shows nothing teaches nothing"
    for relation in (
        "protocol_leverage", "leverage_by_scope", "leverage_distribution", "leverage_velocity", "loops", "loop_links", "dfc",
        "exposure_edges", "protocol_cycles", "lookthrough_exposure", "rehypothecation", "tvl_adjusted", "liquidation_risk", "limits",
        "liquidation_events", "bad_debt_history", "purge_events", "market_corrections", "concentration", "utilization",
        "interest_index_history", "param_history", "perp_market_state", "imbalance", "positions_at", "account_health",
    ):  # fmt: skip
        assert relation in COOKBOOK, relation


def test_a_page_that_is_wrong_is_noticed(demo: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sql\nSELECT 1 AS one\n```\n\n```text\none\n---\n  2\n(1 row)\n```\n")
    monkeypatch.setattr(make_cookbook, "PAGES", (page,))
    ((found, right),) = make_cookbook.differing(demo)
    assert found == page and "---\n  1\n(1 row)" in right
    page.write_text(right)
    assert list(make_cookbook.differing(demo)) == []


def test_every_relation_can_be_exported_in_both_forms(demo: str) -> None:
    """CSV and Parquet of every documented table and view hold the same rows, as many as SQL counts."""
    csv.field_size_limit(2**24)
    seen = 0
    with psycopg.connect(demo) as connection:
        connection.read_only = True
        names = relations(connection)
        views = {
            row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'").fetchall()
        }
        assert views <= set(names), f"views without a comment: {views - set(names)}"
        for name in names:
            if name in ("raw_log", "node_read"):  # the largest ones; they have no kinds of columns that others lack
                continue
            as_csv, as_parquet = io.BytesIO(), io.BytesIO()
            count = copy_table(connection, name, "csv", as_csv)
            assert copy_table(connection, name, "parquet", as_parquet) == count
            rows = list(csv.reader(io.StringIO(as_csv.getvalue().decode())))
            table = parquet.read_table(as_parquet)
            assert rows[0] == table.column_names and len(rows) - 1 == table.num_rows == count, name
            seen += count > 0
    assert seen > 50


def test_the_methodology_has_every_metric() -> None:
    text = (ROOT / "docs" / "methodology.md").read_text(encoding="utf-8")
    missing = [f"M{n}" for n in range(1, 24) if f"\n## M{n}: " not in text]
    assert missing == []
    for section in ("## Assumptions", "## Out of scope"):
        assert section in text
    for word in ("Greeks", "implied-volatility", "order books", "regulatory", "advice"):
        assert word in text.partition("## Out of scope")[2]
