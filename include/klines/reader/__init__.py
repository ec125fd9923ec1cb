"""What backtesters read: exact candles, continuous, explained, reproducible, or a clear error.

from include.klines.reader import load_ohlcv
frame = load_ohlcv("BTC", "1h", "2020-01-01", "2025-10-01")
"""

from include.klines.reader.arrow import to_arrow, to_polars
from include.klines.reader.catalog import Coverage, coverage, fingerprint, universe
from include.klines.reader.errors import (
    DatabaseUnavailable,
    FingerprintMismatch,
    MissingData,
    MissingWindow,
    RangeOutsideListing,
    ReaderError,
    ReusedTicker,
    StaleSnapshot,
    UnknownPin,
    UnknownSymbol,
    UnknownTimeframe,
)
from include.klines.reader.export import export_freqtrade, export_parquet
from include.klines.reader.load import load_ohlcv
from include.klines.reader.many import iter_chunks, load_many
from include.klines.reader.panel import load_panel
from include.klines.reader.pins import Pin, load_pinned, pin, pins, unpin

__all__ = [
    "Coverage",
    "DatabaseUnavailable",
    "FingerprintMismatch",
    "MissingData",
    "MissingWindow",
    "Pin",
    "RangeOutsideListing",
    "ReaderError",
    "ReusedTicker",
    "StaleSnapshot",
    "UnknownPin",
    "UnknownSymbol",
    "UnknownTimeframe",
    "coverage",
    "export_freqtrade",
    "export_parquet",
    "fingerprint",
    "iter_chunks",
    "load_many",
    "load_ohlcv",
    "load_panel",
    "load_pinned",
    "pin",
    "pins",
    "to_arrow",
    "to_polars",
    "universe",
    "unpin",
]
