"""The time zone of a session, a server or this machine: it changes nothing that is read."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pandas as pd
import psycopg
import pytest

from include.klines.errors import InvalidRequest
from include.klines.reader import (
    FingerprintMismatch,
    RangeOutsideListing,
    load_ohlcv,
    load_pinned,
    pin,
    pins,
    universe,
)
from tests.sql.stored import delete, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = ("BTC", "1h", "2024-02-28", "2024-02-29")


@pytest.fixture(params=["its address", "a connection", "a transaction"])
def abroad(request: pytest.FixtureRequest, market_dsn: str) -> Iterator[str | psycopg.Connection]:
    """The database as a session in New York sees it."""
    dsn = psycopg.conninfo.make_conninfo(market_dsn, options="-c timezone=America/New_York")
    with psycopg.connect(dsn) as conn:
        if request.param == "a transaction":
            conn.execute("SELECT 1")
        yield dsn if request.param == "its address" else conn


def test_the_attrs_name_the_instant_of_the_read(abroad: str | psycopg.Connection, days: pd.DataFrame) -> None:
    before = pd.Timestamp.now(UTC) - pd.Timedelta("1min")
    read_at = pd.Timestamp(load_ohlcv(*DAY, dsn=abroad).attrs["source"]["read_at"])

    assert before < read_at < before + pd.Timedelta("30min")


def test_errors_speak_of_utc(
    abroad: str | psycopg.Connection, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    with pytest.raises(RangeOutsideListing, match="from 2017-08-17 04:00 to now") as caught:
        load_ohlcv("BTC", "1h", "2017-08-01", "2017-09-01", dsn=abroad)
    assert str(caught.value.listings[0][0]) == "2017-08-17 04:00:00+00:00"


def test_pins_and_what_was_revised_since_are_in_utc(
    abroad: str | psycopg.Connection, market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    market_conn.execute("DELETE FROM dataset_pin")
    market_conn.commit()
    pinned = pin("day", ["BTC"], *DAY[1:], dsn=market_dsn)
    market_conn.execute(
        "INSERT INTO market_data_revision SELECT symbol, timeframe, timestamp, open, high, low, close, volume,"
        " quote_volume, trades, taker_buy_volume, taker_buy_quote_volume, open, high, low, close, volume,"
        " quote_volume, trades, taker_buy_volume, taker_buy_quote_volume, 'rest', now()"
        " FROM market_data WHERE timestamp = '2024-02-28 12:00Z'"
    )
    market_conn.execute("UPDATE market_data SET volume = volume + 1 WHERE timestamp = '2024-02-28 12:00Z'")
    market_conn.commit()

    assert [str(one) for one in pins(dsn=abroad)] == [str(pinned)]
    with pytest.raises(FingerprintMismatch, match="BTC 2024-02-28 12:00"):
        load_pinned("day", dsn=abroad)


def test_the_universe_and_holes_are_in_utc(
    abroad: str | psycopg.Connection, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    market_conn.commit()

    read = load_ohlcv(*DAY, on_gap="mask", dsn=abroad)

    assert read.index[read["close"].isna()].tolist() == [utc("2024-02-28 05:00"), utc("2024-02-28 06:00")]
    assert universe("2020-01-01", dsn=abroad)["listed_at"].tolist() == [utc("2017-08-17 04:00")]


@pytest.mark.parametrize("text", ["now", "today", "10:00", "March"])
def test_a_text_that_means_this_machines_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a time"):
        load_ohlcv("BTC", "1h", "2024-01-01", text, dsn="unused")
