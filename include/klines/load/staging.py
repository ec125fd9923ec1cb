"""Candles as PostgreSQL's binary COPY format, built by numpy: no Python object per candle.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". Every row of one series has the
same layout, so a block of rows is one buffer into which each column is written with a stride.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psycopg.sql import Identifier

from include.klines import sql
from include.klines.errors import LoadError
from include.klines.packing import POSTGRES_EPOCH_MICROSECONDS, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from include.klines.candles import Candles

MARKET_DATA = "market_data"
BLOCK_ROWS = 800
"""About 128 KB: what psycopg hands to libpq in one piece, and small enough to stay in the processor's cache."""
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


def encode(candles: Candles, *constants: str) -> Iterator[bytes | memoryview]:
    """The rows of `candles` in binary COPY format: the text `constants`, then timestamp and the nine values.

    They come in blocks, all in one buffer: a block is void once the next one is asked for.
    """
    texts = [text.encode() for text in constants]
    lead = (len(texts) + 1 + len(VALUES)).to_bytes(2, "big")
    lead += b"".join(len(text).to_bytes(4, "big") + text for text in texts)
    row = lead + ((8).to_bytes(4, "big") + bytes(8)) * (1 + len(VALUES))
    block = bytearray(row * BLOCK_ROWS)
    kinds = (">i8", *(kind for _, kind in VALUES))
    fields = [
        np.ndarray((BLOCK_ROWS,), kind, block, len(lead) + 12 * index + 4, (len(row),))
        for index, kind in enumerate(kinds)
    ]
    columns = [candles.open_time - POSTGRES_EPOCH_MICROSECONDS, *(getattr(candles, name) for name, _ in VALUES)]
    yield _HEADER
    for first in range(0, len(candles), BLOCK_ROWS):
        rows = min(BLOCK_ROWS, len(candles) - first)
        for field, column in zip(fields, columns, strict=True):
            field[:rows] = column[first : first + rows]
        yield memoryview(block)[: rows * len(row)]
    yield _TRAILER


def copy_to_staging(conn: psycopg.Connection, candles: Candles) -> None:
    """COPY `candles` into the session's staging table; they are gone with the transaction."""
    conn.execute(sql.load("load/create_staging").encode())
    _copy(conn, sql.load("load/copy_staging"), encode(candles), len(candles))


def copy_to_market_data(
    conn: psycopg.Connection, symbol: str, timeframe: str, candles: Candles, into: str = MARKET_DATA
) -> None:
    """COPY `candles` straight into market_data, or `into` the one partition of it that they all belong to.

    psycopg.errors.UniqueViolation where one of them is stored already, CheckViolation where one belongs elsewhere.
    """
    table = Identifier(into).as_string(conn)
    header, columns = sql.load("load/copy_market_data").split(f"COPY {MARKET_DATA} (")  # there is one, or it raises
    _copy(conn, f"{header}COPY {table} ({columns}", encode(candles, symbol, timeframe), len(candles))


def _copy(conn: psycopg.Connection, statement: str, blocks: Iterator[bytes | memoryview], expected: int) -> None:
    with conn.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            for block in blocks:
                copy.write(block)
        if cursor.rowcount != expected:
            raise LoadError(f"PostgreSQL took {cursor.rowcount} of {expected} candles; nothing was kept.")
