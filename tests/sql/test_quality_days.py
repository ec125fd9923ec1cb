"""What a measurement keeps of each day, so that the next one reads only what changed; and when that is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.quality import anomalies, measuring
from tests.sql.measured import at, fill, gaps, months, remove, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from include.klines.quality.measuring import QualityReport

HOLE = ("2024-05-10 03:00", "2024-05-10 05:00")


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    """May 2024 of one pair, with a hole of two hours, measured as a whole."""
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    fill(market_conn, "BTC", "2024-05-01", "2024-06-01", without=[HOLE])
    fill(market_conn, "BTC", "2024-05-01", "2024-06-01", timeframe="1d")
    measure(market_conn, "2024-05-01", "2024-06-01", minute=1)
    market_conn.commit()
    return market_conn


def measure(conn: psycopg.Connection, start: str, end: str, *, minute: int) -> QualityReport:
    clock = at("2024-06-01 02:00").replace(minute=minute)
    return measuring.measure(conn, [("BTC", "1h")], window(start, end), clock)


def days(conn: psycopg.Connection) -> dict[str, int]:
    """Candles of each kept day of May."""
    rows = conn.execute("SELECT day, candles FROM candle_day WHERE symbol = 'BTC' AND timeframe = '1h' ORDER BY day")
    return {f"{day:%d}": candles for day, candles in rows}


def test_each_day_is_kept_with_what_its_candles_come_to(conn: psycopg.Connection) -> None:
    assert days(conn) == {f"{day:02}": 22 if day == 10 else 24 for day in range(1, 32)}
    row = conn.execute(
        "SELECT open, high, low, close, highest_close, lowest_close, volume, trades, standing FROM candle_day"
        " WHERE day = '2024-05-09 00:00+00'"
    ).fetchone()
    assert row == (100, 101, 99, 100, 100, 100, 96, 96, 0)
    assert conn.execute("SELECT count(*) FROM candle_day WHERE timeframe = '1d'").fetchone() == (0,)


def test_days_outside_of_the_window_are_not_read_again(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE candle_day SET candles = 23 WHERE day = '2024-05-20 00:00+00'")
    measure(conn, "2024-05-29", "2024-06-01", minute=2)
    assert months(conn, "BTC")[0]["missing_records"] == 3


def test_days_of_the_window_are_read_again_whatever_is_kept(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE candle_day SET candles = 23 WHERE day = '2024-05-20 00:00+00'")
    fill(conn, "BTC", *HOLE)  # by hand: nothing is told
    measure(conn, "2024-05-10", "2024-05-21", minute=2)
    assert months(conn, "BTC")[0]["missing_records"] == 0
    assert gaps(conn, "BTC") == []
    assert set(days(conn).values()) == {24}


def test_a_long_window_is_not_read_again_where_as_many_candles_are_stored_as_are_kept(conn: psycopg.Connection) -> None:
    measure(conn, "2024-04-01", "2024-06-01", minute=2)
    conn.execute("UPDATE candle_day SET volume = 1 WHERE day = '2024-05-20 00:00+00'")
    untouched = "SELECT volume FROM candle_day WHERE day = '2024-05-20 00:00+00' AND symbol = 'BTC'"
    assert measure(conn, "2024-04-01", "2024-06-01", minute=3).missing == 30 * 24 + 2
    assert conn.execute(untouched.encode()).fetchone() == (1,)
    fill(conn, "BTC", *HOLE)  # by hand: nothing is told, but there are two more
    assert measure(conn, "2024-04-01", "2024-06-01", minute=4).missing == 30 * 24
    assert conn.execute(untouched.encode()).fetchone() == (96,)
    assert HOLE not in gaps(conn, "BTC")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE market_data SET high = 102 WHERE timeframe = '1h' AND timestamp = '2024-05-03 07:00+00'",
        "DELETE FROM market_data WHERE timeframe = '1h' AND timestamp = '2024-05-03 07:00+00'",
        "SELECT touch_fingerprints('BTC', '1h', '2024-05-03 07:00+00', '2024-05-03 08:00+00')",
    ],
)
def test_a_day_is_forgotten_when_a_candle_of_it_changes(conn: psycopg.Connection, change: str) -> None:
    conn.execute(change.encode())
    assert sorted({f"{day:02}" for day in range(1, 32)} - set(days(conn))) == ["03"]


def test_a_change_outside_of_the_window_is_noticed_inside_its_month(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE market_data SET high = 102 WHERE timeframe = '1h' AND timestamp = '2024-05-03 07:00+00'")
    remove(conn, "BTC", "2024-05-04", "2024-05-04 06:00")
    report = measure(conn, "2024-05-29", "2024-06-01", minute=2)
    assert [one.findings for one in report.checks if one.name == "candle_differs_from_its_parts"] == [1]
    assert gaps(conn, "BTC") == [("2024-05-04 00:00", "2024-05-04 06:00"), HOLE]
    assert months(conn, "BTC")[0]["missing_records"] == 8
    assert days(conn)["04"] == 18


def test_who_changes_candles_waits_for_the_measurement_that_reads_them(
    conn: psycopg.Connection, market_dsn: str
) -> None:
    with psycopg.connect(market_dsn, autocommit=True) as other:
        other.execute("SET lock_timeout = '50ms'")
        with conn.transaction():
            anomalies.keep_days(conn, [("BTC", "1h")], window("2024-05-01", "2024-06-01"), at("2024-06-01"))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                remove(other, "BTC", "2024-05-04", "2024-05-05")
        remove(other, "BTC", "2024-05-04", "2024-05-05")
    assert "04" not in days(conn)


def test_other_series_of_the_same_names_are_left_alone(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-05-03", timeframe="4h")
    fill(conn, "ETH", "2024-05-01", "2024-05-03")
    fill(conn, "ETH", "2024-05-01", "2024-05-03", timeframe="4h")
    series = [("BTC", "4h"), ("ETH", "1h")]
    with conn.transaction():
        anomalies.keep_days(conn, series, window("2024-05-01", "2024-05-03"), at("2024-06-01"))
    kept = conn.execute("SELECT DISTINCT symbol, timeframe FROM candle_day ORDER BY 1, 2").fetchall()
    assert kept == [("BTC", "1h"), *series]


@pytest.mark.parametrize("forgotten", [[], ["2024-05-12"], ["2024-05-01", "2024-05-31"]])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-05-01", "2024-06-01"),
        ("2024-05-09 23:00", "2024-05-10 04:00"),
        ("2024-05-10 01:00", "2024-05-10 02:00"),
        ("2024-05-10 12:00", "2024-05-12 00:00"),
        ("2024-04-28 12:00", "2024-05-01 06:00"),
        ("2024-05-31 22:00", "2024-06-03 00:00"),
        ("2024-05-05 00:00", "2024-05-05 00:00"),
    ],
)
def test_stored_candles_are_what_a_count_says(
    conn: psycopg.Connection, start: str, end: str, forgotten: list[str]
) -> None:
    conn.execute("DELETE FROM candle_day WHERE day = ANY(%s::timestamptz[])", ([at(day) for day in forgotten],))
    binds: dict[str, Any] = {"start": at(start), "end": at(end)}
    for timeframe in ("1h", "1d"):
        (said,) = conn.execute(
            "SELECT candles FROM stored_candles('BTC', %(timeframe)s, %(start)s, %(end)s)",
            binds | {"timeframe": timeframe},
        ).fetchone() or (None,)
        counted = conn.execute(
            "SELECT count(*) FROM market_data WHERE timeframe = %(timeframe)s"
            " AND timestamp >= %(start)s AND timestamp < %(end)s",
            binds | {"timeframe": timeframe},
        ).fetchone()
        assert (said,) == counted
