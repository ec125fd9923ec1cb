"""What the page answers, over a real socket, about a database whose troubles are known."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.coverage import figures, tables
from include.klines.reader import fingerprint, load_ohlcv
from tests.coverage.content import HOSTILE, SYMBOLS

if TYPE_CHECKING:
    from tests.coverage.site import Site


def cells(heatmap: dict[str, Any], symbol: str) -> dict[str, Any]:
    (series,) = [each for each in heatmap["series"] if each["symbol"] == symbol]
    return dict(zip(heatmap["months"], series["cells"], strict=True))


def test_the_heatmap_has_a_cell_for_each_month_of_each_series(coverage_site: Site) -> None:
    from coverage_page.database import KEPT_SECONDS

    oldest = datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS)
    heatmap = coverage_site.get("/api/heatmap", timeframe="1h").json()
    assert heatmap["months"][:3] == ["2025-06", "2025-07", "2025-08"]
    assert heatmap["months"][-1] in {f"{moment:%Y-%m}" for moment in (oldest, datetime.now(UTC))}
    assert {each["symbol"] for each in heatmap["series"]} == {*SYMBOLS, HOSTILE}
    bitcoin = cells(heatmap, "BTC")
    assert bitcoin["2025-06"] == 720
    assert bitcoin["2026-01"][:2] == [14 * 24, 14 * 24]
    assert bitcoin["2026-01"][7] == 1, "the revised day differs from its hours"
    assert bitcoin["2026-02"] == -1, "listed, and never loaded"
    assert cells(heatmap, "MKR")["2025-09"] == 14 * 24 + 3, "delisted on the 15th at 03:00"
    assert cells(heatmap, "MKR")["2025-10"] is None
    expected, present, outage, suspension, not_published, pruned, left_open, anomalies = cells(heatmap, "DOGE")[
        "2025-06"
    ]
    assert (expected, present, pruned) == (720, 0, 720)
    assert (outage, suspension, not_published, left_open, anomalies) == (0, 0, 0, 0, 0)


def test_missing_candles_are_the_sum_of_their_causes(coverage_site: Site) -> None:
    heatmap = coverage_site.get("/api/heatmap", timeframe="1h").json()
    broken = [cell for each in heatmap["series"] for cell in each["cells"] if isinstance(cell, list)]
    assert broken
    for expected, present, *causes, _ in broken:
        assert expected - present == sum(causes)
    lost = [cell for cell in cells(heatmap, "SOL").values() if isinstance(cell, list)]
    assert sum(sum(cell[2:7]) for cell in lost) == 9 * 24


def test_filters_choose_series(coverage_site: Site) -> None:
    def chosen(**query: str) -> set[str]:
        return {each["symbol"] for each in coverage_site.get("/api/heatmap", **query).json()["series"]}

    assert chosen(q="sol") == {"SOL"}
    assert chosen(q="%") == set()
    assert chosen(tier="core") >= {"BTC", "ETH", "SOL"}
    assert chosen(tier="core") | chosen(tier="extended") == {*SYMBOLS, HOSTILE}
    assert "SOL" in chosen(problems="true")
    assert "DOGE" not in chosen(problems="true"), "what was pruned is no problem"


def test_the_overview_agrees_with_the_database(coverage_site: Site, reader: str) -> None:
    overview = coverage_site.get("/api/overview").json()
    with psycopg.connect(reader) as conn:
        counted = conn.execute(b"SELECT count(*), count(DISTINCT (symbol, timeframe)) FROM market_data").fetchone()
    assert counted == (overview["totals"]["candles"], overview["totals"]["series"])
    assert overview["simulated"] is True
    assert overview["timeframes"] == ["1h", "1d"]
    assert len(overview["rates"]) == 168
    assert sum(hour["requests"] for hour in overview["rates"]) > len(SYMBOLS) * 18
    assert sum(hour["rate_limited"] for hour in overview["rates"]) == len(SYMBOLS) * 4
    whole = {row["days"]: row for row in overview["completeness"] if row["timeframe"] is None}
    assert set(whole) == {30, 90, 365}
    assert whole[365]["expected"] - whole[365]["present"] == whole[365]["missing"]
    first = overview["worst"][0]
    assert first["symbol"] == HOSTILE
    for row in overview["worst"]:
        missing = ("open", "outage", "suspension", "not_published", "pruned")
        assert row["missing"] == sum(row[name] for name in missing)
    assert [miss["what"] for miss in overview["misses"]][:1] == ["completeness"]
    assert overview["bans"] == []
    assert overview["weight"]["limit"] == 6000
    assert overview["weight"]["budget"] == 4800


def test_a_series_is_told_with_what_reads_it(coverage_site: Site, reader: str) -> None:
    series = coverage_site.get("/api/series/BTC/1h", start="2025-07-01", end="2025-08-01").json()
    assert series["fingerprint_range"] == ["2025-07-01T00:00:00Z", "2025-08-01T00:00:00Z"]
    assert series["fingerprint"] == fingerprint("BTC", "1h", "2025-07-01", "2025-08-01", dsn=reader)
    call = series["reader"].removesuffix(")") + ", dsn=reader)"
    frame = eval(call, {"load_ohlcv": load_ohlcv, "reader": reader})
    assert len(frame) == 31 * 24
    with psycopg.connect(reader) as conn:
        assert len(conn.execute(series["sql"].encode()).fetchall()) == 31 * 24
    assert {load["status"] for load in series["loads"]} == {"success"}
    assert series["trigger"]["fill"]["dag_id"] == "klines_weekly_gap_fill"
    assert series["trigger"]["fill"]["conf"] == {
        "symbols": ["BTC"], "timeframes": ["1h"], "start": "2025-07-01", "end": "2025-07-31",
    }  # fmt: skip


def test_a_series_with_a_hole_says_why_it_has_no_fingerprint(coverage_site: Site) -> None:
    series = coverage_site.get("/api/series/SOL/1h").json()
    assert series["fingerprint"] is None
    assert "SOL 1h" in series["fingerprint_note"]
    assert sum(gap["missing"] for gap in series["gaps"] if gap["resolved_at"] is None) == 9 * 24


def test_revisions_and_anomalies_are_told(coverage_site: Site) -> None:
    bitcoin = coverage_site.get("/api/series/BTC/1h").json()
    assert bitcoin["revisions_total"] == len(bitcoin["revisions"]) == 3
    assert bitcoin["revisions"][0]["old"]["volume"] != bitcoin["revisions"][0]["new"]["volume"]
    ether = coverage_site.get("/api/series/ETH/1h").json()
    assert "fail" in {anomaly["severity"] for anomaly in ether["anomalies"]}


def test_a_reused_ticker_has_two_listings(coverage_site: Site) -> None:
    luna = coverage_site.get("/api/series/LUNA/1d").json()
    assert [listing["delisted_at"] for listing in luna["listings"]] == ["2022-05-13T01:00:00Z", None]


def test_a_chart_draws_every_candle_once(coverage_site: Site, reader: str) -> None:
    query = {"start": "2025-10-01", "end": "2025-12-01", "points": "100"}
    chart = coverage_site.get("/api/series/ETH/1h/candles", **query).json()
    assert chart["step_seconds"] == 3600
    assert chart["bucket_seconds"] % 3600 == 0
    assert 50 < len(chart["t"]) <= 100
    assert {len(chart[name]) for name in ("open", "high", "low", "close", "volume")} == {len(chart["t"])}
    with psycopg.connect(reader) as conn:
        stored = conn.execute(b"""
            SELECT sum(volume), max(high), min(low), (array_agg(open ORDER BY timestamp))[1],
                (array_agg(close ORDER BY timestamp DESC))[1]
            FROM market_data WHERE symbol = 'ETH' AND timeframe = '1h' AND timestamp >= '2025-10-01Z'
                AND timestamp < '2025-12-01Z'
        """).fetchone()
    assert stored is not None
    assert sum(chart["volume"]) == pytest.approx(stored[0])
    assert (max(chart["high"]), min(chart["low"])) == (stored[1], stored[2])
    assert (chart["open"][0], chart["close"][-1]) == (stored[3], stored[4])


def test_nothing_is_drawn_where_nothing_is_stored(coverage_site: Site) -> None:
    chart = coverage_site.get("/api/series/SOL/1h/candles", start="2025-12-20", end="2026-01-10", points="600").json()
    assert chart["bucket_seconds"] == 3600
    assert chart["close"].count(None) == 9 * 24


@pytest.mark.parametrize("name", tables.COLUMNS)
def test_every_table_comes_as_csv_and_json_with_the_same_rows(coverage_site: Site, name: str) -> None:
    answer = coverage_site.get(f"/api/{name}", format="csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="klines_{name}.csv"'
    lines = list(csv.reader(io.StringIO(answer.text)))
    found = coverage_site.get(f"/api/{name}", format="json").json()
    assert tuple(lines[0]) == tuple(found["columns"]) == tables.COLUMNS[name]
    assert len(lines) - 1 == len(found["rows"])
    assert (len(found["rows"]) > 0) == (name != "runs"), "this Airflow has not parsed a Dag"


def test_a_table_obeys_the_filters(coverage_site: Site) -> None:
    rows = coverage_site.get("/api/gaps", timeframe="1h", q="SOL").json()["rows"]
    assert {(row["symbol"], row["timeframe"]) for row in rows} == {("SOL", "1h")}
    assert coverage_site.get("/api/loads", problems="true").json()["rows"][0]["symbol"] == "LINK"


def test_a_spreadsheet_runs_nothing() -> None:
    row = dict.fromkeys(tables.COLUMNS["misses"], "x") | {
        "detail": '=HYPERLINK("http://x")',
        "what": "@a",
        "symbol": "-1",
    }
    (_, line) = list(csv.reader(io.StringIO(tables.as_csv("misses", [row]).decode())))
    assert line[:4] == ["'@a", "'-1", "x", '\'=HYPERLINK("http://x")']


def test_health_is_a_status_with_reasons(coverage_site: Site) -> None:
    answer = coverage_site.get("/api/health")
    health = answer.json()
    assert (answer.status_code, health["status"]) == (503, "unhealthy")
    assert health["checks"]["completeness"] == "broken"
    assert health["checks"]["ban"] == "held"
    assert any("SOL 1h" in reason for reason in health["reasons"])


def test_metrics_are_prometheus_text_with_every_figure(coverage_site: Site) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    answer = coverage_site.get("/api/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert set(families) == {figures.PREFIX + name for name in figures.HELP}
    stored = {sample.labels["timeframe"]: sample.value for sample in families["klines_series"].samples}
    assert stored["1h"] == len(SYMBOLS) + 1
    gaps = {sample.labels["cause"] for sample in families["klines_missing_candles"].samples}
    assert "pruned" in gaps


def test_times_are_iso_in_utc(coverage_site: Site) -> None:
    overview = coverage_site.get("/api/overview").text
    assert json.loads(overview)["as_of"].endswith("Z")
    assert "+00:00" not in overview
