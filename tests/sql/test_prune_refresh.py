"""Pruned candles that a load brings again: they are pruned no longer, and explain nothing else that is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from binance_plugin.stats import RequestStats
from include.klines.candles import Candles, microseconds
from include.klines.load.lanes import SeriesPlan
from include.klines.load.planning import incomplete
from include.klines.load.store import Fetched, RunRef, store_window
from include.klines.quality import measuring
from tests.sql.measured import at, fill, gaps, window
from tests.sql.pruned import CLOCK, prune, pruned, unpinned
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from include.klines.retention.cold_storage import ColdStorage
    from include.klines.windows import Window

YEAR = window("2020-01-01", "2021-01-01")
HOLE = ("2020-12-05 00:00", "2020-12-06 00:00")
PLAN = SeriesPlan("BTC", "BTCUSDT", "1h", (YEAR,))


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A year of BTC 1h that lacks a day in December."""
    for connection in unpinned(market_dsn):
        list_symbol(connection, "BTC", "2017-08-17 04:00")
        fill(connection, "BTC", "2020-01-01", "2021-01-01", without=[HOLE])
        measure(connection)
        yield connection


def measure(conn: psycopg.Connection) -> measuring.QualityReport:
    return measuring.measure(conn, [("BTC", "1h")], YEAR, CLOCK)


def load(conn: psycopg.Connection, span: Window) -> None:
    """What a refresh of `span` stores, a month at a time or less."""
    conn.execute("SELECT ensure_market_data_partitions('1h', %s, %s)", (span.start, span.end))
    times = np.arange(microseconds(span.start), microseconds(span.end), 3_600_000_000)
    price = np.full(len(times), 100.0)
    rows = Candles(times, price, price, price, price, price, price, np.ones(len(times), np.int64), price, price)
    plan = replace(PLAN, windows=(span,), refresh=True)
    run = RunRef("klines_initial_load", "manual__1", "BTC 1h")
    store_window(
        conn, plan, Fetched(span, rows, "rest", (), (), (), (), (), RequestStats(), CLOCK), run=run, clock=CLOCK
    )


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_stored_again_hides_no_other_missing_candle(
    conn: psycopg.Connection, storage: ColdStorage, by_hand: bool
) -> None:
    prune(conn, storage, at("2025-04-01"))
    assert pruned(conn) == [
        ("BTC", f"2020-0{month}-01 00:00", f"2020-0{month + 1}-01 00:00", hours)
        for month, hours in ((1, 744), (2, 696), (3, 744))
    ]
    if by_hand:
        fill(conn, "BTC", "2020-01-01", "2020-04-01")
    else:
        for month in (1, 2, 3):
            load(conn, window(f"2020-0{month}-01", f"2020-0{month + 1}-01"))
        assert pruned(conn) == []
    assert incomplete(conn, [PLAN], CLOCK) == [PLAN]
    report = measure(conn)
    assert gaps(conn, "BTC") == [HOLE]
    assert (report.expected - report.actual, report.unfillable) == (24, 0)
    (known,) = measuring.coverage(conn, [("BTC", "1h")], YEAR)
    assert (known.expected - known.rows, known.unfillable) == (24, 0)
    year = conn.execute(
        "SELECT missing_records, unfillable_records FROM data_quality WHERE date_range_start = '2020-12-01Z'"
    )
    assert year.fetchone() == (24, 0)


def test_a_part_that_is_stored_again_leaves_the_rest_pruned(conn: psycopg.Connection, storage: ColdStorage) -> None:
    prune(conn, storage, at("2025-02-01"))
    load(conn, window("2020-01-10", "2020-01-12"))
    expected = [
        ("BTC", "2020-01-01 00:00", "2020-01-10 00:00", 216), ("BTC", "2020-01-12 00:00", "2020-02-01 00:00", 480),
    ]  # fmt: skip
    assert pruned(conn) == expected
    measure(conn)
    load(conn, window("2020-01-10", "2020-01-12"))
    assert pruned(conn) == expected
    prune(conn, storage, at("2025-02-01"))
    assert sorted(pruned(conn)) == sorted([*expected, ("BTC", "2020-01-10 00:00", "2020-01-12 00:00", 48)])
    load(conn, window("2020-01-01", "2020-02-01"))
    assert pruned(conn) == []
