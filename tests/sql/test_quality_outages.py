"""Why a candle is missing: outages that pairs witness, suspensions, late files, and what is still open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from binance_plugin.client import BinanceClient
from include.klines.quality import measuring
from include.klines.quality.witnesses import AT_MOST, ask_witnesses
from tests.sql.measured import at, confirm, fill, gap, gaps, measure_all, months, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    import psycopg

    from tests.exchange import Exchange

MONTH = window("2024-05-01", "2024-06-01")
CLOCK = at("2024-07-01 02:00")
HOLE = ("2024-05-10 12:00", "2024-05-10 17:00")


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    for symbol in ("BTC", "ETH", "SOL"):
        list_symbol(market_conn, symbol, "2017-08-17 04:00")
    return market_conn


def measure(conn: psycopg.Connection, clock: str = "2024-07-01 02:00") -> measuring.QualityReport:
    return measure_all(conn, MONTH, at(clock))


def missing(conn: psycopg.Connection, *holes: tuple[str, tuple[str, str]], timeframe: str = "1h") -> None:
    """Each symbol with its hole, recorded and confirmed empty by REST, as a lane leaves it."""
    for symbol, hole in holes:
        fill(conn, symbol, "2024-05-01", "2024-06-01", without=[hole], timeframe=timeframe)
        measuring.record_gaps(conn, [(symbol, timeframe)], MONTH, CLOCK)
        confirm(conn, symbol, hole, timeframe=timeframe)


def outages(conn: psycopg.Connection) -> list[tuple[str, str, str, str]]:
    rows = conn.execute("SELECT timeframe, starts_at, ends_at, source FROM exchange_outage ORDER BY 1, 2")
    return [(timeframe, f"{start:%m-%d %H:%M}", f"{end:%m-%d %H:%M}", source) for timeframe, start, end, source in rows]


def test_what_all_pairs_miss_is_an_outage(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    report = measure(conn)
    assert outages(conn) == [("1h", "05-10 12:00", "05-10 17:00", "stored candles")]
    assert report.gaps == {"exchange_outage": 2}
    assert (report.outages_found, report.unfillable, report.adjusted_completeness) == (1, 10, 100)
    assert report.completeness < 100
    assert conn.execute("SELECT evidence FROM exchange_outage").fetchone() == (
        "No 1h candle for BTC, ETH, each with candles right before and after; no stored pair has one.",
    )


def test_one_pair_that_traded_denies_it(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    fill(conn, "SOL", "2024-05-01", "2024-06-01")
    assert measure(conn).gaps == {"open": 2}
    assert outages(conn) == []


def test_the_outage_is_what_the_pairs_have_in_common(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE), ("SOL", ("2024-05-10 12:00", "2024-05-10 19:00")))
    measure(conn)
    assert outages(conn) == [("1h", "05-10 12:00", "05-10 17:00", "stored candles")]
    assert gap(conn, "BTC", HOLE[0])["cause"] == "exchange_outage"
    assert gap(conn, "SOL", HOLE[0])["cause"] == "open"


def test_two_pairs_suspended_at_different_times_are_no_outage(conn: psycopg.Connection) -> None:
    missing(conn, ("SOL", ("2024-05-05", "2024-05-15")), ("ETH", ("2024-05-10", "2024-05-25")))
    measure(conn)
    assert outages(conn) == []


def test_two_failed_lanes_are_no_outage(conn: psycopg.Connection) -> None:
    for symbol in ("BTC", "ETH"):
        fill(conn, symbol, "2024-05-01", "2024-06-01", without=[HOLE])
    assert measure(conn).gaps == {"open": 2}
    assert outages(conn) == []


def test_an_exchange_that_has_not_come_back_is_not_judged_yet(conn: psycopg.Connection) -> None:
    for symbol in ("BTC", "ETH"):
        fill(conn, symbol, "2024-05-01", "2024-05-20")
        measuring.record_gaps(conn, [(symbol, "1h")], MONTH, at("2024-05-20 08:00"))
        confirm(conn, symbol, ("2024-05-20", "2024-05-20 08:00"), day="2024-05-20")
    assert measure(conn, "2024-05-20 08:00").gaps == {"open": 2}


def test_a_pair_that_did_not_trade_then_neither_confirms_nor_denies(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE symbol_listing SET listed_at = '2024-05-20 00:00+00' WHERE symbol = 'SOL'")
    fill(conn, "SOL", "2024-05-20", "2024-06-01")
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    assert measure(conn).gaps == {"exchange_outage": 2}


def test_a_candle_that_appears_later_withdraws_the_outage(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE), ("SOL", HOLE))
    measure(conn)
    fill(conn, "SOL", *HOLE)
    report = measure(conn, "2024-07-02 02:00")
    assert report.outages_withdrawn == 1
    assert outages(conn) == []
    assert gap(conn, "BTC", HOLE[0])["cause"] == "open"
    assert months(conn, "BTC")[0]["has_gaps"]


def test_an_outage_keeps_only_the_hours_in_which_nobody_traded(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE), ("SOL", HOLE))
    measure(conn)
    fill(conn, "SOL", "2024-05-10 14:00", "2024-05-10 15:00")
    measure(conn, "2024-07-02 02:00")
    assert [row[1:3] for row in outages(conn)] == [("05-10 12:00", "05-10 14:00"), ("05-10 15:00", "05-10 17:00")]
    assert gap(conn, "BTC", HOLE[0])["cause"] == "open"
    assert gap(conn, "SOL", HOLE[0])["cause"] == "exchange_outage"


def test_an_outage_explains_the_gaps_of_pairs_that_were_not_measured(conn: psycopg.Connection) -> None:
    fill(conn, "SOL", "2024-05-01", "2024-06-01", without=[HOLE])
    measure(conn)
    assert months(conn, "SOL")[0]["has_gaps"]
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    measuring.measure(conn, [("BTC", "1h"), ("ETH", "1h")], MONTH, CLOCK)
    assert gap(conn, "SOL", HOLE[0])["cause"] == "exchange_outage"
    sol = months(conn, "SOL")[0]
    assert (sol["unfillable_records"], sol["has_gaps"], sol["adjusted_completeness_percentage"]) == (5, False, 100)


def test_an_outage_explains_finer_and_coarser_candles_inside_it(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    fill(conn, "BTC", "2024-05-01", "2024-06-01", timeframe="4h", without=[("2024-05-10 12:00", "2024-05-10 16:00")])
    fill(conn, "BTC", "2024-05-10", "2024-05-11", timeframe="15m", without=[("2024-05-10 12:30", "2024-05-10 17:15")])
    measure_all(conn, MONTH, CLOCK)
    assert gap(conn, "BTC", "2024-05-10 12:00", timeframe="4h")["cause"] == "exchange_outage"
    assert gap(conn, "BTC", "2024-05-10 12:30", timeframe="15m")["cause"] == "open"


def test_touching_outages_become_one(conn: psycopg.Connection) -> None:
    conn.execute(
        "INSERT INTO exchange_outage VALUES"
        " ('1h', '2024-05-10 13:00+00', '2024-05-10 14:00+00', 'witnesses', 'x', now())"
    )
    missing(conn, ("BTC", HOLE), ("ETH", HOLE))
    measure(conn)
    assert outages(conn) == [("1h", "05-10 12:00", "05-10 17:00", "stored candles")]


def test_a_pair_is_suspended_when_both_sources_said_so_on_two_days(conn: psycopg.Connection) -> None:
    fill(conn, "ETH", "2024-05-01", "2024-06-01")
    missing(conn, ("SOL", HOLE))
    confirm(conn, "SOL", HOLE, by="archive", day="2024-06-01")
    confirm(conn, "SOL", HOLE, day="2024-06-01")
    assert measure(conn).gaps == {"open": 1}
    confirm(conn, "SOL", HOLE, day="2024-06-02")
    assert measure(conn).gaps == {"open": 1}
    confirm(conn, "SOL", HOLE, by="archive", day="2024-06-02")
    assert measure(conn).gaps == {"suspension": 1}
    assert months(conn, "SOL")[0]["unfillable_records"] == 5


def test_a_late_archive_is_waited_for_until_rest_was_asked(conn: psycopg.Connection) -> None:
    fill(conn, "SOL", "2024-05-01", "2024-06-01", without=[("2024-05-25", "2024-05-26")])
    assert measure(conn, "2024-06-02 02:00").gaps == {"not_published": 1}
    assert measure(conn, "2024-06-10 02:00").gaps == {"open": 1}
    assert measure(conn, "2024-06-02 02:00").gaps == {"not_published": 1}
    confirm(conn, "SOL", ("2024-05-25", "2024-05-26"))
    assert measure(conn, "2024-06-02 02:00").gaps == {"open": 1}


def test_old_causes_are_judged_again_whatever_was_measured(conn: psycopg.Connection) -> None:
    fill(conn, "SOL", "2024-05-01", "2024-08-01", without=[("2024-05-25", "2024-05-26")])
    measure(conn, "2024-06-02 02:00")
    july = window("2024-07-01", "2024-08-01")
    measure_all(conn, july, at("2024-08-01 02:00"))
    assert gap(conn, "SOL", "2024-05-25")["cause"] == "open"


def test_later_lanes_need_not_ask_for_what_two_pairs_miss(conn: psycopg.Connection) -> None:
    missing(conn, ("BTC", HOLE))
    assert measuring.witnessed_holes(conn, "1h", MONTH) == []
    missing(conn, ("ETH", HOLE))
    assert measuring.witnessed_holes(conn, "1h", MONTH) == [window(*HOLE)]
    assert measuring.witnessed_holes(conn, "1d", MONTH) == []
    measure(conn)
    assert measuring.witnessed_holes(conn, "1h", MONTH) == [window(*HOLE)]


# One stored pair alone: the exchange is asked for others.
FEBRUARY = window("2020-02-01", "2020-03-01")
OUTAGE = ("2020-02-19 12:00", "2020-02-19 17:00")


@pytest.fixture
def client(exchange: Exchange) -> BinanceClient:
    return BinanceClient.from_url(exchange.url, request_interval=0, burst_pause=0)


def alone(conn: psycopg.Connection, symbol: str, hole: tuple[str, str]) -> None:
    fill(conn, symbol, "2020-02-01", "2020-03-01", without=[hole])
    measuring.record_gaps(conn, [(symbol, "1h")], FEBRUARY, CLOCK)
    confirm(conn, symbol, hole)


def test_the_exchange_is_asked_for_witnesses_of_a_lonely_hole(conn: psycopg.Connection, client: BinanceClient) -> None:
    alone(conn, "BTC", OUTAGE)
    ask_witnesses(client, conn, timeframes=["1h"], window=FEBRUARY, clock=CLOCK)
    assert outages(conn) == [("1h", "02-19 12:00", "02-19 17:00", "witnesses")]
    assert gap(conn, "BTC", OUTAGE[0])["cause"] == "exchange_outage"
    ask_witnesses(client, conn, timeframes=["1h"], window=FEBRUARY, clock=CLOCK)
    assert client.take_stats().requests == 1


def test_a_witness_that_traded_leaves_the_hole_open(conn: psycopg.Connection, client: BinanceClient) -> None:
    alone(conn, "SOL", ("2020-02-20 12:00", "2020-02-20 15:00"))
    ask_witnesses(client, conn, timeframes=["1h"], window=FEBRUARY, clock=CLOCK)
    assert outages(conn) == []
    assert gaps(conn, "SOL") == [("2020-02-20 12:00", "2020-02-20 15:00")]


def test_witnesses_are_not_asked_where_stored_pairs_decide(conn: psycopg.Connection, client: BinanceClient) -> None:
    alone(conn, "SOL", ("2020-02-20 12:00", "2020-02-20 15:00"))
    fill(conn, "ETH", "2020-02-01", "2020-03-01")
    ask_witnesses(client, conn, timeframes=["1h"], window=FEBRUARY, clock=CLOCK)
    assert client.take_stats().requests == 0


def test_the_number_of_questions_is_bounded(conn: psycopg.Connection, client: BinanceClient) -> None:
    days, hours = range(2, 28), range(3, 20, 6)
    holes = [(f"2020-02-{day:02} {hour:02}:00", f"2020-02-{day:02} {hour + 1:02}:00") for day in days for hour in hours]
    assert len(holes) > AT_MOST
    fill(conn, "SOL", "2020-02-01", "2020-03-01", without=holes)
    measuring.record_gaps(conn, [("SOL", "1h")], FEBRUARY, CLOCK)
    for hole in holes:
        confirm(conn, "SOL", hole)
    ask_witnesses(client, conn, timeframes=["1h"], window=FEBRUARY, clock=CLOCK)
    assert client.take_stats().requests == AT_MOST
