"""Puts candles, listings and gaps into a market database for the tests of those who read it."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from psycopg import sql

if TYPE_CHECKING:
    import psycopg
    from numpy.typing import NDArray

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "binance" / "klines"
COLUMNS = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def grid(start: str, end: str, freq: str = "h") -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq=freq, tz="UTC", inclusive="left", unit="us")


def made_up(index: pd.DatetimeIndex, seed: int = 1) -> pd.DataFrame:
    """Plausible candles of all nine columns; the same seed gives the same ones."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.01, len(index)))), 4)
    opened = np.concatenate([[100.0], close[:-1]])
    frame = pd.DataFrame({"open": opened, "close": close}, index=index)
    frame["high"], frame["low"] = frame.max(axis=1) + 0.5, frame.min(axis=1) - 0.5
    for column in COLUMNS[4:]:
        frame[column] = np.round(random.uniform(1, 1000, len(index)), 6)
    frame["trades"] = frame["trades"].round()
    return frame[COLUMNS]


def recording(name: str) -> pd.DataFrame:
    """A recorded series of klines/, without its unfinished last candle; skips where the folder is absent."""
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recorded candles are not beside this checkout: {path}")
    with gzip.open(path) as text:
        frame = pd.read_csv(text, dtype=str).map(float)
    frame.index = pd.DatetimeIndex(pd.to_datetime(frame.pop("open_time_ms"), unit="ms", utc=True)).as_unit("us")
    for column in COLUMNS[5:]:
        frame[column] = 0.0
    return frame.iloc[:-1]


def store(conn: psycopg.Connection, symbol: str, timeframe: str, frame: pd.DataFrame) -> None:
    """COPY the candles in; makes the partitions. The frame's index is the open time."""
    first, last = frame.index[0].to_pydatetime(), frame.index[-1].to_pydatetime()
    conn.execute("SELECT ensure_market_data_partitions(%s, %s, %s + interval '1 day')", (timeframe, first, last))
    values: NDArray[Any] = frame[COLUMNS].to_numpy()
    with conn.cursor().copy(
        f"COPY market_data (symbol, timeframe, timestamp, {', '.join(COLUMNS)}) FROM STDIN"
    ) as copy:
        for moment, row in zip(frame.index.to_pydatetime(), values.tolist(), strict=True):
            row[6] = int(row[6])
            copy.write_row((symbol, timeframe, moment, *row))


def list_symbol(
    conn: psycopg.Connection,
    symbol: str,
    listed: str | None,
    delisted: str | None = None,
    *,
    number: int = 1,
    **more: Any,
) -> None:
    row = {
        "symbol": symbol, "listing_number": number, "exchange_symbol": f"{symbol}USDT", "base_asset": symbol,
        "quote_asset": "USDT", "tier": "core", "status": "BREAK" if delisted else "TRADING",
        "listed_at": utc(listed) if listed else None, "delisted_at": utc(delisted) if delisted else None,
        "synced_at": utc("2025-10-01"),
    } | more  # fmt: skip
    names, places = sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
    conn.execute(sql.SQL("INSERT INTO symbol_listing ({}) VALUES ({})").format(names, places), row)


def explain(conn: psycopg.Connection, symbol: str, timeframe: str, start: str, end: str, cause: str) -> None:
    conn.execute(
        "INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)"
        " VALUES (%s, %s, %s, %s, 1, %s, now(), now())",
        (symbol, timeframe, utc(start), utc(end), cause),
    )


def delete(conn: psycopg.Connection, symbol: str, timeframe: str, start: str, end: str) -> None:
    conn.execute(
        "DELETE FROM market_data WHERE symbol = %s AND timeframe = %s AND timestamp >= %s AND timestamp < %s",
        (symbol, timeframe, utc(start), utc(end)),
    )
