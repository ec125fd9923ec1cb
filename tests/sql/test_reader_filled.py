"""Outages at the start of a range or of a chunk: the close that is carried into them, the same in SQL and in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.klines.reader import iter_chunks, load_ohlcv
from tests.sql.stored import delete, explain, grid, list_symbol, made_up, store

if TYPE_CHECKING:
    import psycopg


def in_sql(conn: psycopg.Connection, *arguments: str) -> tuple[list[float], list[bool]]:
    """Closes and is_filled of ohlcv() with on_gap mask and on_outage ffill."""
    rows = conn.execute("SELECT close, is_filled FROM ohlcv(%s, %s, %s, %s, 'mask', 'ffill')", arguments).fetchall()
    return [np.nan if close is None else close for close, _ in rows], [filled for _, filled in rows]


def agree(conn: psycopg.Connection, dsn: str, *arguments: str) -> pd.DataFrame:
    """The read of Python, held against that of SQL."""
    read = load_ohlcv(*arguments, on_gap="mask", on_outage="ffill", dsn=dsn)
    closes, filled = in_sql(conn, *arguments)
    np.testing.assert_array_equal(read["close"], closes)
    assert read["is_filled"].tolist() == filled
    return read


def test_a_listing_between_two_opens_gives_its_first_candle(market_dsn: str, market_conn: psycopg.Connection) -> None:
    candles = made_up(grid("2024-02-25 10:00", "2024-02-26"))
    store(market_conn, "NEW", "1h", candles)
    list_symbol(market_conn, "NEW", "2024-02-25 10:30")
    delete(market_conn, "NEW", "1h", "2024-02-25 11:00", "2024-02-25 13:00")
    explain(market_conn, "NEW", "1h", "2024-02-25 11:00", "2024-02-25 13:00", "suspension")
    market_conn.commit()

    read = agree(market_conn, market_dsn, "NEW", "1h", "2024-02-25 11:00+00", "2024-02-25 14:00+00")

    assert read["is_filled"].tolist() == [True, True, False]
    assert read["close"].iloc[0] == candles["close"].iloc[0]


def test_an_open_hole_before_the_outage_does_not_stop_the_close(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame
) -> None:
    delete(market_conn, "BTC", "1h", "2024-03-01 00:00", "2024-03-01 04:00")
    explain(market_conn, "BTC", "1h", "2024-03-01 02:00", "2024-03-01 04:00", "exchange_outage")
    market_conn.commit()

    read = agree(market_conn, market_dsn, "BTC", "1h", "2024-03-01 00:00+00", "2024-03-01 06:00+00")

    assert read["is_filled"].tolist() == [False, False, True, True, False, False]
    assert read["close"].iloc[2] == days.loc["2024-02-29 23:00", "close"]
    assert read["close"].isna().sum() == 2


@pytest.mark.parametrize("timeframe", ["1h", "4h"])
@pytest.mark.parametrize("rows", [1, 2, 5, 7])
def test_chunks_carry_what_the_whole_carries(
    market_dsn: str, market_conn: psycopg.Connection, days: pd.DataFrame, timeframe: str, rows: int
) -> None:
    for start, end, cause in (
        ("2024-02-27 00:00", "2024-02-27 06:00", "exchange_outage"),  # before any candle of the range
        ("2024-02-28 02:00", "2024-02-28 05:00", "exchange_outage"),  # an incomplete group with candles, then another
        ("2024-02-29 00:00", "2024-02-29 09:00", None),
        ("2024-02-29 09:00", "2024-02-29 16:00", "suspension"),
    ):
        delete(market_conn, "BTC", "1h", start, end)
        if cause:
            explain(market_conn, "BTC", "1h", start, end, cause)
    market_conn.commit()
    span = ("BTC", timeframe, "2024-02-27 00:00+00", "2024-03-02 00:00+00")

    whole = agree(market_conn, market_dsn, *span)
    chunks = list(iter_chunks(*span, rows=rows, on_gap="mask", on_outage="ffill", dsn=market_dsn))
    volumes = iter_chunks(
        *span, rows=rows, on_gap="mask", on_outage="ffill", columns=["open", "volume"], dsn=market_dsn
    )

    pd.testing.assert_frame_equal(pd.concat(chunks), whole, check_freq=False)
    pd.testing.assert_frame_equal(pd.concat(volumes), whole[["open", "volume", "is_filled"]], check_freq=False)


def test_a_pair_that_never_came_back_carries_its_close_into_the_time_before_its_successor(
    market_dsn: str, market_conn: psycopg.Connection
) -> None:
    old = made_up(grid("2024-03-01", "2024-03-10"))
    store(market_conn, "OLD", "1h", old)
    store(market_conn, "NEW", "1h", made_up(grid("2024-03-11", "2024-03-20"), 2))
    list_symbol(market_conn, "OLD", "2024-03-01", "2024-03-10", successor="NEW", successor_ratio=1)
    list_symbol(market_conn, "NEW", "2024-03-11")
    delete(market_conn, "OLD", "1h", "2024-03-09", "2024-03-10")
    market_conn.commit()

    read = load_ohlcv(
        "OLD", "1h", "2024-03-09", "2024-03-12", follow_renames=True, on_gap="mask", on_outage="ffill", dsn=market_dsn
    )

    assert read["is_filled"].tolist() == [False] * 24 + [True] * 24 + [False] * 24
    assert (read["close"].iloc[24:48] == old.loc["2024-03-08 23:00", "close"]).all()
