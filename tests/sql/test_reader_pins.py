"""Earlier values and pinned datasets: what can be read as it was, and what is said where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.klines.errors import InvalidRequest
from include.klines.reader import (
    FingerprintMismatch,
    MissingData,
    UnknownPin,
    load_ohlcv,
    load_pinned,
    pin,
    pins,
    unpin,
)
from tests.sql.stored import COLUMNS, delete, grid, made_up, store, utc

if TYPE_CHECKING:
    import psycopg

RANGE = ("BTC", "1h", "2024-01-10", "2024-04-05")


@pytest.fixture
def quarter(market_conn: psycopg.Connection) -> pd.DataFrame:
    frame = made_up(grid("2024-01-01", "2024-04-10"))
    store(market_conn, "BTC", "1h", frame)
    market_conn.commit()
    return frame


def revise(conn: psycopg.Connection, moment: str, factor: float, at: str) -> None:
    old = ", ".join(COLUMNS)
    statement = (
        "INSERT INTO market_data_revision SELECT symbol, timeframe, timestamp, {}, {}, 'rest', %s"
        " FROM market_data WHERE timestamp = %s"
    )
    new = old.replace("volume,", f"volume * {factor},", 1)
    conn.execute(statement.format(old, new), (at, utc(moment)))
    conn.execute("UPDATE market_data SET volume = volume * %s WHERE timestamp = %s", (factor, utc(moment)))


def test_as_of_reads_the_values_before_later_revisions(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    original = load_ohlcv(*RANGE, dsn=market_dsn)
    revise(market_conn, "2024-02-29 12:00", 2.0, "2025-01-01Z")
    revise(market_conn, "2024-02-29 12:00", 3.0, "2025-06-01Z")
    market_conn.commit()
    volume = quarter.loc["2024-02-29 12:00", "volume"]

    now, between, before = (
        load_ohlcv(*RANGE, as_of=as_of, dsn=market_dsn) for as_of in ("2026-01-01", "2025-03-01", "2024-12-31")
    )

    assert [frame.loc["2024-02-29 12:00", "volume"] for frame in (now, between, before)] == [
        volume * 2 * 3,
        volume * 2,
        volume,
    ]
    assert before.attrs["fingerprint"] == original.attrs["fingerprint"]
    assert len({frame.attrs["fingerprint"] for frame in (now, between, before)}) == 3
    assert now.attrs["fingerprint"] == load_ohlcv(*RANGE, dsn=market_dsn).attrs["fingerprint"]
    pd.testing.assert_frame_equal(before, original)
    weekly = load_ohlcv("BTC", "1w", "2024-01-15", "2024-04-01", as_of="2024-12-31", dsn=market_dsn)
    assert weekly.loc["2024-02-26", "volume"] == pytest.approx(quarter.loc["2024-02-26":"2024-03-03", "volume"].sum())


def test_a_pinned_dataset_reads_the_same_or_says_what_was_revised(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    store(market_conn, "ETH", "1h", made_up(quarter.index, seed=2))
    market_conn.commit()
    kept = pin("paper", ["BTC", "ETH"], *RANGE[1:], note="the paper of 2024", dsn=market_dsn)
    before = load_pinned("paper", dsn=market_dsn)
    revise(market_conn, "2024-02-29 12:00", 2.0, "2999-01-01Z")
    market_conn.commit()

    assert kept in pins(dsn=market_dsn)
    assert list(before) == ["BTC", "ETH"]
    with pytest.raises(FingerprintMismatch, match="revised BTC 2024-02-29 12:00") as caught:
        load_pinned("paper", dsn=market_dsn)
    assert caught.value.revisions == (("BTC", utc("2024-02-29 12:00")), ("ETH", utc("2024-02-29 12:00")))
    undone = load_pinned("paper", revised="undo", dsn=market_dsn)
    pd.testing.assert_frame_equal(undone["BTC"], before["BTC"])
    accepted = load_pinned("paper", revised="accept", dsn=market_dsn)
    assert accepted["BTC"].attrs["revised_since_pinned"] == 1
    with pytest.raises(InvalidRequest, match="pinned already"):
        pin("paper", ["BTC"], *RANGE[1:], dsn=market_dsn)
    unpin("paper", dsn=market_dsn)
    with pytest.raises(UnknownPin, match="initial-window-1d"):
        load_pinned("paper", dsn=market_dsn)


def test_only_what_can_be_read_can_be_pinned(market_dsn: str, quarter: pd.DataFrame) -> None:
    with pytest.raises(MissingData):
        pin("too long", ["BTC"], "1h", "2024-01-01", "2024-05-01", dsn=market_dsn)
    assert "too long" not in {one.name for one in pins(dsn=market_dsn)}


def test_a_pin_that_lost_a_candle_is_a_mismatch_even_when_undone(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    pin("one", ["BTC"], *RANGE[1:], on_gap="mask", dsn=market_dsn)
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 13:00")
    market_conn.commit()

    with pytest.raises(FingerprintMismatch, match="BTC lacks 1 candle from 2024-02-29T12:00:00Z on; compare"):
        load_pinned("one", revised="undo", dsn=market_dsn)


def test_a_pin_that_gained_candles_names_the_run_that_brought_them(
    market_dsn: str, market_conn: psycopg.Connection, quarter: pd.DataFrame
) -> None:
    lost = quarter.loc["2024-02-29 12:00":"2024-02-29 13:00"]
    delete(market_conn, "BTC", "1h", "2024-02-29 12:00", "2024-02-29 14:00")
    market_conn.commit()
    pin("holed", ["BTC"], *RANGE[1:], on_gap="mask", dsn=market_dsn)
    store(market_conn, "BTC", "1h", lost)
    market_conn.execute(
        """
        INSERT INTO data_sync_log (
            dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status, rows_inserted,
            started_at, finished_at
        )
        VALUES (
            'klines_weekly_gap_fill', 'r', 'l', 'BTC', '1h', '2024-02-29 12:00Z', '2024-02-29 14:00Z', 'rest',
            'success', 2, '2999-01-01Z', '2999-01-01Z'
        )
        """
    )
    market_conn.commit()

    said = "klines_weekly_gap_fill has added 2 candles to BTC between 2024-02-29 12:00 and 2024-02-29 14:00"
    with pytest.raises(FingerprintMismatch, match=said) as caught:
        load_pinned("holed", dsn=market_dsn)
    assert [(symbol, candles) for symbol, *_, candles in caught.value.added] == [("BTC", 2)]
