"""Partitions put in order or taken out while somebody reads: every candle, or an error, and never an empty year."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.reader import (
    MissingData,
    StaleSnapshot,
    coverage,
    fingerprint,
    iter_chunks,
    load_many,
    load_ohlcv,
    load_panel,
    load_pinned,
    pin,
)
from tests.polling import wait_until
from tests.sql.stored import explain, grid, list_symbol, made_up, store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JANUARY = ("2023-01-01", "2023-02-01")
SPAN = ("BTC", "1h", *JANUARY)
READS: dict[str, Callable[[str | psycopg.Connection], object]] = {
    "load_ohlcv": lambda dsn: load_ohlcv(*SPAN, dsn=dsn)["close"].tolist(),
    "masked": lambda dsn: load_ohlcv(*SPAN, on_gap="mask", dsn=dsn)["close"].tolist(),
    "made of 1h": lambda dsn: load_ohlcv("BTC", "8h", *JANUARY, on_gap="mask", dsn=dsn)["close"].tolist(),
    "load_many": lambda dsn: load_many(["BTC"], *SPAN[1:], on_gap="mask", dsn=dsn)["BTC"]["close"].tolist(),
    "load_panel": lambda dsn: load_panel(["BTC"], *SPAN[1:], on_gap="mask", dsn=dsn)["BTC"].tolist(),
    "iter_chunks": lambda dsn: [len(one) for one in iter_chunks(*SPAN, rows=100, on_gap="drop", dsn=dsn)],
    "fingerprint": lambda dsn: fingerprint(*SPAN, on_gap="mask", dsn=dsn),
    "coverage": lambda dsn: coverage(*SPAN, dsn=dsn),
    "load_pinned": lambda dsn: load_pinned("kept", dsn=dsn)["BTC"]["close"].tolist(),
}
IN_SQL = {
    "ohlcv": "SELECT count(close) FROM ohlcv('BTC', '1h', '2023-01-01', '2023-02-01', 'mask')",
    "made of 1h": "SELECT count(close) FROM ohlcv('BTC', '8h', '2023-01-01', '2023-02-01', 'mask')",
    "refusing": "SELECT count(close) FROM ohlcv('BTC', '1h', '2023-01-01', '2023-02-01')",
    "ohlcv_fingerprint": "SELECT ohlcv_fingerprint('BTC', '1h', '2023-01-01', '2023-02-01', 'mask')",
    "coverage": "SELECT present FROM coverage('BTC', '1h', '2023-01-01', '2023-02-01')",
}


@pytest.fixture
def year(market_conn: psycopg.Connection, market_dsn: str) -> None:
    """A month of BTC in the partition of 1h of 2023, pinned, and a day of ETH in that of 1m of January."""
    market_conn.execute("DELETE FROM dataset_pin")
    store(market_conn, "BTC", "1h", made_up(grid(*JANUARY)))
    store(market_conn, "ETH", "1m", made_up(grid("2023-01-01", "2023-01-02", "min")))
    for symbol in ("BTC", "ETH"):
        list_symbol(market_conn, symbol, "2017-08-17 04:00")
    market_conn.commit()
    pin("kept", ["BTC"], *SPAN[1:], dsn=market_dsn)


@pytest.fixture
def order(year: None, market_dsn: str) -> Iterator[psycopg.Connection]:
    """A transaction that has put 2023 in order, a moment before it commits."""
    with psycopg.connect(market_dsn) as conn:
        conn.execute("SELECT order_market_data_partition('1h', '2023-01-01 00:00+00')")
        yield conn


@pytest.fixture
def backtester(postgres_server: Any, market_dsn: str) -> str:
    """The address for the role backtester."""
    return postgres_server.dsn(psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"], "backtester")


@pytest.fixture
def late(backtester: str, year: None) -> Iterator[psycopg.Connection]:
    """A transaction of backtester's that has its snapshot and has read no candle."""
    with psycopg.connect(backtester) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("SELECT count(*) FROM symbol_listing")
        yield conn


def while_it_commits(change: psycopg.Connection, reads: list[Callable[[], object]]) -> list[object]:
    """What the reads give, or raise, that wait for `change` when it commits."""

    def run(read: Callable[[], object]) -> object:
        try:
            return read()
        except Exception as error:
            return error

    def all_wait() -> bool:
        found = change.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        return found == (len(reads),)

    with ThreadPoolExecutor(len(reads)) as pool:
        running = [pool.submit(run, read) for read in reads]
        wait_until(all_wait, "reads that wait for the partition")
        change.commit()
        return [one.result() for one in running]


