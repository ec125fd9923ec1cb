from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import psycopg
import pytest

from include.klines.errors import InvalidRequest, KlinesError
from include.klines.reader import (
    DatabaseUnavailable,
    MissingData,
    RangeOutsideListing,
    UnknownSymbol,
    UnknownTimeframe,
    load_ohlcv,
)
from tests.sql.stored import COLUMNS, delete, explain, grid, list_symbol, made_up, store, utc


def test_a_read_gives_the_stored_values_bit_for_bit(market_dsn: str, days: pd.DataFrame) -> None:
    read = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", columns=COLUMNS, dsn=market_dsn)

    pd.testing.assert_frame_equal(
        read, days, check_exact=True, check_freq=False, check_names=False, check_index_type=False
    )
    assert (read.index.name, str(read.index.tz), read.index.freq.freqstr) == ("timestamp", "UTC", "h")
    assert (read.dtypes == np.float64).all()
    assert read.attrs["coverage"] == {"expected": 240, "present": 240, "missing": 0, "causes": {}, "windows": []}


def test_the_range_is_half_open_and_takes_text_dates_and_zones(market_dsn: str, days: pd.DataFrame) -> None:
    plain = load_ohlcv("BTC", "1h", "2024-02-28", "2024-03-01", dsn=market_dsn)
    zoned = load_ohlcv(
        "BTC", "1h", pd.Timestamp("2024-02-27 19:00", tz="America/New_York"), utc("2024-03-01").date(), dsn=market_dsn
    )

    assert list(plain.columns) == COLUMNS[:5]
    assert (plain.index[0], plain.index[-1]) == (utc("2024-02-28"), utc("2024-02-29 23:00"))
    pd.testing.assert_frame_equal(plain, zoned)


def test_a_range_between_grid_opens_starts_at_the_next_open(market_dsn: str, days: pd.DataFrame) -> None:
    read = load_ohlcv("BTC", "1h", "2024-02-28 00:30", "2024-02-28 03:01", dsn=market_dsn)

    assert read.index.hour.tolist() == [1, 2, 3]


def test_columns_come_in_the_order_asked_for(market_dsn: str, days: pd.DataFrame) -> None:
    read = load_ohlcv("BTC", "1h", "2024-02-28", "2024-02-29", columns=("trades", "close"), dsn=market_dsn)

    assert list(read.columns) == ["trades", "close"]
    np.testing.assert_array_equal(read, days.loc["2024-02-28", ["trades", "close"]])


