"""What a reader waits for in a year of 1h that came day by day, beside the same rows in the order of their symbols.

Three orders of the same rows: as an initial load leaves them, as 366 daily increments do, as hourly ones would. Pages
are those that PostgreSQL reads for one pair's year; BRIN is tried where rows lie in order of time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import psycopg

from include.klines.reader import load_ohlcv, load_panel
from include.klines.windows import Window
from tests.benchmarks import machine
from tests.benchmarks.market import Market
from tests.benchmarks.table import Row

YEAR = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
ASKED = ("1h", "2024-01-01", "2025-01-01")
ORDERS = {
    "pair by pair": "symbol, timestamp",
    "day by day": "date_trunc('day', timestamp, 'UTC'), symbol, timestamp",
    "hour by hour": "timestamp, symbol",
}
ONE_PAIR = "SELECT * FROM market_data WHERE symbol = 'P005' AND timeframe = '1h' ORDER BY timestamp"
ONE_DAY = (
    "SELECT symbol, max(high) FROM market_data"
    " WHERE timeframe = '1h' AND timestamp >= '2024-06-10Z' AND timestamp < '2024-06-11Z' GROUP BY symbol"
)


def run(rounds: int) -> list[Row]:
    """Each order in turn; all rounds of one after the other, on a table that was just vacuumed."""
    rounds = max(rounds, 5)
    rows: list[Row] = []
    first: dict[str, list[float]] = {}
    with machine.postgres() as server:
        market = Market(machine.fresh_database(server), 10 if machine.quick else 100, YEAR, ("1h",))
        market.fill()
        for name, order in ORDERS.items():
            _rewrite(market.dsn, order)
            reads: dict[str, list[float]] = {
                "load_ohlcv, a pair's year": _times(
                    rounds, lambda: load_ohlcv("P005", *ASKED, dsn=market.dsn, on_gap="mask", on_outage="mask")
                ),
                f"load_panel, {market.pairs} pairs' closes": _times(
                    rounds, lambda: load_panel(market.symbols, *ASKED, dsn=market.dsn, on_gap="mask")
                ),
            }
            for work, milliseconds in reads.items():
                first.setdefault(work, milliseconds)
                rows.append(_row(f"{work}: stored {name}", milliseconds, "ms", first[work]))
            pages = [_pages(market.dsn, ONE_PAIR)]
            first.setdefault("pages", pages)
            rows.append(_row(f"pages of a pair's year: stored {name}", pages, "pages", first["pages"]))
            if name == "day by day":
                rows.append(_brin(market.dsn))
        machine.drop_database(server, market.dsn)
    return rows


def _brin(dsn: str) -> Row:
    without = [_pages(dsn, ONE_DAY)]
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE INDEX by_time ON market_data_1h_2024 USING brin (timestamp) WITH (pages_per_range = 16)")
        conn.execute("ANALYZE market_data_1h_2024")
        with_it = [_pages(dsn, ONE_DAY)]
        conn.execute("DROP INDEX by_time")
    return Row(
        work="pages of one day of all pairs, with BRIN on time: stored day by day",
        ours=with_it, unit="pages", beside=without, beside_is="without", lower_is_better=True,
    )  # fmt: skip


def _row(work: str, ours: list[float], unit: str, first: list[float]) -> Row:
    beside = {} if ours is first else {"beside": first, "beside_is": "pair by pair"}
    return Row(work=work, ours=ours, unit=unit, lower_is_better=True, **beside)  # type: ignore[arg-type]  # two fields


def _rewrite(dsn: str, order: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        with conn.transaction():
            conn.execute("CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM market_data_1h_2024")
            conn.execute("TRUNCATE market_data_1h_2024")
            conn.execute(f"INSERT INTO market_data SELECT * FROM kept ORDER BY {order}".encode())  # noqa: S608 – orders of this file
        conn.execute("VACUUM (ANALYZE) market_data_1h_2024")


def _pages(dsn: str, query: str) -> float:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}".encode()).fetchone()
        assert row is not None
        plan: dict[str, Any] = row[0][0]["Plan"]
        return float(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _times(rounds: int, work: Any) -> list[float]:
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - started))
    return found
