"""The scheduled Dags in a real Airflow, one after the other on one database, as the exchange's clock moves on."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.errors import LoadError
from include.klines.load.planning import Scope
from include.klines.upkeep.tasks import publish_gap_fill, publish_month, publish_quality
from include.klines.windows import month_of

if TYPE_CHECKING:
    from tests.dags.airflow_runs import Airflow, DagRun
    from tests.exchange import Exchange

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}


@pytest.fixture
def conn(market_dsn: str) -> Any:
    with psycopg.connect(market_dsn, autocommit=True) as connection:
        yield connection


def lanes(run: DagRun) -> set[str]:
    return {name for name in run.tasks if " " in name}


def counts(conn: psycopg.Connection) -> dict[tuple[str, str], int]:
    rows = conn.execute("SELECT symbol, timeframe, count(*) FROM market_data GROUP BY 1, 2").fetchall()
    return {(symbol, timeframe): count for symbol, timeframe, count in rows}


def test_a_week_of_upkeep(airflow: Airflow, market_dsn: str, conn: psycopg.Connection, exchange: Exchange) -> None:
    where = {"market": market_dsn, "exchange": exchange.url}

    exchange.set_clock("2026-01-10T02:01:00Z")
    saturday = airflow.run("klines_daily_increment", **where, **TWO, at="2026-01-10T02:00:00+00:00")
    assert saturday.state == "success", saturday.log[-3000:]
    assert lanes(saturday) == {"BTC, ETH 1d", "BTC, ETH 1h"}
    assert "**150 new, 0 revised, 0 unchanged candles** in 4 windows" in saturday.note
    assert "listed: BTC, ETH" in saturday.note

    exchange.revise("BTCUSDT", "2026-01-09T20:00:00Z", at="2026-01-10T09:00:00Z")
    exchange.set_clock("2026-01-11T02:01:00Z")
    sunday = airflow.run("klines_daily_increment", **where, **TWO, at="2026-01-11T02:00:00+00:00")
    assert sunday.state == "success", sunday.log[-3000:]
    assert "**50 new, 2 revised, 98 unchanged candles** in 4 windows" in sunday.note
    before = counts(conn)
    assert before == {("BTC", "1d"): 4, ("ETH", "1d"): 4, ("BTC", "1h"): 96, ("ETH", "1h"): 96}

    conn.execute("DELETE FROM market_data WHERE timestamp BETWEEN '2026-01-08 00:00+00' AND '2026-01-08 05:00+00'")
    exchange.set_clock("2026-01-11T03:01:00Z")
    found = airflow.run("klines_quality_check", **where, start="2026-01-08", end="2026-01-10")
    assert found.state == "success", found.log[-3000:]
    assert "4 series, 136 of 150 expected candles" in found.note
    assert "Missing: 14 not_published." in found.note

    filled = airflow.run(
        "klines_weekly_gap_fill", **where, start="2026-01-08", end="2026-01-10", at="2026-01-11T03:00:00+00:00"
    )
    assert filled.state == "success", filled.log[-3000:]
    assert "**Gaps: 4 found (14 candles), 4 filled (14), 0 explained, 0 still open.**" in filled.note
    assert lanes(filled) == {"BTC, ETH 1d", "BTC, ETH 1h"}
    assert counts(conn) == before
    assert filled.tasks["publish_report"] == "success"
    report = Path(airflow.environment["AIRFLOW_HOME"]) / "reports" / "klines-coverage-2026-01-11.html"
    assert "4</b><span>series of 2 symbols" in report.read_text()


def test_a_month_that_is_short_fails_its_consolidation_by_name(
    airflow: Airflow, market_dsn: str, conn: psycopg.Connection, exchange: Exchange
) -> None:
    where = {"market": market_dsn, "exchange": exchange.url}
    exchange.set_clock("2026-01-10T00:00:00Z")
    loaded = airflow.run("klines_initial_load", **where, **TWO, start="2025-11-01", end="2025-12-31")
    assert loaded.state == "success", loaded.log[-3000:]
    exchange.fault("hide", symbol="ETHUSDT", start="2025-12-10T00:00:00Z", end="2025-12-10T12:00:00Z")
    exchange.revise("BTCUSDT", "2025-11-20T10:00:00Z", at="2026-01-11T00:00:00Z")
    conn.execute(
        """DELETE FROM market_data WHERE symbol = 'ETH' AND timeframe = '1h'
        AND timestamp >= '2025-12-10 00:00+00' AND timestamp < '2025-12-10 12:00+00'"""
    )
    exchange.set_clock("2026-01-12T05:01:00Z")
    short = airflow.run("klines_monthly_consolidation", **where, at="2026-01-12T05:00:00+00:00")
    assert short.state == "failed"
    assert {name for name, state in short.tasks.items() if state == "failed"} == {"publish_summary"}
    assert "ETH 1h 98.387 % (12 open)" in short.note
    assert "2 read, 748 candles agree, 2 revised, 0 new." in short.note.split("Replaced archive files: ")[1]
    assert "BTC 1h: replaced files" in lanes(short)

    exchange.fault("status", status=503, kind="listing")
    unlisted = airflow.run("klines_monthly_consolidation", **where, at="2026-01-12T05:30:00+00:00")
    assert unlisted.state == "failed"
    failed = {name for name, state in unlisted.tasks.items() if state == "failed"}
    assert failed == {"make_file_lanes", "publish_summary"}
    assert "**2025-12: 3 of 4 series are complete.**" in unlisted.note
    assert "ETH 1h 98.387 % (12 open)" in unlisted.note
    assert "make_file_lanes did not end well: no archive file was looked at again" in unlisted.note
    assert "No archive file was replaced" not in unlisted.note
    assert "1 series are below 99 % in 2025-12: ETH 1h" in unlisted.log


def test_a_month_whose_gaps_could_not_be_planned_is_judged_all_the_same(
    market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Left:
        """What the closing task finds: no lane has a report."""

        note = ""

        def xcom_pull(self, **asked: Any) -> list[Any]:
            return []

        def xcom_push(self, *, key: str, value: str) -> None:
            self.note = value

    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    scope = Scope.of_series([], month_of(datetime(2025, 12, 1, tzinfo=UTC))).to_json()
    left = Left()
    with pytest.raises(LoadError, match=r"^make_lanes did not end well: no gap was asked for; the first red task says"):
        publish_month(scope, None, [], {"ti": left, "params": {}})
    assert left.note.startswith("**2025-12: 0 of 0 series are complete.**")
    assert "0 found" not in left.note


def test_each_dag_says_what_did_not_happen_where_nothing_was_chosen() -> None:
    with pytest.raises(LoadError, match="nothing was chosen, so nothing was measured"):
        publish_quality(None, {})
    with pytest.raises(LoadError, match="nothing was chosen, so nothing was loaded"):
        publish_month(None, None, None, {})
    with pytest.raises(LoadError, match="nothing was planned, so nothing was loaded"):
        publish_gap_fill(Scope.of_series([], month_of(datetime(2025, 12, 1, tzinfo=UTC))).to_json(), None, {})


def test_a_backfill_makes_a_run_of_each_day(airflow: Airflow) -> None:
    def cli(*words: str) -> str:
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(command, env=airflow.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    days = ["--from-date", "2025-10-01", "--to-date", "2025-10-04"]
    cli("dags", "reserialize")
    cli("backfill", "create", "--dag-id", "klines_daily_increment", *days)
    runs = json.loads(cli("dags", "list-runs", "klines_daily_increment", "--output", "json").splitlines()[-1])
    made = sorted(run["logical_date"] for run in runs if run["run_id"].startswith("backfill"))
    assert made == [f"2025-10-0{day}T02:00:00+00:00" for day in (1, 2, 3)]
