"""Candles as files: freqtrade's feather layout, and Parquet that DuckDB and polars scan. Needs pyarrow."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.klines.errors import InvalidRequest
from include.klines.reader.arrow import to_arrow
from include.klines.reader.many import load_many
from include.klines.reader.request import COLUMNS, DEFAULT_COLUMNS, OnGap, Time

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import psycopg


def export_freqtrade(
    symbols: Iterable[str],
    timeframe: str,
    start: Time,
    end: Time,
    folder: str | Path,
    *,
    quote: str = "USDT",
    on_gap: OnGap = "raise",
    dsn: str | psycopg.Connection | None = None,
) -> list[Path]:
    """Write freqtrade's files, one a symbol: `BTC_USDT-1h.feather` in folder (user_data/data/binance); returns them.

    Columns date (UTC, milliseconds), open, high, low, close, volume. Explained holes have no row, as in freqtrade's own
    downloads: note that freqtrade fills them with zero-volume candles when it reads. Errors are load_ohlcv's; nothing
    is written where one symbol fails.
    """
    feather = _pyarrow("feather")
    frames = load_many(
        symbols, timeframe, start, end, on_gap=on_gap, on_outage="drop", columns=DEFAULT_COLUMNS, dsn=dsn
    )
    written = []
    for symbol, frame in frames.items():
        frame.index = frame.index.as_unit("ms").rename("date")  # type: ignore[attr-defined]  # a DatetimeIndex
        path = Path(folder) / f"{symbol}_{quote}-{timeframe}.feather"
        path.parent.mkdir(parents=True, exist_ok=True)
        feather.write_feather(to_arrow(frame), path, compression="lz4")
        written.append(path)
    return written


def export_parquet(
    symbols: Iterable[str],
    timeframe: str,
    start: Time,
    end: Time,
    folder: str | Path,
    *,
    columns: Iterable[str] = COLUMNS,
    on_gap: OnGap = "raise",
    dsn: str | psycopg.Connection | None = None,
) -> list[Path]:
    """Write `folder/timeframe=1h/symbol=BTC/year=2024/candles.parquet` (zstd), a file a symbol and year; returns them.

    Column timestamp (UTC, nanoseconds) and those asked for; explained holes have no row. Each file's schema metadata
    holds the attrs of the whole read, fingerprint included, as JSON under b"klines". Scan it with
    `SELECT * FROM read_parquet('folder/**/*.parquet', hive_partitioning = true)` in DuckDB, or
    `polars.scan_parquet('folder/**/*.parquet', hive_partitioning=True)`. Errors are load_ohlcv's; nothing is written
    where one symbol fails.
    """
    parquet = _pyarrow("parquet")
    frames = load_many(symbols, timeframe, start, end, on_gap=on_gap, on_outage="drop", columns=columns, dsn=dsn)
    written = []
    for symbol, frame in frames.items():
        for year, part in _years(frame):
            path = Path(folder) / f"timeframe={timeframe}" / f"symbol={symbol}" / f"year={year}" / "candles.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(to_arrow(part), path, compression="zstd")
            written.append(path)
    return written


def _years(frame: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    years = frame.index.year  # type: ignore[attr-defined]  # a DatetimeIndex
    return [(int(year), frame[years == year]) for year in years.unique()]


def _pyarrow(module: str) -> Any:
    try:
        return import_module(f"pyarrow.{module}")
    except ImportError as error:
        raise InvalidRequest("pyarrow is not installed here: pip install pyarrow.") from error
