"""A market database as it looks after years of operation, troubles included, filled from the simulated exchange.

BTC and ETH with all that is known of them, SOL with an open gap, FTT suspended for months, LUNA twice under one
ticker, MKR delisted, POL listed late, DOGE pruned, failed windows, revisions, anomalies, broken promises.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.klines.errors import LoadError
from include.klines.health import checks
from include.klines.quality import measuring
from include.klines.windows import Window
from include.local.databases import name_database
from tests.load.upkeep import Upkeep

if TYPE_CHECKING:
    import psycopg

    from tests.exchange import Exchange

SYMBOLS = ("BTC", "ETH", "SOL", "FTT", "LUNA", "MKR", "POL", "DOGE")
HOSTILE = "<script>alert(1)"
"""A symbol as nobody should list one: it has to show as text."""


def fill(dsn: str, conn: psycopg.Connection, exchange: Exchange, *, start: str, now: datetime | None = None) -> None:
    """Load, break, measure and check; `now` is the exchange's time. `conn` is prepared, as market_writer."""
    clock = now or datetime.now(UTC)
    yesterday = f"{clock - timedelta(days=1):%Y-%m-%d}"
    name_database(dsn, "simulated")
    upkeep = Upkeep(conn, exchange)
    upkeep.load(symbols=list(SYMBOLS), timeframes=["1d", "1h"], start=start, end=yesterday)
    _revise(upkeep, exchange, clock)
    _fail(upkeep, exchange, yesterday)
    _lose(conn, clock)
    _list_a_hostile_symbol(conn, clock)
    _measure(conn, start, clock)
    _prune(conn, clock)
    _measure(conn, start, clock)
    for kind in checks.KINDS:
        checks.settle(conn, checks.check(conn, kind, clock), clock)


def moment(text: str) -> datetime:
    """An ISO time with its zone."""
    return datetime.fromisoformat(text)


def _revise(upkeep: Upkeep, exchange: Exchange, clock: datetime) -> None:
    """Three candles of BTC change at the exchange, and an increment notices."""
    midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0)
    for hours in (20, 19, 8):
        exchange.revise("BTCUSDT", midnight - timedelta(hours=hours), volume_percent=120, high_ticks=3)
    day = midnight - timedelta(days=1)
    upkeep.daily(f"{day:%Y-%m-%d}", symbols=["BTC"], timeframes=["1h"])


def _fail(upkeep: Upkeep, exchange: Exchange, day: str) -> None:
    """A window of LINK fails: nothing of it is stored, and the log says why."""
    rule = exchange.fault("status", status=503, kind="klines", symbol="LINKUSDT", interval="1h")
    with suppress(LoadError):
        upkeep.load(symbols=["LINK"], timeframes=["1h"], start=day, end=day, source="rest")
    exchange.clear_faults(rule)


def _lose(conn: psycopg.Connection, clock: datetime) -> None:
    """Candles go missing in the database, one is altered; the log has a week, by the machine's clock."""
    week = clock.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)
    conn.execute(
        "DELETE FROM market_data WHERE symbol = 'SOL' AND timeframe = '1h' AND timestamp >= %s AND timestamp < %s",
        (week, week + timedelta(days=9)),
    )
    conn.execute(
        "UPDATE market_data SET high = high * 30, volume = volume * 2 WHERE symbol = 'ETH' AND timeframe = '1h'"
        " AND timestamp = %s",
        (week,),
    )
    conn.execute(
        """
        INSERT INTO data_sync_log (
            dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status, requests, retries,
            rate_limited, errors, rows_fetched, rows_unchanged, started_at, finished_at
        )
        SELECT
            'klines_daily_increment', 'scheduled__' || (t AT TIME ZONE 'UTC')::date, symbol || ' 1h', symbol, '1h',
            t - interval '2 days', t, 'rest', 'success', 3 + n, n %% 3, (n %% 5 = 4)::integer, n %% 2, 48, 48,
            t - interval '20 seconds', t
        FROM
            generate_series(%(clock)s::timestamptz - interval '6 days', %(clock)s, interval '8 hours')
            WITH ORDINALITY AS hour (t, n),
            unnest(%(symbols)s::text[]) AS series (symbol)
        """,
        {"clock": datetime.now(UTC), "symbols": list(SYMBOLS)},
    )
    conn.execute(b"SELECT acquire_exchange_weight('https://api.binance.com', 1200, 6000)")


def _list_a_hostile_symbol(conn: psycopg.Connection, clock: datetime) -> None:
    day = clock.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)
    binds: dict[str, Any] = {"symbol": HOSTILE, "day": day, "clock": clock}
    for statement in (
        "SELECT ensure_market_data_partitions('1h', %(day)s, %(clock)s)",
        "INSERT INTO symbol_listing"
        " (symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at, synced_at) VALUES"
        " (%(symbol)s, '<img src=x onerror=alert(2)>', %(symbol)s, 'USDT', 'extended', 'TRADING', %(day)s, %(clock)s)",
        "INSERT INTO market_data SELECT %(symbol)s, '1h', t, 1, 2, 1, 1.5, 9, 9, 9, 3, 3"
        " FROM generate_series(%(day)s, %(day)s + interval '5 days', interval '1 hour') AS t",
        "INSERT INTO historical_data_range SELECT symbol, timeframe, min(timestamp), max(timestamp), count(*), TRUE,"
        " %(clock)s FROM market_data WHERE symbol = %(symbol)s GROUP BY symbol, timeframe",
    ):
        conn.execute(statement.encode(), binds)


def _prune(conn: psycopg.Connection, clock: datetime) -> None:
    """The first 40 stored days of DOGE 1h are gone, and said to be pruned."""
    conn.execute(
        """
        DELETE FROM market_data AS candle USING historical_data_range AS stored
        WHERE candle.symbol = 'DOGE' AND candle.timeframe = '1h'
            AND stored.symbol = candle.symbol AND stored.timeframe = candle.timeframe
            AND candle.timestamp < stored.earliest_date + interval '40 days'
        """
    )
    conn.execute(
        """
        INSERT INTO data_gap (
            symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked
        )
        SELECT symbol, timeframe, earliest_date, earliest_date + interval '40 days', 960, 'pruned', %(clock)s, %(clock)s
        FROM historical_data_range WHERE symbol = 'DOGE' AND timeframe = '1h'
        """,
        {"clock": clock},
    )


def _measure(conn: psycopg.Connection, start: str, clock: datetime) -> None:
    series = conn.execute("SELECT symbol, timeframe FROM historical_data_range ORDER BY 1, 2").fetchall()
    midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0)  # nothing later was asked for
    window = Window(datetime.fromisoformat(start).replace(tzinfo=UTC), midnight)
    measuring.measure(conn, series, window, clock)
