"""Checks for implausible candles: each finds what it is for, and is quiet otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.klines.errors import ConfigurationError
from include.klines.quality import anomalies, measuring
from tests.sql.measured import at, fill, measure_all, months, window
from tests.sql.stored import grid, list_symbol, made_up, store

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

MAY = window("2024-05-01", "2024-06-01")


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    for timeframe in ("1d", "4h", "1h"):
        fill(market_conn, "BTC", "2024-05-01", "2024-06-01", timeframe=timeframe)
    return market_conn


def measure(conn: psycopg.Connection, clock: str = "2024-06-01 02:00") -> dict[str, int]:
    """Findings by check, of checks that found something."""
    report = measure_all(conn, MAY, at(clock))
    return {check.name: check.findings for check in report.checks if check.findings}


def found(conn: psycopg.Connection, check: str) -> list[tuple[str, str, str, str]]:
    rows = conn.execute(
        "SELECT symbol, timeframe, timestamp, detail FROM data_anomaly WHERE check_name = %s ORDER BY 1, 2, 3", (check,)
    )
    return [(symbol, timeframe, f"{moment:%m-%d %H:%M}", detail) for symbol, timeframe, moment, detail in rows]


def change(conn: psycopg.Connection, timeframe: str, moment: str, changes: str) -> None:
    done = conn.execute(
        f"UPDATE market_data SET {changes} WHERE symbol = 'BTC' AND timeframe = %s AND timestamp = %s",  # noqa: S608 (ours)
        (timeframe, at(moment)),
    )
    assert done.rowcount == 1


def test_sets_of_names_have_each_once_and_series_stay_pairs() -> None:
    binds = anomalies.scope([("BTC", "1h"), ("ETH", "1h"), ("BTC", "1d")], MAY)
    assert list(zip(binds["symbols"], binds["timeframes"], strict=True)) == [
        ("BTC", "1h"),
        ("ETH", "1h"),
        ("BTC", "1d"),
    ]
    assert (binds["each_symbol"], binds["each_timeframe"]) == (["BTC", "ETH"], ["1h", "1d"])


def test_plausible_candles_raise_nothing(conn: psycopg.Connection) -> None:
    assert measure(conn) == {}
    assert not months(conn, "BTC")[0]["has_anomalies"]


@pytest.mark.parametrize(
    ("moment", "changes", "says"),
    [
        ("2024-05-10 00:00", "open = 100.5", "open 100 instead of 100.5"),
        ("2024-05-10 23:00", "close = 100.5", "close 100 instead of 100.5"),
        ("2024-05-10 11:00", "high = 102", "high 101 instead of 102"),
        ("2024-05-10 11:00", "low = 98", "low 99 instead of 98"),
        ("2024-05-10 11:00", "volume = 5", "volume 96 instead of 97"),
        ("2024-05-10 11:00", "trades = 5", "trades 96 instead of 97"),
    ],
)
def test_a_day_must_be_what_its_hours_say(conn: psycopg.Connection, moment: str, changes: str, says: str) -> None:
    change(conn, "1h", moment, changes)
    assert measure(conn) == {"candle_differs_from_its_parts": 1}
    assert found(conn, "candle_differs_from_its_parts") == [
        ("BTC", "1h", "05-10 00:00", f"the 1d candle has {says}, as its 1h candles say")
    ]
    assert months(conn, "BTC")[0]["has_anomalies"]


def test_a_day_must_be_what_its_four_hour_candles_say(conn: psycopg.Connection) -> None:
    change(conn, "4h", "2024-05-10 20:00", "close = 100.5")
    assert measure(conn) == {"candle_differs_from_its_parts": 1}


def test_a_day_with_a_missing_hour_is_not_compared(conn: psycopg.Connection) -> None:
    change(conn, "1h", "2024-05-10 11:00", "high = 102")
    conn.execute("DELETE FROM market_data WHERE timeframe = '1h' AND timestamp = '2024-05-10 05:00+00'")
    assert measure(conn) == {}


def test_what_was_mended_is_cleared_and_what_stays_is_kept(conn: psycopg.Connection) -> None:
    change(conn, "1h", "2024-05-10 11:00", "high = 102")
    change(conn, "1h", "2024-05-12 11:00", "high = 102")
    measure(conn)
    change(conn, "1h", "2024-05-10 11:00", "high = 101")
    measure(conn, "2024-06-02 02:00")
    rows = conn.execute("SELECT timestamp, first_seen, last_checked FROM data_anomaly").fetchall()
    assert rows == [(at("2024-05-12"), at("2024-06-01 02:00"), at("2024-06-02 02:00"))]
    change(conn, "1h", "2024-05-12 11:00", "high = 101")
    measure(conn, "2024-06-03 02:00")
    assert conn.execute("SELECT count(*) FROM data_anomaly").fetchone() == (0,)
    assert not months(conn, "BTC")[0]["has_anomalies"]


def test_prices_out_of_order_are_found_where_no_constraint_guards(conn: psycopg.Connection) -> None:
    conn.execute("ALTER TABLE market_data DROP CONSTRAINT high_and_low_bound_open_and_close")
    change(conn, "1h", "2024-05-10 11:00", "close = 98.5")
    assert measure(conn) == {"ohlc_out_of_order": 1}


def test_times_off_the_grid_are_found_where_no_constraint_guards(conn: psycopg.Connection) -> None:
    conn.execute("ALTER TABLE market_data_1h DROP CONSTRAINT timestamp_is_on_the_grid")
    change(conn, "1h", "2024-05-10 11:00", "timestamp = timestamp + interval '1 minute'")
    assert found(conn, "off_the_grid") == []
    assert measure(conn)["off_the_grid"] == 1


def test_a_flat_run_without_volume_is_a_warning(conn: psycopg.Connection) -> None:
    for hour in range(6):
        change(conn, "1h", f"2024-05-10 0{hour}:00", "volume = 0, high = 100, low = 100")
    measure(conn)
    assert found(conn, "stands_still") == [
        ("BTC", "1h", "05-10 00:00", "6 flat candles without volume in a row, at 100")
    ]
    conn.execute("DELETE FROM market_data WHERE timeframe = '1d'")
    measure(conn)
    assert not months(conn, "BTC")[0]["has_anomalies"]


def test_findings_of_series_that_are_not_measured_stay(conn: psycopg.Connection) -> None:
    """BTC 1h is not measured, though each of its two names is, with another."""
    list_symbol(conn, "ETH", "2017-08-17 04:00")
    fill(conn, "ETH", "2024-05-01", "2024-06-01")
    for hour in range(6):
        change(conn, "1h", f"2024-05-10 0{hour}:00", "volume = 0, high = 100, low = 100")
    measure(conn)
    others = [("BTC", "4h"), ("ETH", "1h")]
    measuring.measure(conn, others, MAY, at("2024-06-02 02:00"))
    assert [row[:2] for row in found(conn, "stands_still")] == [("BTC", "1h")]


def test_a_single_flat_candle_and_one_in_an_outage_are_legal(conn: psycopg.Connection) -> None:
    conn.execute("DELETE FROM market_data WHERE timeframe <> '1h'")
    change(conn, "1h", "2024-05-09 00:00", "volume = 0, high = 100, low = 100")
    conn.execute(
        "INSERT INTO exchange_outage VALUES"
        " ('1m', '2024-05-10 00:10+00', '2024-05-10 05:50+00', 'stored candles', 'x', now())"
    )
    for hour in range(6):
        change(conn, "1h", f"2024-05-10 0{hour}:00", "volume = 0, high = 100, low = 100")
    anomaly = measuring.measure(conn, [("BTC", "1h")], MAY, at("2024-06-01")).checks
    assert [one.findings for one in anomaly if one.name == "stands_still"] == [0]


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
def test_a_wrong_print_is_a_warning(conn: psycopg.Connection, timeframe: str) -> None:
    frame = made_up(grid("2024-05-01", "2024-06-01", {"1h": "h", "1d": "D"}[timeframe]))
    row = 400 if timeframe == "1h" else 15
    frame.iloc[row, [0, 1, 2, 3]] *= 10
    store(conn, "WILD", timeframe, frame)
    findings = measuring.measure(conn, [("WILD", timeframe)], MAY, at("2024-06-01")).checks
    assert [(one.severity, one.findings) for one in findings if one.name == "price_spikes"] == [("warn", 1)]
    (spike,) = found(conn, "price_spikes")
    assert spike[2] == f"{frame.index[row]:%m-%d %H:%M}"
    assert "percent and back by" in spike[3]


def test_a_jump_that_stays_is_no_spike(conn: psycopg.Connection) -> None:
    frame = made_up(grid("2024-05-01", "2024-06-01"))
    frame.iloc[400:, [0, 1, 2, 3]] *= 0.1
    store(conn, "WILD", "1h", frame)
    findings = measuring.measure(conn, [("WILD", "1h")], MAY, at("2024-06-01")).checks
    assert [one.findings for one in findings if one.name == "price_spikes"] == [0]


def test_candles_outside_of_the_listing_are_found(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE symbol_listing SET delisted_at = '2024-05-31 22:00+00'")
    assert measure(conn) == {"outside_its_listing": 2}
    assert found(conn, "outside_its_listing")[0][:3] == ("BTC", "1h", "05-31 22:00")


def test_a_candle_of_two_listings_is_found(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE symbol_listing SET delisted_at = '2024-05-31 00:00+00'")
    list_symbol(conn, "BTC", "2024-05-30 22:00", number=2)
    assert measure(conn)["belongs_to_two_listings"] == 2


def test_a_candle_copied_from_the_predecessor_is_found(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE symbol_listing SET successor = 'NEW', successor_ratio = 1")
    list_symbol(conn, "NEW", "2024-05-10")
    fill(conn, "NEW", "2024-05-10", "2024-05-10 03:00")
    assert measure(conn) == {"belongs_to_two_listings": 3}
    assert found(conn, "belongs_to_two_listings")[0] == (
        "NEW",
        "1h",
        "05-10 00:00",
        "is the same candle as that of BTC",
    )


def test_every_check_names_its_severity(tmp_path: Path) -> None:
    assert {check.severity for check in anomalies.checks()} == {"fail", "warn"}
    (tmp_path / "bad.sql").write_text("-- severity: loud\nSELECT 1\n")
    with pytest.raises(ConfigurationError, match=r"bad\.sql must begin with the line"):
        anomalies.checks(tmp_path)
