"""Pruned candles back into market_data: `python -m include.klines.restore --start 2020-01-01 --end 2020-12-31`.

Days are UTC and included; --symbols BTC,ETH and --timeframes 1h choose. The database is --dsn, else KLINES_DSN, else
Airflow's connection market_db, as a role that may write; the files are where the prune put them (KLINES_COLD_STORAGE).
Only what was pruned and is not back yet is stored, window by window as a load stores it: a second run finds nothing to
do. The next prune takes it again unless it is pinned. What the files never had was missing before it was pruned: it is
a gap again, which a load may ask for.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from include.klines import sql
from include.klines.addresses import parse_address
from include.klines.database import clock_of_database, market_connection, prepare
from include.klines.errors import InvalidRequest, KlinesError, PruneError
from include.klines.intervals import TIMEFRAMES
from include.klines.load.lanes import SeriesPlan
from include.klines.load.store import Fetched, RunRef, store_window
from include.klines.quality import measuring
from include.klines.retention.cold_storage import ColdStorage
from include.klines.settings import MARKET_CONN_ID, ROOT, timeframe_settings
from include.klines.universe.config import load_universe
from include.klines.windows import Window, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.klines.candles import Candles
    from include.klines.quality.measuring import Series

SOURCE = "cold-storage"
DSN_VARIABLE = "KLINES_DSN"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Restored:
    """Candles that came back, and candles of the same spans that the files never had: those are gaps again."""

    candles: int = 0
    missing: int = 0

    def __add__(self, other: Restored) -> Restored:
        return Restored(self.candles + other.candles, self.missing + other.missing)


def restore(
    conn: psycopg.Connection,
    storage: ColdStorage,
    window: Window,
    *,
    clock: datetime,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[str] | None = None,
) -> dict[Series, Restored]:
    """Bring back what a prune took inside `window` (None: of all symbols, all timeframes); what came back, by series.

    `conn` is in autocommit; `clock` stamps the records, but last_synced stays: no exchange is asked. Raises PruneError
    where a file is missing or not whole: what came before it is back, the rest stays pruned.
    """
    binds: dict[str, Any] = {
        "range_start": window.start,
        "range_end": window.end,
        "symbols": None if symbols is None else list(symbols),
        "timeframes": None if timeframes is None else list(timeframes),
    }
    chosen = conn.execute(sql.load("restore/series").encode(), binds).fetchall()
    return {series: _restore_series(conn, storage, series, window, clock) for series in chosen}


def _restore_series(
    conn: psycopg.Connection, storage: ColdStorage, series: Series, window: Window, clock: datetime
) -> Restored:
    taken = [Window(*span) for span in conn.execute(sql.load("restore/pruned").encode(), _binds(series, window))]
    done = Restored()
    for span in taken:
        done = sum((_restore_year(conn, storage, series, year, clock) for year in chunks(span, "year")), done)
        measuring.measure(conn, [series], span, clock)
    return done


def _restore_year(
    conn: psycopg.Connection, storage: ColdStorage, series: Series, span: Window, clock: datetime
) -> Restored:
    """One file back into market_data, in the transactions of timeframes.yaml, at most a year each."""
    symbol, timeframe = series
    year = span.start.year
    claim = {"timeframe": timeframe, "year": year}
    if conn.execute(sql.load("prune/claim").encode(), claim).fetchone() != (True,):
        raise PruneError(f"a prune works on {timeframe} {year}: run it again when that has ended.")
    try:
        path = storage.path(symbol, timeframe, year)
        if not path.exists():
            raise PruneError(f"there is no {path} to bring {span} back from: is that where the prune put it?")
        candles = storage.read(symbol, timeframe, year).slice(span)
        binds = _binds(series, span) | {"window_start": span.start, "window_end": span.end}
        conn.execute(sql.load("load/ensure_partitions").encode(), binds)
        pieces = chunks(span, "month" if timeframe_settings()[timeframe].chunk == "month" else "year")
        stored = sum(_restore_piece(conn, series, piece, candles.slice(piece), clock) for piece in pieces)
        return Restored(stored, TIMEFRAMES[timeframe].count(span.start, span.end) - len(candles))
    finally:
        conn.execute(sql.load("prune/release").encode(), claim)


def _restore_piece(conn: psycopg.Connection, series: Series, span: Window, candles: Candles, clock: datetime) -> int:
    from binance_plugin.stats import RequestStats

    plan = SeriesPlan(series[0], load_universe().exchange_symbol(series[0]), series[1], (span,))
    run = RunRef("klines_restore", f"{clock:%Y-%m-%dT%H:%M:%SZ}", str(plan))
    fetched = Fetched(span, candles, SOURCE, (), (), (), (), (), RequestStats(), clock)
    with conn.transaction():
        binds = _binds(series, span)
        conn.execute(sql.load("load/lock_series").encode(), binds)
        conn.execute(sql.load("restore/resolve").encode(), binds | {"clock": clock})
        return store_window(conn, plan, fetched, run=run, clock=clock, synced_at=span.end).inserted


def _binds(series: Series, window: Window) -> dict[str, Any]:
    return {
        "symbol": series[0],
        "timeframe": series[1],
        "range_start": window.start,
        "range_end": window.end,
    }


@contextmanager
def _connection(dsn: str | None) -> Iterator[psycopg.Connection]:
    name, found = ("--dsn", dsn) if dsn else (DSN_VARIABLE, os.environ.get(DSN_VARIABLE))
    if not found:
        with market_connection(_airflows_hook()) as conn:
            yield conn
        return
    parse_address(found, name)
    with psycopg.connect(found) as conn:
        yield prepare(conn)


def _airflows_hook() -> Any:
    """A hook on market_db from wherever Airflow has it; left to itself, it asks no metadata database out of a task."""
    from airflow.models.connection import Connection
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return PostgresHook(connection=Connection.get_connection_from_secrets(MARKET_CONN_ID))
    except AirflowNotFoundException:
        raise InvalidRequest(
            f"Airflow gives no connection {MARKET_CONN_ID} here: it has none, cannot read it, or its database does not "
            f"answer; give --dsn, or set {DSN_VARIABLE}."
        ) from None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main(argv: Sequence[str] | None = None) -> int:
    """Restore and print what came back, a line a series; exit code 1 and one sentence where it failed."""
    parser = argparse.ArgumentParser(prog="python -m include.klines.restore", description=__doc__)
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first day, UTC")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="last day, UTC, included")
    parser.add_argument("--symbols", type=_names, help="as in BTC,ETH; none: all")
    parser.add_argument("--timeframes", type=_names, help="as in 1h,1d; none: all")
    parser.add_argument("--dsn", help=f"the market database, as market_writer; else the one in {DSN_VARIABLE}")
    given = parser.parse_args(argv)
    sys.path.append(str(ROOT / "plugins"))  # where Airflow puts it
    try:
        window = Window(_midnight(given.start), _midnight(min(given.end, date.max - DAY) + DAY))
        with _connection(given.dsn) as conn:
            done = restore(
                conn,
                ColdStorage.open(conn),
                window,
                clock=clock_of_database(conn),
                symbols=given.symbols,
                timeframes=given.timeframes,
            )
    except (KlinesError, psycopg.Error) as error:
        sys.stderr.write(f"{str(error).strip()}\n")
        return 1
    for (symbol, timeframe), back in done.items():
        sys.stdout.write(f"{symbol} {timeframe}: {back.candles:,} candles are back\n")
        if back.missing:
            sys.stdout.write(
                f"{symbol} {timeframe}: {back.missing:,} are not in the files, as they were missing before the prune: "
                "they are gaps again, which klines_initial_load asks for\n"
            )
    if not done:
        sys.stdout.write(f"nothing of {window} is pruned, or all of it is back\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
