from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.klines.reader import MissingData, RangeOutsideListing, ReusedTicker, load_ohlcv
from tests.sql.stored import COLUMNS, delete, explain, list_symbol, recording, store, utc

if TYPE_CHECKING:
    import psycopg

OUTAGES_2020_2022 = [  # hours that no pair has, as far as the recordings reach
    ("2020-02-09 02:00", 1), ("2020-02-19 12:00", 5), ("2020-03-04 10:00", 1), ("2020-04-25 02:00", 2),
    ("2020-06-28 02:00", 3), ("2020-11-30 06:00", 1), ("2020-12-21 14:00", 4), ("2020-12-25 02:00", 1),
    ("2021-02-11 04:00", 1), ("2021-03-06 02:00", 1), ("2021-04-20 02:00", 2), ("2021-04-25 05:00", 3),
    ("2021-08-13 02:00", 4), ("2021-09-29 07:00", 2),
]  # fmt: skip


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_the_recording_is_read_bit_for_bit_with_its_outages_masked(
    market_dsn: str, market_conn: psycopg.Connection, symbol: str
) -> None:
    recorded = recording(f"{symbol}USDT-1h.csv.gz")
    store(market_conn, symbol, "1h", recorded)
    list_symbol(market_conn, symbol, "2017-08-17 04:00")
    for start, hours in OUTAGES_2020_2022:
        end = (pd.Timestamp(start) + pd.Timedelta(hours=hours)).isoformat()
        explain(market_conn, symbol, "1h", start, end, "exchange_outage")
    market_conn.commit()

    read = load_ohlcv(symbol, "1h", "2020-01-01", recorded.index[-1] + pd.Timedelta(hours=1), dsn=market_dsn)

    present = read[~read["close"].isna()]
    assert (present.index.as_unit("us") == recorded.index).all()
    assert present.to_numpy().tobytes() == recorded[COLUMNS[:5]].to_numpy().tobytes()
    assert [window[:1] + window[2:] for window in read.attrs["coverage"]["windows"]] == [
        [f"{utc(start):%Y-%m-%dT%H:%M:%SZ}", hours, "exchange_outage"] for start, hours in OUTAGES_2020_2022
    ]


def test_a_range_over_both_lunas_is_an_error_that_names_them(market_dsn: str, market_conn: psycopg.Connection) -> None:
    store(market_conn, "LUNA", "1h", recording("LUNAUSDT-1h.csv.gz"))
    list_symbol(market_conn, "LUNA", "2020-08-21 10:00", "2022-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2022-05-31 06:00", number=2)
    market_conn.commit()

    with pytest.raises(ReusedTicker) as caught:
        load_ohlcv("LUNA", "1h", "2022-05-01", "2022-06-10", dsn=market_dsn)

    assert "LUNA number 1 from 2020-08-21 10:00 to 2022-05-13 01:00" in str(caught.value)
    assert "LUNA number 2 from 2022-05-31 06:00 to now" in str(caught.value)
    assert len(load_ohlcv("LUNA", "1h", "2022-05-31 06:00", "2022-06-10", dsn=market_dsn)) == 234
    with pytest.raises(RangeOutsideListing):
        load_ohlcv("LUNA", "1h", "2022-05-10", "2022-05-14", dsn=market_dsn)


def test_a_deleted_interior_row_of_a_recording_is_missing_data_with_that_window(
    market_dsn: str, market_conn: psycopg.Connection
) -> None:
    store(market_conn, "SOL", "1h", recording("SOLUSDT-1h.csv.gz"))
    list_symbol(market_conn, "SOL", "2020-08-11 06:00")
    explain(market_conn, "SOL", "1h", "2021-02-11 04:00", "2021-02-11 05:00", "exchange_outage")
    delete(market_conn, "SOL", "1h", "2021-02-20 07:00", "2021-02-20 08:00")
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_ohlcv("SOL", "1h", "2021-02-01", "2021-03-01", dsn=market_dsn)

    (window,) = caught.value.windows
    assert (window.start, window.end, window.candles) == (utc("2021-02-20 07:00"), utc("2021-02-20 08:00"), 1)


def test_a_recorded_day_is_its_24_hours_read_as_a_day(market_dsn: str, market_conn: psycopg.Connection) -> None:
    hours, days = recording("SOLUSDT-1h.csv.gz"), recording("SOLUSDT-1d.csv.gz")
    store(market_conn, "SOL", "1h", hours)
    market_conn.commit()

    made = load_ohlcv("SOL", "1d", "2021-05-01", "2021-08-01", dsn=market_dsn)

    assert made.attrs["source"]["aggregated_from"] == "1h"
    recorded = days.loc["2021-05-01":"2021-07-31", COLUMNS[:5]]
    pd.testing.assert_frame_equal(
        made, recorded, rtol=1e-12, check_freq=False, check_names=False, check_index_type=False
    )
