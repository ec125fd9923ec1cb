"""What backtesters read: exact candles, continuous, explained, reproducible, or a clear error.

from include.klines.reader import load_ohlcv
frame = load_ohlcv("BTC", "1h", "2020-01-01", "2025-10-01")
"""

from include.klines.reader.errors import (
    DatabaseUnavailable,
    FingerprintMismatch,
    MissingData,
    MissingWindow,
    RangeOutsideListing,
    ReaderError,
    ReusedTicker,
    UnknownPin,
    UnknownSymbol,
    UnknownTimeframe,
)
from include.klines.reader.frames import load_ohlcv

__all__ = [
    "DatabaseUnavailable",
    "FingerprintMismatch",
    "MissingData",
    "MissingWindow",
    "RangeOutsideListing",
    "ReaderError",
    "ReusedTicker",
    "UnknownPin",
    "UnknownSymbol",
    "UnknownTimeframe",
    "load_ohlcv",
]
