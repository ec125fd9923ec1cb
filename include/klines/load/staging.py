"""Candles as PostgreSQL's binary COPY format, built by numpy: no Python object per candle.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". Every row of one series has the
same layout, so a block of rows is one structured array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from include.klines import sql
from include.klines.errors import LoadError

if TYPE_CHECKING:
    import psycopg

    from include.klines.candles import Candles

POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_VALUES = (
    ("open", ">f8"),
    ("high", ">f8"),
    ("low", ">f8"),
    ("close", ">f8"),
    ("volume", ">f8"),
    ("quote_volume", ">f8"),
    ("trades", ">i8"),
    ("taker_buy_volume", ">f8"),
    ("taker_buy_quote_volume", ">f8"),
)


def encode(candles: Candles, *constants: str) -> bytes:
    """The rows of `candles` in binary COPY format: the text `constants`, then timestamp and the nine values."""
    texts = [text.encode() for text in constants]
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for index, text in enumerate(texts):
        fields += [(f"text_{index}_length", ">i4"), (f"text_{index}", f"S{len(text)}")]
    for name, kind in (("timestamp", ">i8"), *_VALUES):
        fields += [(f"{name}_length", ">i4"), (name, kind)]
    rows = np.empty(len(candles), dtype=fields)
    rows["fields"] = len(texts) + 1 + len(_VALUES)
    for index, text in enumerate(texts):
        rows[f"text_{index}_length"] = len(text)
        rows[f"text_{index}"] = text
    rows["timestamp_length"] = 8
    rows["timestamp"] = candles.open_time - POSTGRES_EPOCH_MICROSECONDS
    for name, _ in _VALUES:
        rows[f"{name}_length"] = 8
        rows[name] = getattr(candles, name)
    return b"".join((_HEADER, rows.tobytes(), _TRAILER))


def copy_to_staging(conn: psycopg.Connection, candles: Candles) -> None:
    """COPY `candles` into the session's staging table; they are gone with the transaction."""
    conn.execute(sql.load("load/create_staging").encode())
    _copy(conn, "load/copy_staging", encode(candles), len(candles))


def copy_to_market_data(conn: psycopg.Connection, symbol: str, timeframe: str, candles: Candles) -> None:
    """COPY `candles` straight into market_data; psycopg.errors.UniqueViolation where one of them is stored already."""
    _copy(conn, "load/copy_market_data", encode(candles, symbol, timeframe), len(candles))


def _copy(conn: psycopg.Connection, statement: str, rows: bytes, expected: int) -> None:
    with conn.cursor() as cursor:
        with cursor.copy(sql.load(statement).encode()) as copy:
            copy.write(rows)
        if cursor.rowcount != expected:
            raise LoadError(
                f"PostgreSQL took {cursor.rowcount} of {expected} candles ({statement}.sql); nothing was kept."
            )