def test_a_deleted_row_is_missing_data_with_its_window(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", dsn=market_dsn)

    error = caught.value
    assert [(w.start, w.end, w.candles, w.cause) for w in error.windows] == [
        (utc("2024-02-28 05:00"), utc("2024-02-28 07:00"), 2, "open")
    ]
    assert (error.missing, error.expected, error.share) == (2, 240, 2 / 240)
    assert error.conf == {"symbols": ["BTC"], "timeframes": ["1h"], "start": "2024-02-28", "end": "2024-02-28"}
    assert "[2024-02-28 05:00, 2024-02-28 07:00)" in str(error)
    assert "airflow dags trigger klines_initial_load --conf" in str(error)
    assert error.command in str(error)


def test_a_hole_may_be_masked_or_dropped_when_asked(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    market_conn.commit()

    masked = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", on_gap="mask", dsn=market_dsn)
    dropped = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", on_gap="drop", dsn=market_dsn)

    assert masked.index[masked.isna().all(axis=1)].tolist() == [utc("2024-02-28 05:00"), utc("2024-02-28 06:00")]
    assert len(masked) == 240
    pd.testing.assert_frame_equal(masked.dropna(), dropped, check_freq=False)
    assert dropped.index.freq is None
    assert masked.attrs["coverage"]["causes"] == {"open": 2}


def test_an_outage_is_masked_dropped_or_carried_with_a_flag(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    explain(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00", "exchange_outage")
    market_conn.commit()

    masked, dropped, filled = (
        load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", on_outage=policy, dsn=market_dsn)
        for policy in ("mask", "drop", "ffill")
    )

    assert masked.isna().all(axis=1).sum() == 2
    assert "is_filled" not in masked
    assert len(dropped) == 238
    last = days.loc["2024-02-28 04:00", "close"]
    assert filled[filled["is_filled"]].drop(columns="is_filled").to_numpy().tolist() == [[last] * 4 + [0.0]] * 2
    assert filled["is_filled"].dtype == bool
    assert masked.attrs["coverage"]["causes"] == {"exchange_outage": 2}


def test_a_range_that_starts_in_an_outage_carries_the_close_before_it(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    explain(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00", "suspension")
    market_conn.commit()

    read = load_ohlcv(
        "BTC", "1h", "2024-02-28 06:00", "2024-02-29", on_outage="ffill", columns=["volume", "open"], dsn=market_dsn
    )

    assert read.iloc[0].tolist() == [0.0, days.loc["2024-02-28 04:00", "close"], True]
    assert read["is_filled"].sum() == 1


def test_a_resolved_or_open_gap_explains_nothing(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    for start, end, cause in (("05:00", "06:00", "not_published"), ("08:00", "09:00", "exchange_outage")):
        delete(market_conn, "BTC", "1h", f"2024-02-28 {start}", f"2024-02-28 {end}")
        explain(market_conn, "BTC", "1h", f"2024-02-28 {start}", f"2024-02-28 {end}", cause)
    market_conn.execute("UPDATE data_gap SET resolved_at = now() WHERE cause = 'exchange_outage'")
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", dsn=market_dsn)

    assert [window.cause for window in caught.value.windows] == ["not_published", "open"]


def test_an_explanation_never_hides_a_stored_candle(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    explain(market_conn, "BTC", "1h", "2024-02-27", "2024-02-29", "exchange_outage")
    market_conn.commit()

    read = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", on_outage="drop", dsn=market_dsn)

    assert len(read) == 240


def test_candles_that_have_not_closed_are_said_to_be_so(market_dsn: str, days: pd.DataFrame) -> None:
    with pytest.raises(MissingData, match="not closed yet") as caught:
        load_ohlcv("BTC", "1h", "2999-01-01", "2999-01-02", dsn=market_dsn)

    assert [window.cause for window in caught.value.windows] == ["not_closed"]
    assert caught.value.command is None


def test_an_unknown_symbol_names_the_nearest(market_dsn: str, days: pd.DataFrame) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        load_ohlcv("BTCUSDT", "1h", "2024-02-25", "2024-03-06", dsn=market_dsn)

    assert caught.value.nearest == ("BTC",)


def test_an_unknown_timeframe_names_the_known(market_dsn: str) -> None:
    with pytest.raises(UnknownTimeframe, match="1m, 5m, 15m"):
        load_ohlcv("BTC", "7h", "2024-02-25", "2024-03-06", dsn=market_dsn)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "2024-03-01", "end": "2024-03-01"}, {"start": "soon"}, {"start": None}, {"on_gap": "ffill"},
        {"on_outage": "raise"}, {"columns": ["price"]}, {"columns": []}, {"columns": ["open", "open"]},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        load_ohlcv(
            **{"symbol": "BTC", "timeframe": "1h", "start": "2024-01-01", "end": "2024-02-01", "dsn": "unused"} | wrong
        )


def test_a_range_outside_the_listing_says_which_part_is_inside(
    market_dsn: str, market_conn: psycopg.Connection
) -> None:
    store(market_conn, "SOL", "1h", made_up(grid("2020-08-11 06:00", "2020-08-20")))
    list_symbol(market_conn, "SOL", "2020-08-11 06:30", "2020-08-20")
    market_conn.commit()

    with pytest.raises(RangeOutsideListing, match="from 2020-08-11 06:00 to 2020-08-19 00:00 lies inside"):
        load_ohlcv("SOL", "1h", "2020-01-01", "2020-08-19", dsn=market_dsn)
    with pytest.raises(RangeOutsideListing):
        load_ohlcv("SOL", "1h", "2020-08-12", "2020-08-20 01:00", dsn=market_dsn)
    with pytest.raises(RangeOutsideListing, match="outside the listing"):
        load_ohlcv("SOL", "1h", "2019-08-12", "2019-08-20", dsn=market_dsn)
    assert len(load_ohlcv("SOL", "1h", "2020-08-11 06:00", "2020-08-20", dsn=market_dsn)) == 210


def test_a_symbol_that_is_stored_but_not_listed_can_be_read(market_dsn: str, market_conn: psycopg.Connection) -> None:
    store(market_conn, "NEW", "1h", made_up(grid("2024-01-01", "2024-01-03")))
    market_conn.commit()

    assert len(load_ohlcv("NEW", "1h", "2024-01-01", "2024-01-03", dsn=market_dsn)) == 48


def test_a_symbol_that_is_listed_but_never_loaded_names_the_load(
    market_dsn: str, market_conn: psycopg.Connection
) -> None:
    list_symbol(market_conn, "ETH", None)
    market_conn.commit()

    with pytest.raises(MissingData) as caught:
        load_ohlcv("ETH", "1d", "2024-01-01", "2024-02-01", dsn=market_dsn)

    assert caught.value.share == 1
    assert caught.value.conf == {"symbols": ["ETH"], "timeframes": ["1d"], "start": "2024-01-01", "end": "2024-01-31"}


def test_a_read_is_one_snapshot(market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame) -> None:
    with psycopg.connect(market_dsn) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", dsn=reader)
        reader.execute("SELECT count(*) FROM market_data")
        delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 06:00")
        market_conn.commit()
        during = load_ohlcv("BTC", "1h", "2024-02-25", "2024-03-06", dsn=reader)

    pd.testing.assert_frame_equal(before, during)
    assert before.attrs["fingerprint"] == during.attrs["fingerprint"]


def test_a_database_that_cannot_be_read_is_one_error(
    market_dsn: str, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MARKET_DB_URL", "KLINES_DSN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DatabaseUnavailable, match="set KLINES_DSN"):
        load_ohlcv("BTC", "1h", "2024-01-01", "2024-02-01")
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        load_ohlcv("BTC", "1h", "2024-01-01", "2024-02-01", dsn="postgresql://nobody:x@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="dsn is no address"):
        load_ohlcv("BTC", "1h", "2024-01-01", "2024-02-01", dsn="not an address")
    with pytest.raises(DatabaseUnavailable, match="migrate"):
        load_ohlcv("BTC", "1h", "2024-01-01", "2024-02-01", dsn=empty_dsn)
    monkeypatch.setenv("MARKET_DB_URL", market_dsn)
    with pytest.raises(UnknownSymbol):
        load_ohlcv("BTC", "1h", "2024-01-01", "2024-02-01")


def test_errors_are_one_tree_and_survive_pickling(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    list_symbol(market_conn, "SOL", "2020-08-11 06:00")
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 06:00")
    market_conn.commit()
    for symbol, timeframe in (("BTC", "1h"), ("XXX", "1h"), ("BTC", "9h"), ("SOL", "1h")):
        with pytest.raises(KlinesError) as caught:
            load_ohlcv(
                symbol, timeframe, "2019-02-25" if symbol == "SOL" else "2024-02-25", "2024-03-06", dsn=market_dsn
            )
        copied = pickle.loads(pickle.dumps(caught.value))
        assert (type(copied), str(copied), vars(copied)) == (type(caught.value), str(caught.value), vars(caught.value))
