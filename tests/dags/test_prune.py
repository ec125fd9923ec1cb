"""klines_monthly_prune in a real Airflow: what a run by hand does, and what one asked to prune does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg

from include.klines.retention.tasks import is_dry
from include.klines.settings import ROOT
from tests.sql.measured import fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dags.airflow_runs import Airflow
    from tests.exchange import Exchange


def test_unset_a_scheduled_run_prunes_and_any_other_reports() -> None:
    assert not is_dry(None, "scheduled")
    assert is_dry(None, "manual")
    assert is_dry(None, "backfill")
    assert is_dry(True, "scheduled")
    assert not is_dry(False, "manual")


def test_a_run_by_hand_reports_and_prunes_only_when_asked(
    airflow: Airflow, market_dsn: str, exchange: Exchange, tmp_path: Path
) -> None:
    exchange.set_clock("2026-01-10T02:01:00Z")
    here = replace(airflow, environment=airflow.environment | {"KLINES_COLD_STORAGE": tmp_path.as_uri()})
    where: dict[str, Any] = {"market": market_dsn, "exchange": exchange.url, "at": "2026-01-10T02:00:00+00:00"}
    with psycopg.connect(market_dsn, autocommit=True) as conn:
        fill(conn, "BTC", "2020-12-30", "2021-01-03")
        fill(conn, "BTC", "2024-12-30", "2025-01-03", timeframe="5m")
        pinned = here.run("klines_monthly_prune", **where)
        assert pinned.state == "success", pinned.log[-3000:]
        assert "**Only reported: 576 candles of 1 series" in pinned.note
        conn.execute("DELETE FROM dataset_pin")
        reported = here.run("klines_monthly_prune", **where)
        assert "**Only reported: 624 candles of 2 series" in reported.note
        assert "| BTC 5m | 576 |" in reported.note
        assert "| BTC 1h | 48 |" in reported.note
        assert "1h 2021-01-01, " in reported.note
        assert conn.execute("SELECT count(*) FROM market_data").fetchone() == (96 + 4 * 288,)
        assert list(tmp_path.iterdir()) == []

        pruned = here.run("klines_monthly_prune", **where, dry_run=False)
        assert pruned.state == "success", pruned.log[-3000:]
        assert {"1h 2020", "5m 2024"} <= set(pruned.tasks)
        assert "**624 candles removed**, 2 partitions dropped; 2 Parquet files have them" in pruned.note
        assert conn.execute("SELECT count(*) FROM market_data").fetchone() == (48 + 2 * 288,)
        assert conn.execute("SELECT count(*) FROM data_gap WHERE cause = 'pruned'").fetchone() == (2,)
        assert len(list(tmp_path.rglob("candles.parquet"))) == 2

        again = here.run("klines_monthly_prune", **where, dry_run=False)
        assert again.state == "success", again.log[-3000:]
        assert "**0 candles removed**" in again.note

        cli(here, "airflow", "connections", "add", "market_db", "--conn-uri", market_dsn)
        command = ["include.klines.restore", "--start", "2020-01-01", "--end", "2020-12-31"]
        assert cli(here, *command).splitlines()[-1] == "BTC 1h: 48 candles are back"
        assert conn.execute("SELECT count(*) FROM market_data WHERE timeframe = '1h'").fetchone() == (96,)


def cli(airflow: Airflow, *words: str) -> str:
    """What a module prints that is run in Airflow's environment, as `docker compose exec scheduler` does."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=airflow.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
