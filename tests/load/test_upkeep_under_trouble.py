"""What may befall the scheduled loads: afterwards the rows are those of an undisturbed run, and no record lies."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from binance_plugin.errors import ExchangeUnavailable
from include.klines.database import prepare
from include.klines.settings import ROOT
from tests.load.test_lanes_end_to_end import fingerprint, rows
from tests.load.upkeep import Upkeep, inserted, spans, utc

WORKER = """
import sys, psycopg
from include.klines.database import prepare
from tests.load.upkeep import Address, Upkeep
with psycopg.connect(sys.argv[1]) as conn:
    Upkeep(prepare(conn), Address(sys.argv[2])).daily("2026-01-11", symbols=["BTC", "ETH"])
"""
TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}


def test_a_pair_that_is_relisted_goes_on_and_the_time_between_is_not_missing(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.change_pair("ETHUSDT", delisted="2025-12-10T07:00:00Z", relisted="2026-01-10T12:00:00Z")
    exchange.set_clock("2025-12-15T02:01:00Z")
    upkeep.load(**TWO, start="2025-12-08", end="2025-12-14")
    exchange.set_clock("2026-01-12T02:01:00Z")
    upkeep.daily("2026-01-11", **TWO)
    since = """SELECT timeframe, count(*) FROM market_data
        WHERE symbol = 'ETH' AND timestamp > '2026-01-01' GROUP BY 1 ORDER BY 1"""
    assert rows(upkeep.conn, since) == [("1d", 2), ("1h", 38)]


def test_a_day_on_which_the_exchange_is_down_is_made_up_for_by_the_next_run(upkeep: Upkeep, another: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-11T02:01:00Z")
    upkeep.daily("2026-01-10", **TWO)
    down = exchange.fault("status", status=503, kind="any")
    exchange.set_clock("2026-01-12T02:01:00Z")
    with pytest.raises(ExchangeUnavailable):
        upkeep.daily("2026-01-11", **TWO)
    exchange.clear_faults(down)
    exchange.set_clock("2026-01-13T02:01:00Z")
    upkeep.daily("2026-01-12", **TWO)
    another.load(**TWO, timeframes=["1d"], start="2026-01-08", end="2026-01-12")
    assert [row for row in fingerprint(upkeep.conn) if row[1] == "1d"] == fingerprint(another.conn)
    assert spans(upkeep)[1] == ("1h", utc("2026-01-08 02:00"), utc("2026-01-13 01:00"), 120)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


@pytest.mark.parametrize(("seconds", "last_hour"), [(7200, "2026-01-12 01:00"), (-7200, "2026-01-11 23:00")])
def test_an_exchange_whose_clock_is_wrong_never_gives_an_unfinished_candle(
    upkeep: Upkeep, another: Upkeep, seconds: int, last_hour: str
) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-12T02:01:00Z")
    skew = exchange.fault("clock_skew", seconds=seconds)
    upkeep.daily("2026-01-11", **TWO)
    assert spans(upkeep)[1][2] == utc(last_hour)
    exchange.clear_faults(skew)
    exchange.set_clock("2026-01-13T02:01:00Z")
    upkeep.daily("2026-01-12", **TWO)
    for day in ("2026-01-11", "2026-01-12"):
        another.daily(day, **TWO)
    assert fingerprint(upkeep.conn) == fingerprint(another.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM market_data_revision") == [(0,)]


def test_a_worker_killed_in_the_middle_of_a_lane_leaves_whole_windows_and_the_next_try_the_rest(
    upkeep: Upkeep, another: Upkeep, market_dsn: str
) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-12T02:01:00Z")
    upkeep.load(**TWO, timeframes=["1d"], start="2026-01-09", end="2026-01-09")
    exchange.forget_requests()
    hang = exchange.fault("hang", symbol="ETHUSDT", interval="1h", kind="klines")
    command = [sys.executable, "-c", WORKER, market_dsn, exchange.url]
    worker = subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"})
    try:
        while not exchange.faults()[0]["hits"]:
            assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    exchange.clear_faults(hang)
    stored = rows(upkeep.conn, "SELECT symbol, timeframe, count(*) FROM market_data GROUP BY 1, 2 ORDER BY 2, 1")
    assert stored == [("BTC", "1d", 3), ("ETH", "1d", 3), ("BTC", "1h", 72)]
    upkeep.daily("2026-01-11", **TWO)
    another.daily("2026-01-11", **TWO)
    assert fingerprint(upkeep.conn) == fingerprint(another.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


def test_a_daily_and_a_weekly_run_at_once_agree(upkeep: Upkeep, another: Upkeep, market_dsn: str) -> None:
    upkeep.exchange.set_clock("2026-01-11T03:00:00Z")
    for each in (upkeep, another):
        each.load(**TWO, start="2025-12-20", end="2026-01-09")
    upkeep.conn.execute(b"DELETE FROM market_data WHERE timestamp BETWEEN '2026-01-09 03:00Z' AND '2026-01-09 09:00Z'")

    def run(what: str) -> None:
        with psycopg.connect(market_dsn) as conn:
            on = Upkeep(prepare(conn), upkeep.exchange)
            on.daily("2026-01-10", **TWO) if what == "daily" else on.weekly("2026-01-11", start="2025-12-20")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, ("daily", "weekly")))
    another.daily("2026-01-10", **TWO)
    assert fingerprint(upkeep.conn) == fingerprint(another.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]
    assert rows(upkeep.conn, "SELECT count(*) FROM market_data_revision") == [(0,)]


def test_two_runs_over_one_window_at_once_store_every_candle_once(upkeep: Upkeep, market_dsn: str) -> None:
    upkeep.exchange.set_clock("2026-01-12T02:03:00Z")
    upkeep.load(**TWO, start="2026-01-11", end="2026-01-11", timeframes=["1d"])

    def run(_: int) -> int:
        with psycopg.connect(market_dsn) as conn:
            return inserted(Upkeep(prepare(conn), upkeep.exchange).daily("2026-01-11", **TWO))

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(run, range(2))) == 2 * 72 + 2 * 2
    assert [row[3] for row in spans(upkeep)] == [3, 72]
    assert rows(upkeep.conn, "SELECT symbol, timeframe, total_records FROM historical_data_range ORDER BY 2, 1") == [
        ("BTC", "1d", 3),
        ("ETH", "1d", 3),
        ("BTC", "1h", 72),
        ("ETH", "1h", 72),
    ]
