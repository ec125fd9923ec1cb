"""One window into a real PostgreSQL: all of it or none of it, and nothing the second time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import dict_row

from binance_plugin.stats import RequestStats
from include.klines.candles import Candles
from include.klines.database import prepare
from include.klines.errors import LoadError
from include.klines.load import staging
from include.klines.load.lanes import SeriesPlan
from include.klines.load.store import Counts, Fetched, RunRef, record_sync, store_window
from include.klines.packing import VALUES
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAY = Window(datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
CLOCK = datetime(2024, 3, 2, tzinfo=UTC)
MARCH, APRIL = Window(DAY.end, datetime(2024, 4, 1, tzinfo=UTC)), datetime(2024, 4, 2, tzinfo=UTC)
MARCH_HOURS = range(24, 32 * 24)  # counted from DAY.start
BTC = SeriesPlan("BTC", "BTCUSDT", "1h", (DAY,))
RUN = RunRef("klines_initial_load", "manual__1", "BTC 1h")


def candles(hours: Iterable[int] = range(24), **changes: Any) -> Candles:
    """Plausible hours of 2024-02-29; `changes` replaces whole columns."""
    number = np.array(list(hours), dtype=np.int64)
    price = 60_000 + number * 10.5
    columns = {
        "open_time": (DAY.start.timestamp() * 1_000_000 + number * 3_600_000_000).astype(np.int64),
        "open": price,
        "high": price + 7.25,
        "low": price - 7.125,
        "close": price + 0.00000001,
        "volume": 12.5 + number,
        "quote_volume": price * 12.5,
        "trades": number + 1,
        "taker_buy_volume": 6.25 + number,
        "taker_buy_quote_volume": price * 6.25,
    }
    return Candles(**(columns | changes))


def fetched(rows: Candles, **changes: Any) -> Fetched:
    base = Fetched(DAY, rows, "rest", (), (), (), (), (), RequestStats(requests=1), CLOCK)
    return replace(base, **changes)


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(market_dsn) as connection:
        prepare(connection)
        connection.execute("SELECT ensure_market_data_partitions('1h', %s, %s)", (DAY.start, DAY.end))
        connection.execute(
            """INSERT INTO symbol_listing
            (symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at, synced_at)
            VALUES ('BTC', 'BTCUSDT', 'BTC', 'USDT', 'core', 'TRADING', '2017-08-17 04:00+00', now())"""
        )
        yield connection


def table(conn: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall()  # noqa: S608 – names of this file


def versions(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Where each row lies and which transaction wrote it: a rewritten row shows."""
    return conn.execute("SELECT tableoid, ctid, xmin, timestamp FROM market_data ORDER BY timestamp").fetchall()


def test_a_window_brings_candles_range_and_record_in_one_transaction(conn: psycopg.Connection) -> None:
    counts = store_window(conn, BTC, fetched(candles()), run=RUN, clock=CLOCK)
    assert counts == Counts(fetched=24, inserted=24)
    stored = table(conn, "market_data")
    assert len(stored) == 24
    assert stored[5]["timestamp"] == DAY.start + timedelta(hours=5)
    assert stored[5]["close"] == 60_052.50000001
    assert (stored[5]["trades"], stored[5]["symbol"], stored[5]["timeframe"]) == (6, "BTC", "1h")
    reach = table(conn, "historical_data_range")[0]
    assert (reach["earliest_date"], reach["latest_date"]) == (DAY.start, DAY.end - timedelta(hours=1))
    assert (reach["total_records"], reach["is_complete"]) == (24, True)
    record = table(conn, "data_sync_log")[0]
    assert (record["status"], record["rows_inserted"], record["requests"], record["source"]) == (
        "success",
        24,
        1,
        "rest",
    )
    assert table(conn, "data_gap") == []


def test_storing_twice_changes_nothing(conn: psycopg.Connection) -> None:
    store_window(conn, BTC, fetched(candles()), run=RUN, clock=CLOCK)
    before = versions(conn)
    assert store_window(conn, BTC, fetched(candles()), run=RUN, clock=CLOCK) == Counts(fetched=24, unchanged=24)
    assert versions(conn) == before
    assert table(conn, "historical_data_range")[0]["total_records"] == 24
    assert table(conn, "market_data_revision") == []


def test_a_changed_candle_is_updated_and_remembered(conn: psycopg.Connection) -> None:
    first = candles()
    store_window(conn, BTC, fetched(first), run=RUN, clock=CLOCK)
    before = versions(conn)
    volume = first.volume.copy()
    volume[7] = 8457.0
    later = CLOCK + timedelta(days=1)
    counts = store_window(conn, BTC, fetched(candles(volume=volume), source="archive-daily"), run=RUN, clock=later)
    assert counts == Counts(fetched=24, revised=1, unchanged=23)
    (revision,) = table(conn, "market_data_revision")
    assert revision["timestamp"] == DAY.start + timedelta(hours=7)
    assert (revision["old_volume"], revision["new_volume"]) == (19.5, 8457.0)
    assert (revision["old_close"], revision["new_close"]) == (first.close[7], first.close[7])
    assert (revision["source"], revision["revised_at"]) == ("archive-daily", later)
    untouched = [row for row in versions(conn) if row in before]
    assert len(untouched) == 23


