"""klines_initial_load in a real Airflow, against the simulated exchange and a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tests.dags.airflow_runs import Airflow
    from tests.exchange import Exchange

QUARTER = {"symbols": ["BTC", "ETH"], "start": "2024-01-01", "end": "2024-03-31"}
HOURS, DAYS = 91 * 24, 91


def counts(dsn: str) -> dict[tuple[str, str], int]:
    with psycopg.connect(dsn) as conn:
        found = conn.execute("SELECT symbol, timeframe, count(*) FROM market_data GROUP BY 1, 2").fetchall()
    return {(symbol, timeframe): count for symbol, timeframe, count in found}


def run(airflow: Airflow, dsn: str, exchange: Exchange, **params: Any) -> Any:
    return airflow.run("klines_initial_load", market=dsn, exchange=exchange.url, **params)


def test_a_run_loads_measures_and_says_so_and_a_second_one_changes_nothing(
    airflow: Airflow, market_dsn: str, exchange: Exchange
) -> None:
    first = run(airflow, market_dsn, exchange, **QUARTER)
    assert first.state == "success"
    assert {name for name in first.tasks if " " in name} == {"BTC, ETH 1d", "BTC, ETH 1h"}
    assert set(first.tasks.values()) == {"success"}
    expected = {("BTC", "1d"): DAYS, ("ETH", "1d"): DAYS, ("BTC", "1h"): HOURS, ("ETH", "1h"): HOURS}
    assert counts(market_dsn) == expected
    assert f"**{2 * (HOURS + DAYS):,} new, 0 revised, 0 unchanged candles** in 4 windows" in first.note
    with psycopg.connect(market_dsn) as conn:
        months = conn.execute(
            "SELECT count(*), min(adjusted_completeness_percentage) FROM data_quality WHERE period = 'month'"
        ).fetchone()
        rows = "SELECT tableoid, ctid, xmin, timestamp FROM market_data ORDER BY 1, 2"
        before = conn.execute(rows).fetchall()
    assert months == (12, 100.0)

    second = run(airflow, market_dsn, exchange, **QUARTER)
    assert second.state == "success"
    assert "**Nothing to transfer**" in second.note
    with psycopg.connect(market_dsn) as conn:
        assert conn.execute(rows).fetchall() == before


def test_a_failed_window_fails_its_lane_and_the_run_but_takes_no_other_series_with_it(
    airflow: Airflow, market_dsn: str, exchange: Exchange
) -> None:
    exchange.fault("status", status=503, symbol="ETHUSDT", interval="1h")
    failed = run(airflow, market_dsn, exchange, **QUARTER)
    assert failed.state == "failed"
    assert failed.tasks["BTC, ETH 1h"] == "failed"
    assert failed.tasks["BTC, ETH 1d"] == "success"
    assert failed.tasks["publish_summary"] == "failed"
    assert counts(market_dsn) == {("BTC", "1d"): DAYS, ("ETH", "1d"): DAYS, ("BTC", "1h"): HOURS}
    assert "ETH 1h [2024-01-01 00:00, 2024-04-01 00:00)" in failed.note

    exchange.clear_faults()
    again = run(airflow, market_dsn, exchange, **QUARTER)
    assert again.state == "success"
    assert counts(market_dsn)["ETH", "1h"] == HOURS
    assert f"**{HOURS:,} new" in again.note


def test_a_bad_symbol_is_refused_with_its_neighbour_before_any_lane_starts(
    airflow: Airflow, market_dsn: str, exchange: Exchange
) -> None:
    refused = run(airflow, market_dsn, exchange, symbols=["BTCC"], start="2024-01-01", end="2024-01-02")
    assert refused.state == "failed"
    assert refused.tasks == {
        "choose_scope": "failed",
        "make_lanes": "upstream_failed",
        "load_lane": "upstream_failed",
        "measure_quality": "skipped",
        "publish_summary": "failed",
    }
    assert "BTCC" in refused.log
    assert "BTC" in refused.log.split("InvalidRequest", 1)[1][:400]
    assert counts(market_dsn) == {}