def run_sql(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchone()


def test_reads_that_wait_for_the_order_of_a_year_see_all_of_it(backtester: str, order: psycopg.Connection) -> None:
    found = while_it_commits(order, [partial(read, backtester) for read in READS.values()])

    assert [str(one) for one in found] == [str(read(backtester)) for read in READS.values()]
    assert len(load_ohlcv(*SPAN, dsn=backtester)) == 744


def test_a_read_that_waits_while_a_partition_is_taken_out_says_what_brings_it_back(
    backtester: str, market_dsn: str, year: None
) -> None:
    with psycopg.connect(market_dsn) as prune:
        prune.execute("SELECT take_out_market_data_partition('1m', '2023-01-01 00:00+00')")
        explain(prune, "ETH", "1m", "2023-01-01", "2023-01-02", "pruned")
        (found,) = while_it_commits(
            prune, [partial(load_ohlcv, "ETH", "1m", "2023-01-01", "2023-01-02", dsn=backtester)]
        )

    assert isinstance(found, MissingData)
    assert [window.cause for window in found.windows] == ["pruned"]
    assert found.restore


def test_sql_that_waits_for_the_order_of_a_year_is_refused_and_can_be_run_again(
    backtester: str, order: psycopg.Connection
) -> None:
    found = while_it_commits(order, [partial(run_sql, backtester, query) for query in IN_SQL.values()])

    assert [type(error) for error in found] == [psycopg.errors.SerializationFailure] * len(IN_SQL)
    assert {error.diag.message_primary for error in found} == {"market_data_1h was rewritten while it was read."}
    assert [run_sql(backtester, IN_SQL[name]) for name in ("ohlcv", "made of 1h", "refusing", "coverage")] == [
        (744,), (93,), (744,), (744,),
    ]  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_a_transaction_older_than_the_order_of_a_year_is_told_to_read_again(
    late: psycopg.Connection, order: psycopg.Connection, name: str
) -> None:
    order.commit()

    with pytest.raises(StaleSnapshot, match="market_data_1h was rewritten while it was read: try again"):
        READS[name](late)
    late.rollback()
    READS[name](late)


@pytest.mark.parametrize("name", IN_SQL)
def test_a_statement_of_such_a_transaction_is_refused(
    late: psycopg.Connection, order: psycopg.Connection, name: str
) -> None:
    order.commit()

    with pytest.raises(psycopg.errors.SerializationFailure):
        late.execute(IN_SQL[name].encode())
    late.rollback()
    late.execute(IN_SQL[name].encode())


def test_a_series_that_only_seems_not_to_be_stored_is_not_made_of_another(
    late: psycopg.Connection, market_conn: psycopg.Connection
) -> None:
    store(market_conn, "BTC", "4h", made_up(grid(*JANUARY, "4h"), 2))
    market_conn.commit()
    late.rollback()
    late.execute("SELECT 1")
    market_conn.execute("SELECT order_market_data_partition('4h', '2023-01-01 00:00+00')")
    market_conn.commit()

    with pytest.raises(StaleSnapshot, match="market_data_4h"):
        load_ohlcv("BTC", "8h", *JANUARY, dsn=late)
    late.rollback()
    late.execute("SELECT 1")
    market_conn.execute("SELECT order_market_data_partition('1h', '2023-01-01 00:00+00')")
    market_conn.commit()
    assert load_ohlcv("BTC", "8h", *JANUARY, dsn=late).attrs["source"]["aggregated_from"] == "4h"
    assert late.execute(IN_SQL["made of 1h"].encode()).fetchone() == (93,)


def test_a_transaction_that_sees_each_statement_anew_reads_on(backtester: str, order: psycopg.Connection) -> None:
    with psycopg.connect(backtester) as conn:
        conn.execute("SELECT count(*) FROM symbol_listing")
        order.commit()
        assert len(load_ohlcv(*SPAN, dsn=conn)) == 744


def test_a_new_partition_is_no_reason_to_refuse(late: psycopg.Connection, market_conn: psycopg.Connection) -> None:
    market_conn.execute("SELECT ensure_market_data_partitions('1h', '2024-01-01', '2024-02-01')")
    market_conn.commit()

    assert len(load_ohlcv(*SPAN, dsn=late)) == 744
    assert late.execute(IN_SQL["ohlcv"].encode()).fetchone() == (744,)


def test_a_read_keeps_its_own_timeframe_and_no_other_from_the_prune(
    backtester: str, market_conn: psycopg.Connection, year: None
) -> None:
    market_conn.execute("DELETE FROM dataset_pin")
    market_conn.commit()
    chunks = iter_chunks(*SPAN, rows=100, dsn=backtester)
    next(chunks)

    market_conn.execute("SET lock_timeout = '50ms'")
    market_conn.execute("SELECT take_out_market_data_partition('1m', '2023-01-01 00:00+00')")
    market_conn.commit()
    with pytest.raises(psycopg.errors.LockNotAvailable):
        market_conn.execute("SELECT take_out_market_data_partition('1h', '2023-01-01 00:00+00')")
    market_conn.rollback()
    assert sum(map(len, chunks)) == 644
    market_conn.execute("SELECT take_out_market_data_partition('1h', '2023-01-01 00:00+00')")


def test_who_waits_to_replace_a_partition_gives_way_to_reads(
    backtester: str, market_conn: psycopg.Connection, market_dsn: str, year: None
) -> None:
    chunks = iter_chunks(*SPAN, rows=100, dsn=backtester)
    next(chunks)

    with ThreadPoolExecutor(1) as pool:
        order = pool.submit(run_sql, market_dsn, "SELECT order_market_data_partition('1h', '2023-01-01 00:00+00')")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        wait_until(lambda: market_conn.execute(waits).fetchone() == (1,), "the order of the year to wait")
        assert len(load_ohlcv(*SPAN, dsn=backtester)) == 744
        assert not order.done()
        chunks.close()
        assert order.result() == (744,)