def test_missing_hours_are_inserted_between_stored_ones(conn: psycopg.Connection) -> None:
    store_window(conn, BTC, fetched(candles(range(0, 10))), run=RUN, clock=CLOCK)
    (gap,) = table(conn, "data_gap")
    assert (gap["gap_start"], gap["missing_records"], gap["cause"]) == (DAY.start + timedelta(hours=10), 14, "open")
    assert table(conn, "historical_data_range")[0]["is_complete"] is False
    counts = store_window(conn, BTC, fetched(candles()), run=RUN, clock=CLOCK)
    assert counts == Counts(fetched=24, inserted=14, unchanged=10)
    (gap,) = table(conn, "data_gap")
    assert gap["resolved_at"] == CLOCK
    assert table(conn, "historical_data_range")[0]["is_complete"] is True


def test_a_whole_month_has_no_gap_and_resolves_those_it_fills(conn: psycopg.Connection) -> None:
    """A month with a candle at every hour is not searched for holes, unless one is known."""
    store_window(conn, BTC, fetched(candles(MARCH_HOURS), window=MARCH), run=RUN, clock=APRIL)
    assert table(conn, "data_gap") == []
    conn.execute("DELETE FROM market_data WHERE timestamp = '2024-03-03 05:00Z'")
    third = Window(datetime(2024, 3, 3, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC))
    store_window(conn, BTC, fetched(candles(range(72, 76)), window=third), run=RUN, clock=APRIL)
    assert [(gap["missing_records"], gap["resolved_at"]) for gap in table(conn, "data_gap")] == [(1, None)]
    counts = store_window(conn, BTC, fetched(candles(MARCH_HOURS), window=MARCH), run=RUN, clock=APRIL)
    assert counts == Counts(fetched=31 * 24, inserted=1, unchanged=31 * 24 - 1)
    assert [gap["resolved_at"] for gap in table(conn, "data_gap")] == [APRIL]
    assert table(conn, "historical_data_range")[0]["is_complete"] is True


def test_a_whole_month_but_for_one_candle_has_its_gap(conn: psycopg.Connection) -> None:
    hours = [hour for hour in MARCH_HOURS if hour != 100]
    store_window(conn, BTC, fetched(candles(hours), window=MARCH), run=RUN, clock=APRIL)
    (gap,) = table(conn, "data_gap")
    assert (gap["gap_start"], gap["missing_records"]) == (DAY.start + timedelta(hours=100), 1)


@pytest.mark.parametrize("number", [1, staging.BLOCK_ROWS - 1, staging.BLOCK_ROWS, 2 * staging.BLOCK_ROWS + 1])
def test_every_candle_of_every_block_arrives_as_it_is(conn: psycopg.Connection, number: int) -> None:
    sent = candles(range(number))
    with conn.transaction():
        staging.copy_to_market_data(conn, "BTC", "1h", sent)
    columns = ", ".join(name for name, _ in VALUES)
    stored = conn.execute(
        f"SELECT extract(EPOCH FROM timestamp) * 1000000, {columns} FROM market_data ORDER BY timestamp"  # noqa: S608 – names of this file
    ).fetchall()
    values = [getattr(sent, name).tolist() for name, _ in VALUES]
    assert stored == list(zip(sent.open_time.tolist(), *values, strict=True))


def test_a_month_that_comes_whole_into_an_empty_place_is_stored_with_its_digest(conn: psycopg.Connection) -> None:
    late = Window(DAY.start, MARCH.end)
    store_window(conn, BTC, fetched(candles(range(32 * 24)), window=late), run=RUN, clock=APRIL)
    statement = b"SELECT * FROM candle_digest('BTC', '1h', '2024-03-01Z', '2024-04-01Z')"
    assert kept_digests(conn) == [(2, None, None), (3, *conn.execute(statement).fetchone())]
    conn.execute("DELETE FROM market_data WHERE timestamp = '2024-03-03 05:00Z'")
    store_window(conn, BTC, fetched(candles(MARCH_HOURS), window=MARCH), run=RUN, clock=APRIL)
    assert kept_digests(conn) == [(2, None, None), (3, None, None)]


