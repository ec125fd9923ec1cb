"""What the prune of a whole partition costs those who use the database: one month of 1m, 450 pairs, 20 million candles.

Saving to Parquet is apart. A partition is taken out of market_data in one transaction, which is all that anybody waits
for; then it is held against its files in nobody's way, and dropped. Beside it: DELETE of one pair's month, times pairs.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from include.klines import sql
from include.klines.database import prepare
from include.klines.retention import plan
from include.klines.retention.pruning import Pruner
from include.klines.windows import Window
from tests.benchmarks import machine
from tests.benchmarks.market import Market
from tests.benchmarks.quality import measure
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Callable

MONTH = Window(datetime(2024, 10, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC))
NAME = "pruned_market_data_1m_2024_10"


def run(rounds: int) -> list[Row]:
    """One round: the partition can go only once, and takes minutes to make; its transaction is tried `rounds` times."""
    with machine.postgres() as server:
        market = Market(machine.fresh_database(server), 20 if machine.quick else 450, MONTH, ("1m",))
        market.fill()
        _, report = measure(market, MONTH, MONTH.end)
        with psycopg.connect(market.dsn) as conn:
            prepare(conn)
            planned, (found,) = _timed(lambda: plan.prospects(conn, "1m", MONTH.end))
            pruner = Pruner(conn, None, MONTH.end)  # type: ignore[arg-type]  # nothing is saved here
            tried = [_take_out(pruner, found, keep=False) for _ in range(rounds)]
            taken = _take_out(pruner, found, keep=True)
            compared, _ = _timed(
                lambda: conn.execute(sql.load("prune/taken_out_candles").encode(), {"partition": NAME})
            )
            dropped, _ = _timed(lambda: conn.execute(sql.load("prune/drop_taken_out").encode(), {"partition": NAME}))
        deleted = _delete(server, market.pairs, rounds)
    size = f"one month of 1m, {market.pairs} pairs, {report.actual:,} candles"
    return [
        Row(
            work=f"prune by partition, taken out and dropped: {size}",
            ours=[each + dropped for each in (*tried, taken)],
            unit="s",
            goal="under 1 s",
            beside=deleted,
            beside_is="DELETE of one pair's month, times pairs",
            lower_is_better=True,
        ),
        Row(
            work="of that: the transaction that takes it out, which others wait for",
            ours=[*tried, taken],
            unit="s",
            lower_is_better=True,
        ),
        Row(work="before, reading only: what is to go", ours=[planned], unit="s", lower_is_better=True),
        Row(
            work="between, in nobody's way: digests of all its candles",
            ours=[compared],
            unit="s",
            lower_is_better=True,
        ),
    ]


class _NotKept(Exception):
    """Ends a transaction that was only tried."""


def _take_out(pruner: Pruner, found: plan.Prospect, *, keep: bool) -> float:
    started = time.perf_counter()
    seconds = 0.0
    try:
        with pruner.conn.transaction():
            pruner._take_out(found)
            seconds = time.perf_counter() - started
            if not keep:
                raise _NotKept
    except _NotKept:
        return seconds
    return time.perf_counter() - started


def _delete(server: Any, pairs: int, rounds: int) -> list[float]:
    market = Market(machine.fresh_database(server), rounds, MONTH, ("1m",))
    market.fill()
    binds = {"timeframe": "1m", "range_start": MONTH.start, "range_end": MONTH.end}
    statement = sql.load("prune/delete").encode()
    seconds = []
    with psycopg.connect(market.dsn, autocommit=True) as conn:
        for symbol in market.symbols:
            started = time.perf_counter()
            conn.execute(statement, binds | {"symbol": symbol})
            seconds.append(pairs * (time.perf_counter() - started))
    return seconds


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done
