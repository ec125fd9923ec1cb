"""What measuring quality costs: of everything, and after a daily run; 5 million rows, then 450 pairs of 5.75 years.

Beside the first: one pass of PostgreSQL over the same candles with as many sums, which nothing that reads them all can
beat. The second reads the days of its window; nothing beside it but the goal.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from include.klines.database import prepare
from include.klines.quality import measuring
from include.klines.windows import Window
from tests.benchmarks import machine
from tests.benchmarks.market import Market
from tests.benchmarks.spent import cpu_of
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from include.klines.quality.measuring import QualityReport
    from include.local.postgres import PostgresServer

LOOKBACK = timedelta(days=2)
DAY = timedelta(days=1)
ONE_PASS = """
SELECT count(*), max(high), min(low), max(close), min(close), max(open), sum(volume), sum(trades)
FROM market_data WHERE timeframe IN ('1h', '1d')
"""
"""As much as the checks need of each candle, in one group instead of one a day."""
FORGET = "TRUNCATE candle_day, data_quality, data_anomaly, exchange_outage"


def run(rounds: int) -> list[Row]:
    """Everything measured as if for the first time, then a day more and its measurement, as many times as rounds."""
    rows = []
    with machine.postgres() as server:
        for pairs, full_goal, daily_goal in ((95, 6, 0.5), (450, 25, 0.5)):
            market = Market(machine.fresh_database(server), pairs // 10 if machine.quick else pairs)
            market.fill()
            rows += of(server, market, rounds, full_goal, daily_goal)
            machine.drop_database(server, market.dsn)
    return rows


def of(
    server: PostgresServer, market: Market, rounds: int, full_goal: float | None = None, daily_goal: float | None = None
) -> list[Row]:
    """The two rows of one market; afterwards it is as many days longer as there were rounds."""
    full, one_pass, daily, full_cpu, daily_cpu = [], [], [], [], []
    candles = 0
    for _ in range(rounds):
        with psycopg.connect(market.dsn, autocommit=True) as conn:
            conn.execute(FORGET)
            one_pass.append(_seconds(lambda: conn.execute(ONE_PASS)))
        with cpu_of(server.pid() or 0) as spent:
            seconds, report = measure(market, market.span, market.span.end)
        full.append(seconds)
        full_cpu += spent
        candles = report.actual
    end = market.span.end
    with psycopg.connect(market.dsn, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE)")  # as autovacuum does within minutes, long before the next day
    for _ in range(rounds):
        market.add(Window(end, end + DAY))
        end += DAY
        with cpu_of(server.pid() or 0) as spent:
            daily.append(measure(market, Window(end - DAY - LOOKBACK, end), end)[0])
        daily_cpu += spent
    years = (market.span.end - market.span.start) / timedelta(days=365.25)
    size = f"{market.pairs} pairs, {' and '.join(market.timeframes)}, {years:.2f} years, {candles:,} candles"
    return [
        Row(
            work=f"full quality: {size}",
            ours=full,
            unit="s",
            goal=f"under {full_goal} s" if full_goal else "",
            beside=one_pass,
            beside_is="one pass over the same candles in SQL",
            cpu=full_cpu,
            lower_is_better=True,
        ),
        Row(
            work=f"quality after a daily run: {market.pairs} pairs, {years:.2f} years stored",
            ours=daily,
            unit="s",
            goal=f"under {daily_goal} s" if daily_goal else "",
            beside=full,
            beside_is="full",
            cpu=daily_cpu,
            lower_is_better=True,
        ),
    ]


def measure(market: Market, window: Window, end: datetime) -> tuple[float, QualityReport]:
    """Seconds of one measurement two hours after `end`, on a connection as a task has it, and what it found."""
    with psycopg.connect(market.dsn) as conn:
        prepare(conn)
        started = time.perf_counter()
        report = measuring.measure(conn, market.series, window, end + timedelta(hours=2))
        return time.perf_counter() - started, report


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