def kept_digests(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Month, number of candles and their digest."""
    return [(row["month"].month, row["candles"], row["digest"]) for row in table(conn, "series_fingerprint")]


def test_an_empty_answer_stores_a_record_and_a_gap_and_no_range(conn: psycopg.Connection) -> None:
    nothing = fetched(Candles.empty(), source="none", empty_by_rest=(DAY,))
    counts = store_window(conn, BTC, nothing, run=RUN, clock=CLOCK)
    assert counts == Counts()
    (gap,) = table(conn, "data_gap")
    assert (gap["missing_records"], gap["rest_empty_on"], gap["attempts"]) == (24, [CLOCK.date()], 0)
    assert table(conn, "historical_data_range") == []
    assert table(conn, "data_sync_log")[0]["source"] == "none"
    store_window(conn, BTC, nothing, run=RUN, clock=CLOCK, attempt=True)
    assert [gap["attempts"] for gap in table(conn, "data_gap")] == [1]


def test_a_candle_that_breaks_a_promise_takes_its_whole_window_with_it(conn: psycopg.Connection) -> None:
    low = candles().low
    low[3] = 1e9
    with pytest.raises(psycopg.errors.CheckViolation):
        store_window(conn, BTC, fetched(candles(low=low)), run=RUN, clock=CLOCK)
    for name in ("market_data", "historical_data_range", "data_sync_log", "data_gap"):
        assert table(conn, name) == []


def test_staging_that_lost_a_candle_fails_the_window(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    store_window(conn, BTC, fetched(candles(range(1))), run=RUN, clock=CLOCK)
    whole = staging.copy_to_staging

    def lose_one(connection: psycopg.Connection, rows: Candles) -> None:
        whole(connection, rows)
        connection.execute("DELETE FROM staged_candle WHERE timestamp = %s", (DAY.start + timedelta(hours=5),))

    monkeypatch.setattr(staging, "copy_to_staging", lose_one)
    with pytest.raises(LoadError, match="24 candles were sent to staging, but 23 were there"):
        store_window(conn, BTC, fetched(candles()), run=RUN, clock=CLOCK)
    assert len(table(conn, "market_data")) == 1


def test_staging_is_empty_after_success_and_after_failure(conn: psycopg.Connection) -> None:
    store_window(conn, BTC, fetched(candles(range(1))), run=RUN, clock=CLOCK)
    store_window(conn, BTC, fetched(candles(range(3))), run=RUN, clock=CLOCK)
    with pytest.raises(psycopg.errors.CheckViolation):
        store_window(conn, BTC, fetched(candles(trades=np.full(24, -1))), run=RUN, clock=CLOCK)
    assert conn.execute("SELECT count(*) FROM staged_candle").fetchone() == (0,)
    assert len(table(conn, "market_data")) == 3


def test_two_writers_of_one_window_take_turns(conn: psycopg.Connection, market_dsn: str) -> None:
    def work(_: int) -> Counts:
        with psycopg.connect(market_dsn) as own:
            return store_window(prepare(own), BTC, fetched(candles()), run=RUN, clock=CLOCK)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, range(4)))
    assert sorted(outcome.inserted for outcome in outcomes) == [0, 0, 0, 24]
    assert sorted(outcome.unchanged for outcome in outcomes) == [0, 24, 24, 24]
    assert table(conn, "historical_data_range")[0]["total_records"] == 24


def test_a_failed_window_leaves_a_record_that_says_why(conn: psycopg.Connection) -> None:
    record_sync(conn, BTC, fetched(Candles.empty()), Counts(), run=RUN, clock=CLOCK, error="the archive is down.")
    (record,) = table(conn, "data_sync_log")
    assert (record["status"], record["error"], record["rows_inserted"]) == ("failed", "the archive is down.", 0)


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("high", 1.0, "high_is_not_below_low"),
        ("low", -1.0, "prices_are_not_negative"),
        ("open", 1.0, "high_and_low_bound_open_and_close"),
        ("close", np.nan, "prices_are_finite"),
        ("high", np.inf, "prices_are_finite"),
        ("volume", -0.5, "volumes_are_finite_and_not_negative"),
        ("quote_volume", np.nan, "volumes_are_finite_and_not_negative"),
        ("trades", -1, "trades_are_not_negative"),
    ],
)
def test_the_table_itself_refuses_what_no_candle_can_be(
    conn: psycopg.Connection, column: str, value: float, constraint: str
) -> None:
    wrong = getattr(candles(), column).copy()
    wrong[0] = value
    with pytest.raises(psycopg.errors.CheckViolation) as refusal, conn.transaction():
        staging.copy_to_market_data(conn, "BTC", "1h", candles(**{column: wrong}))
    assert refusal.value.diag.constraint_name in (constraint, "high_and_low_bound_open_and_close")


def test_the_table_itself_refuses_a_time_off_the_grid(conn: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="timestamp_is_on_the_grid"), conn.transaction():
        staging.copy_to_market_data(conn, "BTC", "1h", candles(open_time=candles().open_time + 1))


def test_partitions_are_made_once_also_by_many_at_once(conn: psycopg.Connection, market_dsn: str) -> None:
    span = (datetime(2021, 12, 31, 23, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC))

    def make(_: int) -> int:
        with psycopg.connect(market_dsn, autocommit=True) as own:
            row = own.execute("SELECT ensure_market_data_partitions('1m', %s, %s)", span).fetchone()
            return row[0] if row else -1

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(4)))
    assert sum(made) == 3
    names = {
        row[0]
        for row in conn.execute("SELECT relname FROM pg_class WHERE relname LIKE 'market_data_1m_20__!___' ESCAPE '!'")
    }
    assert names == {"market_data_1m_2021_12", "market_data_1m_2022_01", "market_data_1m_2022_02"}
