"""An invented market of any size, made in SQL in a database that is thrown away: for benchmarks only.

Prices swing once a day, on three days of a hundred by half, so that the checks have something to look into; a 1d candle
is exactly what its hours say. The exchange stands still for an hour or two twice a year.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

HOURS = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
"""5.75 years: the initial window."""
STANDSTILLS = [
    (datetime(year, month, 11, 4, tzinfo=UTC), timedelta(hours=hours))
    for year in range(2020, 2026)
    for month, hours in ((2, 1), (8, 2))
]

CANDLES = """
INSERT INTO market_data
SELECT
    %(symbol)s, %(timeframe)s, t, open, greatest(open, close) * 1.001, least(open, close) * 0.999, close,
    volume, volume * close, trades, volume / 2, volume * close / 2
FROM (
    SELECT
        t, 1000 + trades AS volume, trades,
        %(base)s * exp(swing * sin(2 * pi() * second / 86400)) AS open,
        %(base)s * exp(swing * sin(2 * pi() * (second + length) / 86400)) AS close
    FROM (
        SELECT
            t,
            extract(EPOCH FROM %(step)s::interval)::float8 AS length,
            (extract(EPOCH FROM t)::bigint %% 86400)::float8 AS second,
            hashint8(extract(EPOCH FROM t)::bigint + %(number)s) & 1023 AS trades,
            CASE
                WHEN (hashint8(extract(EPOCH FROM t)::bigint / 86400 * 1000 + %(number)s) & 1023) < 31 THEN 0.25
                ELSE 0.01 + (hashint8(extract(EPOCH FROM t)::bigint / 86400 * 1000 + %(number)s) & 15) * 0.002
            END AS swing
        FROM generate_series(%(start)s::timestamptz, %(last)s::timestamptz, %(step)s::interval) AS t
    ) AS moment
) AS candle
WHERE NOT EXISTS (
    SELECT FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS still (starts_at, ends_at)
    WHERE still.starts_at <= t AND t < still.ends_at
)
"""
DAYS = """
INSERT INTO market_data
SELECT
    symbol, '1d', date_bin('1 day', timestamp, '1970-01-01Z') AS day, (array_agg(open ORDER BY timestamp))[1],
    max(high), min(low), (array_agg(close ORDER BY timestamp DESC))[1], sum(volume), sum(quote_volume), sum(trades),
    sum(taker_buy_volume), sum(taker_buy_quote_volume)
FROM market_data
WHERE symbol = %(symbol)s AND timeframe = '1h' AND timestamp >= %(start)s AND timestamp <= %(last)s
GROUP BY symbol, day ORDER BY day
"""
RANGES = """
INSERT INTO historical_data_range
SELECT symbol, timeframe, min(timestamp), max(timestamp), count(*), TRUE, %(clock)s
FROM market_data WHERE symbol = ANY(%(symbols)s) GROUP BY symbol, timeframe
ON CONFLICT (symbol, timeframe) DO UPDATE SET
    latest_date = excluded.latest_date, total_records = excluded.total_records, last_synced = excluded.last_synced
"""
LISTINGS = """
INSERT INTO symbol_listing (
    symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at, holes_checked_until, synced_at
)
SELECT name, name || 'USDT', name, 'USDT', 'extended', 'TRADING', %(start)s, 'infinity', %(start)s
FROM unnest(%(symbols)s::text[]) AS listed (name)
"""
ASKED = """
INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, rest_empty_on, first_seen, last_checked)
SELECT name, '1h', starts_at, ends_at, extract(EPOCH FROM ends_at - starts_at) / 3600, '{2025-10-01}', ends_at, ends_at
FROM unnest(%(symbols)s::text[]) AS listed (name)
CROSS JOIN unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS still (starts_at, ends_at)
WHERE starts_at >= %(start)s AND starts_at < %(end)s
"""


@dataclass(frozen=True)
class Market:
    """So many pairs over a span, in 1h and 1d or as asked."""

    dsn: str
    pairs: int
    span: Window = HOURS
    timeframes: tuple[str, ...] = ("1h", "1d")

    @property
    def symbols(self) -> list[str]:
        """Their names, in order."""
        return [f"P{number:03}" for number in range(self.pairs)]

    @property
    def series(self) -> list[tuple[str, str]]:
        """Every series, as a Dag's scope lists them."""
        return [(symbol, timeframe) for timeframe in self.timeframes for symbol in self.symbols]

    def fill(self) -> None:
        """Store everything, pair by pair as an initial load does, and leave the table as autovacuum does."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for timeframe in self.timeframes:
                conn.execute(
                    "SELECT ensure_market_data_partitions(%s, %s, %s)", (timeframe, self.span.start, self.span.end)
                )
            binds = self._binds(self.span) | {"symbols": self.symbols}
            conn.execute(LISTINGS, binds)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._fill_some, (range(0, self.pairs, 2), range(1, self.pairs, 2))))
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(RANGES, {"symbols": self.symbols, "clock": self.span.end})
            if "1h" in self.timeframes:
                conn.execute(ASKED, binds)
            conn.execute("VACUUM (ANALYZE)")

    def add(self, span: Window, *, digests: bool = True) -> int:
        """Store a later span, pair by pair, as a daily increment does; returns the number of candles."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            before = self._count(conn, span)
            for number in range(self.pairs):
                with conn.transaction():
                    self._fill_one(conn, number, span)
                    for timeframe in self.timeframes if digests else ():
                        conn.execute(
                            "SELECT touch_fingerprints(%s, %s, %s, %s)",
                            (self.symbols[number], timeframe, span.start, span.end),
                        )
            conn.execute(
                "UPDATE historical_data_range SET total_records = total_records + %(length)s"
                " / extract(EPOCH FROM timeframe_step(timeframe))::bigint,"
                " latest_date = %(end)s::timestamptz - timeframe_step(timeframe)",
                {"length": round((span.end - span.start).total_seconds()), "end": span.end},
            )
            return self._count(conn, span) - before

    def keep_digests(self) -> None:
        """Have the digests of all months at hand, as a load leaves them."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._keep_digests, (self.symbols[0::2], self.symbols[1::2])))

    def _keep_digests(self, symbols: Sequence[str]) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for symbol in symbols:
                for timeframe in self.timeframes:
                    series = (symbol, timeframe)
                    conn.execute("SELECT touch_fingerprints(%s, %s, %s, %s)", (*series, self.span.start, self.span.end))
                    conn.execute("SELECT refresh_fingerprints(%s, %s)", series)

    def _count(self, conn: psycopg.Connection, span: Window) -> int:
        row = conn.execute(
            "SELECT count(*) FROM market_data WHERE timestamp >= %s AND timestamp < %s", (span.start, span.end)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _fill_some(self, numbers: Sequence[int]) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            for number in numbers:
                self._fill_one(conn, number, self.span)

    def _fill_one(self, conn: psycopg.Connection, number: int, span: Window) -> None:
        binds = self._binds(span) | {"symbol": self.symbols[number], "number": number, "base": 1.0 + 7 * number}
        for timeframe in self.timeframes:
            if timeframe == "1d" and "1h" in self.timeframes:
                conn.execute(DAYS, binds)
            else:
                step = {"1m": "1 minute", "1h": "1 hour", "1d": "1 day"}[timeframe]
                conn.execute(CANDLES, binds | {"timeframe": timeframe, "step": step})

    def _binds(self, span: Window) -> dict[str, object]:
        return {
            "start": span.start,
            "end": span.end,
            "last": span.end - timedelta(seconds=1),
            "starts": [start for start, _ in STANDSTILLS],
            "ends": [start + length for start, length in STANDSTILLS],
        }
