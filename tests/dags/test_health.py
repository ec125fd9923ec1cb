"""klines_health in a real Airflow: on an empty database, when a series is late, and when that has cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.dags.airflow_runs import Airflow

NOWHERE = "http://127.0.0.1:9"
"""Health asks the exchange for nothing."""
CHECKS = {"completeness", "last_sync", "open_gaps", "errors", "ban"}


def test_health_turns_red_and_green_again(airflow: Airflow, market_dsn: str) -> None:
    where = {"market": market_dsn, "exchange": NOWHERE}
    empty = airflow.run("klines_health", **where, at="2026-01-10T10:00:00+00:00")
    assert empty.state == "success", empty.log[-3000:]
    assert empty.tasks == dict.fromkeys([*CHECKS, "publish_summary"], "success")
    assert empty.note.startswith("Healthy: nothing is stored yet")

    with psycopg.connect(market_dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO symbol_listing (symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at,"
            " synced_at) VALUES ('BTC', 'BTCUSDT', 'BTC', 'USDT', 'core', 'TRADING', '2026-01-01', '2026-01-10')"
        )
        conn.execute(
            "INSERT INTO historical_data_range VALUES"
            " ('BTC', '1h', '2026-01-01', '2026-01-09', 200, TRUE, '2026-01-09 02:00+00')"
        )
        late = airflow.run("klines_health", **where, at="2026-01-11T10:00:00+00:00")
        assert late.state == "failed", late.log[-3000:]
        assert late.tasks == dict.fromkeys(CHECKS, "success") | {"last_sync": "failed", "publish_summary": "failed"}
        assert "- last_sync BTC 1h: (last synced 2026-01-09 02:00 UTC). What mends it: airflow dags unpause" in late.note
        (row,) = conn.execute("SELECT what, missed_at::text, cleared_at, last_sent_at = missed_at FROM sla_miss")
        assert row == ("last_sync", "2026-01-11 10:00:00+00", None, True)

        conn.execute("UPDATE historical_data_range SET last_synced = '2026-01-11 11:00+00'")
    well = airflow.run("klines_health", **where, at="2026-01-11T12:00:00+00:00")
    assert well.state == "success", well.log[-3000:]
    assert well.note == "**Healthy.**"
