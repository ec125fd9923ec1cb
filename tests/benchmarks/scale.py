"""How cost grows: with pairs (50, 150, 450 of 5.75 years) and with years (1, 3, 5.75 of 150 pairs), 1h and 1d.

And what readers wait for in the largest: a panel of all pairs, 50,000 rows, fingerprints.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from include.klines.reader import fingerprint, load_ohlcv, load_panel
from include.klines.windows import Window
from tests.benchmarks import machine, quality
from tests.benchmarks.market import HOURS, Market
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.local.postgres import PostgresServer

YEAR = ("1h", "2024-10-01", "2025-10-01")
SPANS = [Window(datetime(year, month, 1, tzinfo=UTC), HOURS.end) for year, month in ((2024, 10), (2022, 10))]
SIZES = """
SELECT sum(pg_table_size(part.relid))::bigint, sum(pg_indexes_size(part.relid))::bigint
FROM pg_partition_tree('market_data_1h') AS part WHERE part.isleaf
"""
OF_DAYS = "SELECT pg_total_relation_size('candle_day')"
OF_CANDLES = "SELECT count(*) FROM market_data WHERE timeframe = '1h'"
MASKED: dict[str, Any] = {"on_gap": "mask", "on_outage": "mask"}


def run(rounds: int) -> list[Row]:
    """Each market is made, measured and dropped, the smallest first."""
    rows: list[Row] = []
    with machine.postgres() as server:
        markets = [(150, span) for span in SPANS] + [(pairs, HOURS) for pairs in (50, 150, 450)]
        for pairs, span in markets:
            market = Market(machine.fresh_database(server), pairs // 10 if machine.quick else pairs, span)
            market.fill()
            rows += _of(server, market, rounds)
            if (pairs, span) == markets[-1]:
                rows += _readers(market, rounds)
            machine.drop_database(server, market.dsn)
    return rows


def _of(server: PostgresServer, market: Market, rounds: int) -> list[Row]:
    rows = quality.of(server, market, rounds)
    with psycopg.connect(market.dsn) as conn:
        table, index = conn.execute(SIZES).fetchone() or (0, 0)
        (days,) = conn.execute(OF_DAYS).fetchone() or (0,)
        (candles,) = conn.execute(OF_CANDLES).fetchone() or (1,)
    what = f"{market.pairs} pairs since {market.span.start:%Y-%m}"
    market.keep_digests()
    panel = _times(lambda: load_panel(market.symbols, *YEAR, dsn=market.dsn, on_gap="mask"), rounds)
    return [
        *rows,
        Row(
            work=f"panel of a year of 1h closes: {what}",
            ours=panel,
            unit="s",
            goal="under 3 s" if market.pairs == 450 else "",
            lower_is_better=True,
        ),
        _bytes(f"a candle of 1h, table: {what}", table / candles),
        _bytes(f"a candle of 1h, key: {what}", index / candles),
        _bytes(f"a candle of 1h, its share of candle_day: {what}", days / candles),
    ]


def _bytes(work: str, figure: float) -> Row:
    return Row(work=work, ours=[figure], unit="bytes", lower_is_better=True)


def _readers(market: Market, rounds: int) -> list[Row]:
    """The readers' goals, on the largest market."""
    rounds = max(rounds, 5)  # each takes less than a second
    dsn, symbol = market.dsn, market.symbols[len(market.symbols) // 2]
    span = ("1h", "2020-01-01", "2025-09-14")
    rows = len(load_ohlcv(symbol, *span, dsn=dsn, **MASKED))
    ours = [1000 * each for each in _times(lambda: load_ohlcv(symbol, *span, dsn=dsn, **MASKED), rounds)]
    with psycopg.connect(dsn, autocommit=True) as conn:
        cold = []
        for _ in range(rounds):
            conn.execute("UPDATE series_fingerprint SET candles = NULL, digest = NULL, computed_at = NULL")
            cold.append(1000 * _seconds(lambda: fingerprint(symbol, *YEAR, dsn=dsn)))
        conn.execute("SELECT touch_fingerprints(%s, %s, %s, %s)", (symbol, *YEAR))
        conn.execute("SELECT refresh_fingerprints(%s, '1h')", (symbol,))
    cached = [1000 * each for each in _times(lambda: fingerprint(symbol, *YEAR, dsn=dsn), rounds)]
    return [
        Row(
            work=f"load_ohlcv, {rows:,} rows of 1h, connection included", ours=ours, unit="ms", lower_is_better=True,
        ),
        Row(work="fingerprint of a year of 1h, cached", ours=cached, unit="ms", goal="under 20", lower_is_better=True),
        Row(work="fingerprint of a year of 1h, cold", ours=cold, unit="ms", goal="under 200", lower_is_better=True),
    ]  # fmt: skip


def _times(work: Callable[[], Any], rounds: int) -> list[float]:
    work()
    return [_seconds(work) for _ in range(rounds)]


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
