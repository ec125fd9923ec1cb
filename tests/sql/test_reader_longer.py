"""Timeframes that are not stored, made of shorter ones that are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.klines.reader import MissingData, load_ohlcv
from tests.sql.stored import COLUMNS, delete, explain, grid, made_up, store, utc

if TYPE_CHECKING:
    import psycopg


def test_longer_candles_are_made_of_complete_groups_only(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    whole = load_ohlcv("BTC", "4h", "2024-02-25", "2024-03-06", columns=COLUMNS, dsn=market_dsn)
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 06:00")
    explain(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 06:00", "exchange_outage")
    market_conn.commit()
    cut = load_ohlcv("BTC", "4h", "2024-02-25", "2024-03-06", columns=COLUMNS, dsn=market_dsn)

    how = {"open": "first", "high": "max", "low": "min", "close": "last"} | dict.fromkeys(COLUMNS[4:], "sum")
    pd.testing.assert_frame_equal(
        whole, days.resample("4h").agg(how), check_names=False, check_freq=False, check_index_type=False
    )
    assert whole.attrs["source"]["aggregated_from"] == "1h"
    assert cut.index[cut.isna().all(axis=1)].tolist() == [utc("2024-02-28 04:00")]
    assert cut.attrs["coverage"]["causes"] == {"exchange_outage": 1}
    market_conn.execute("DELETE FROM data_gap")
    market_conn.commit()
    with pytest.raises(MissingData) as caught:
        load_ohlcv("BTC", "4h", "2024-02-25", "2024-03-06", dsn=market_dsn)
    assert caught.value.conf["timeframes"] == ["1h"]


def test_weeks_start_on_mondays(market_dsn: str, market_conn: psycopg.Connection) -> None:
    store(market_conn, "BTC", "1d", made_up(grid("2024-01-01", "2024-02-01", "D")))
    market_conn.commit()

    read = load_ohlcv("BTC", "1w", "2024-01-01", "2024-01-29", dsn=market_dsn)

    assert read.index.tolist() == [utc(f"2024-01-{day:02}") for day in (1, 8, 15, 22)]
    assert read.attrs["source"]["aggregated_from"] == "1d"
