"""A pin and a load at once: what the load changes or adds is pinned, or counts as done since, never neither."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.database import prepare
from include.klines.errors import InvalidRequest
from include.klines.load.store import Counts, store_window
from include.klines.reader import FingerprintMismatch, load_ohlcv, load_pinned, pin, pins
from include.klines.windows import Window
from tests.polling import wait_until
from tests.sql.stored import list_symbol
from tests.sql.test_store import BTC, DAY, RUN, candles, fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATASET = ("1h", "2024-02-29", "2024-03-01")
CLOCK = datetime(2024, 3, 2, tzinfo=UTC)
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))
BOTH_DAYS = ("1h", "2024-02-29", "2024-03-02")
FIFTH = DAY.start + timedelta(hours=5)


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A day of BTC 1h."""
    with psycopg.connect(market_dsn) as connection:
        prepare(connection).execute("SELECT ensure_market_data_partitions('1h', %s, %s)", (DAY.start, DAY.end))
        list_symbol(connection, "BTC", "2017-08-17 04:00")
        store_window(connection, BTC, fetched(candles()), run=RUN, clock=CLOCK)
        yield connection


def revise(conn: psycopg.Connection, volume: float, clock: datetime) -> Counts:
    """A load that finds another volume of the fifth hour; `clock` is what the exchange's was when it began."""
    rows = candles()
    rows.volume[5] = volume
    return store_window(conn, BTC, fetched(rows), run=RUN, clock=clock)


def add(conn: psycopg.Connection, clock: datetime) -> Counts:
    """A load that brings the next day, of which nothing is stored."""
    return store_window(conn, BTC, fetched(candles(range(24, 48)), window=NEXT), run=RUN, clock=clock)


def test_a_load_that_began_before_a_pin_and_comes_after_it_is_a_revision_since(
    conn: psycopg.Connection, market_dsn: str
) -> None:
    """The exchange's clock, as the load read it, is before the pin: the database's is not."""
    clock = datetime.now(UTC) - timedelta(minutes=1)
    pin("mine", ["BTC"], *DATASET, dsn=market_dsn)
    assert revise(conn, 8457.0, clock).revised == 1
    with pytest.raises(FingerprintMismatch, match="revised BTC 2024-02-29 05:00") as caught:
        load_pinned("mine", dsn=market_dsn)
    assert caught.value.revisions == (("BTC", FIFTH),)
    undone = load_pinned("mine", revised="undo", dsn=market_dsn)["BTC"]
    assert (undone.loc[FIFTH, "volume"], undone.attrs["revisions_undone"]) == (17.5, 1)
    accepted = load_pinned("mine", revised="accept", dsn=market_dsn)["BTC"]
    assert (accepted.loc[FIFTH, "volume"], accepted.attrs["revised_since_pinned"]) == (8457.0, 1)
    before, after = (
        load_ohlcv("BTC", *DATASET, as_of=as_of, dsn=market_dsn) for as_of in (clock - timedelta(seconds=1), clock)
    )
    assert (before.loc[FIFTH, "volume"], after.loc[FIFTH, "volume"]) == (17.5, 8457.0)


def test_a_revision_that_a_pin_has_read_is_not_one_since(conn: psycopg.Connection, market_dsn: str) -> None:
    """The exchange's clock is ahead of the database's."""
    assert revise(conn, 8457.0, datetime.now(UTC) + timedelta(minutes=1)).revised == 1
    pin("mine", ["BTC"], *DATASET, dsn=market_dsn)
    for policy in ("raise", "undo"):
        frame = load_pinned("mine", revised=policy, dsn=market_dsn)["BTC"]  # type: ignore[arg-type]  # of the policies
        assert (frame.loc[FIFTH, "volume"], frame.attrs["revised_since_pinned"]) == (8457.0, 0)


def test_candles_that_come_after_a_pin_are_added_since_whatever_the_exchange_says(
    conn: psycopg.Connection, market_dsn: str
) -> None:
    pin("mine", ["BTC"], *BOTH_DAYS, on_gap="mask", dsn=market_dsn)
    add(conn, datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(FingerprintMismatch, match="klines_initial_load has added 24 candles to BTC"):
        load_pinned("mine", dsn=market_dsn)


def test_candles_that_a_pin_has_read_are_not_added_since(conn: psycopg.Connection, market_dsn: str) -> None:
    """The exchange's clock is ahead of the database's."""
    add(conn, datetime.now(UTC) + timedelta(minutes=1))
    pin("mine", ["BTC"], *BOTH_DAYS, on_gap="mask", dsn=market_dsn)
    revise(conn, 8457.0, datetime.now(UTC))
    with pytest.raises(FingerprintMismatch) as caught:
        load_pinned("mine", dsn=market_dsn)
    assert (caught.value.revisions, caught.value.added) == ((("BTC", FIFTH),), ())


def pin_while_it_commits(conn: psycopg.Connection, dsn: str, load: Callable[[], Counts]) -> None:
    """Pins both days while a load has stored its window and not yet committed."""

    def waits() -> bool:
        return conn.execute("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted").fetchone() == (True,)

    binds = {"dsn": dsn, "on_gap": "mask"}
    pinning = threading.Thread(target=pin, args=("mine", ["BTC"], *BOTH_DAYS), kwargs=binds)
    with conn.transaction():
        load()
        pinning.start()
        wait_until(waits, "the pin")
    pinning.join()


def test_a_pin_waits_for_a_load_that_is_changing_candles(conn: psycopg.Connection, market_dsn: str) -> None:
    pin_while_it_commits(conn, market_dsn, lambda: revise(conn, 8457.0, datetime.now(UTC)))
    frame = load_pinned("mine", dsn=market_dsn)["BTC"]
    assert (frame.loc[FIFTH, "volume"], frame.attrs["revised_since_pinned"]) == (8457.0, 0)


def test_a_pin_waits_for_a_load_that_is_adding_candles(conn: psycopg.Connection, market_dsn: str) -> None:
    pin_while_it_commits(conn, market_dsn, lambda: add(conn, datetime.now(UTC)))
    assert load_pinned("mine", dsn=market_dsn)["BTC"]["close"].notna().sum() == 48


@pytest.mark.parametrize("before", ["SELECT 1", "SELECT 1 / 0"])
def test_a_pin_inside_a_transaction_of_the_caller_is_refused(
    conn: psycopg.Connection, market_dsn: str, before: str
) -> None:
    """Loads would wait until it ends, and its snapshot may be older than what a prune has left."""
    with psycopg.connect(market_dsn) as mine:
        with suppress(psycopg.errors.DivisionByZero):
            mine.execute(before.encode())
        with pytest.raises(InvalidRequest, match="the connection is inside one: commit or roll back first"):
            pin("mine", ["BTC"], *DATASET, dsn=mine)
    with conn.transaction(), pytest.raises(InvalidRequest, match="commit or roll back first"):
        pin("mine", ["BTC"], *DATASET, dsn=conn)
    assert "mine" not in {one.name for one in pins(dsn=market_dsn)}


def test_a_connection_outside_of_a_transaction_pins_and_has_committed(
    conn: psycopg.Connection, market_dsn: str
) -> None:
    with psycopg.connect(market_dsn) as mine:
        kept = pin("mine", ["BTC"], *DATASET, dsn=mine)
        assert kept in pins(dsn=market_dsn)
        assert revise(conn, 8457.0, datetime.now(UTC)).revised == 1
