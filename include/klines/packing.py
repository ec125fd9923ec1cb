"""Candles as PostgreSQL sends them: 80 bytes each, big-endian, which is what candle_digest() in SQL hashes.

No Python object per candle. Times are microseconds since 2000-01-01 00:00 UTC here.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from include.klines.candles import Candles

POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
VALUES = (
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
"""The nine values of a candle behind its time, in the order of market_data."""
CANDLE = np.dtype([("time", ">i8"), *VALUES])


def pack(candles: Candles) -> bytes:
    """The bytes of the candles, 80 each."""
    packed: bytes = _packed(candles).tobytes()
    return packed


def unpack(packed: bytes | None) -> Candles:
    """The inverse of `pack`; no candles for None."""
    rows = np.frombuffer(packed or b"", CANDLE)
    columns: dict[str, Any] = {name: rows[name].astype(rows.dtype[name].newbyteorder("=")) for name, _ in VALUES}
    return Candles(open_time=rows["time"].astype(np.int64) + POSTGRES_EPOCH_MICROSECONDS, **columns)


def digest(candles: Candles) -> bytes:
    """SHA-256 of the bytes of the candles, the same as candle_digest() in SQL."""
    return hashlib.sha256(_packed(candles).data).digest()


def _packed(candles: Candles) -> Any:
    packed = np.empty(len(candles), CANDLE)
    packed["time"] = candles.open_time - POSTGRES_EPOCH_MICROSECONDS
    for name, _ in VALUES:
        packed[name] = getattr(candles, name)
    return packed
