"""Runs prunes on a market database for their tests, and reads back what they left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from include.klines.database import prepare
from include.klines.retention import plan
from include.klines.retention.pruning import Pruner, PruneReport
from tests.sql.measured import at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from include.klines.retention.cold_storage import ColdStorage

CLOCK = at("2026-01-01 04:00")
MONTH = at("2026-01-01")


def unpinned(dsn: str) -> Iterator[psycopg.Connection]:
    """A prepared connection to a database in which nothing is pinned."""
    with psycopg.connect(dsn) as connection:
        prepare(connection).execute("DELETE FROM dataset_pin")
        yield connection


def prune(
    conn: psycopg.Connection, storage: ColdStorage, month: datetime = MONTH, *, sleep: Any = lambda seconds: None
) -> list[PruneReport]:
    """What klines_monthly_prune does in the month that begins at `month`."""
    limits = plan.cutoffs(month)
    found = [each for name, cutoff in limits.items() for each in plan.prospects(conn, name, cutoff)]
    return [Pruner(conn, storage, CLOCK, sleep).prune(lane) for lane in plan.lanes_of(found, limits)]


def counts(conn: psycopg.Connection) -> dict[tuple[str, str], int]:
    rows = conn.execute("SELECT symbol, timeframe, count(*) FROM market_data GROUP BY 1, 2").fetchall()
    return {(symbol, timeframe): count for symbol, timeframe, count in rows}


def everything(conn: psycopg.Connection) -> list[Any]:
    return conn.execute("SELECT * FROM market_data ORDER BY symbol, timeframe, timestamp").fetchall()


def partitions(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relname ~ '^market_data_[0-9]+[mhd]_' AND relkind = 'r' ORDER BY 1"
    )
    return [name for (name,) in rows]


def pruned(conn: psycopg.Connection) -> list[tuple[str, str, str, int]]:
    rows = conn.execute(
        "SELECT symbol, gap_start, gap_end, missing_records FROM data_gap"
        " WHERE cause = 'pruned' AND resolved_at IS NULL ORDER BY 1, 2"
    )
    return [(symbol, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", n) for symbol, start, end, n in rows]


def ranges(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT symbol, timeframe, earliest_date, latest_date, total_records FROM historical_data_range ORDER BY 1, 2"
    ).fetchall()


def keep(conn: psycopg.Connection, name: str, timeframe: str, start: str, end: str, symbols: list[str] | None) -> None:
    conn.execute(
        "INSERT INTO dataset_pin (name, symbols, timeframe, range_start, range_end) VALUES (%s, %s, %s, %s, %s)",
        (name, symbols, timeframe, at(start), at(end)),
    )
