"""Several series at once, and one that does not fit in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, overload

import pandas as pd

from include.klines.reader.connection import snapshot
from include.klines.reader.frames import read_frame, read_frames
from include.klines.reader.policy import refuse, unexplained
from include.klines.reader.reading import read_series
from include.klines.reader.request import (
    DEFAULT_COLUMNS,
    OnGap,
    OnOutage,
    Request,
    Time,
    check_policies,
    parse_columns,
    parse_request,
    parse_symbols,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg


@overload
def load_many(
    symbols: Iterable[str], timeframe: str, start: Time, end: Time, *, long: Literal[False] = False,
    on_gap: OnGap = "raise", on_outage: OnOutage = "mask", columns: Iterable[str] = DEFAULT_COLUMNS,
    dsn: str | psycopg.Connection | None = None,
) -> dict[str, pd.DataFrame]: ...  # fmt: skip


@overload
def load_many(
    symbols: Iterable[str], timeframe: str, start: Time, end: Time, *, long: Literal[True],
    on_gap: OnGap = "raise", on_outage: OnOutage = "mask", columns: Iterable[str] = DEFAULT_COLUMNS,
    dsn: str | psycopg.Connection | None = None,
) -> pd.DataFrame: ...  # fmt: skip


def load_many(
    symbols: Iterable[str],
    timeframe: str,
    start: Time,
    end: Time,
    *,
    long: bool = False,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    columns: Iterable[str] = DEFAULT_COLUMNS,
    dsn: str | psycopg.Connection | None = None,
) -> dict[str, pd.DataFrame] | pd.DataFrame:
    """load_ohlcv of several symbols, all in one snapshot.

    Returns a frame a symbol, in the order asked for; with long=True one frame with the index (symbol, timestamp), and
    attrs["series"] with each symbol's attrs. Arguments and errors are load_ohlcv's; the first series that fails raises.
    """
    names, request, wanted = parse_symbols(symbols), parse_request(timeframe, start, end), parse_columns(columns)
    check_policies(on_gap, on_outage)
    with snapshot(dsn, request.length) as conn:
        frames = {name: read_frame(conn, name, request, wanted, on_gap, on_outage) for name in names}
    if not long:
        return frames
    attrs = {name: frame.attrs for name, frame in frames.items()}
    for frame in frames.values():
        frame.attrs = {}
    joined = pd.concat(frames, names=["symbol", "timestamp"])
    joined.attrs = {"series": attrs}
    return joined


def iter_chunks(
    symbol: str,
    timeframe: str,
    start: Time,
    end: Time,
    *,
    rows: int = 100_000,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    columns: Iterable[str] = DEFAULT_COLUMNS,
    dsn: str | psycopg.Connection | None = None,
) -> Iterator[pd.DataFrame]:
    """load_ohlcv in pieces of at most `rows` candles, in order, for what does not fit in memory.

    All pieces are one snapshot, which stays open while they are consumed; together they are what load_ohlcv returns.
    With on_gap="raise" the whole range is looked through before the first piece, so that a backtest does not stop half
    way. Each piece has its own attrs. Arguments and errors are load_ohlcv's.
    """
    request, wanted = parse_request(timeframe, start, end), parse_columns(columns)
    check_policies(on_gap, on_outage)
    return _chunks(symbol, request, max(1, rows), wanted, on_gap, on_outage, dsn)


def _chunks(
    symbol: str,
    request: Request,
    rows: int,
    columns: tuple[str, ...],
    on_gap: OnGap,
    on_outage: OnOutage,
    dsn: str | psycopg.Connection | None,
) -> Iterator[pd.DataFrame]:
    stride = rows * request.length.step
    parts = [
        replace(request, start=start, end=min(start + stride, request.end))
        for start in range(request.start, request.end, stride)
    ]
    with snapshot(dsn, request.length) as conn:
        if on_gap == "raise":
            readings = (read_series(conn, symbol, part, ()) for part in parts)
            found = [
                (window, reading.series.aggregated_from)
                for reading in readings
                for window in unexplained(reading.series)
            ]
            refuse(symbol, request, [window for window, _ in found], found[0][1] if found else None)
        yield from read_frames(conn, symbol, parts, columns, on_gap, on_outage)
