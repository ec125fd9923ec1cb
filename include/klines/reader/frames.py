"""What makes a frame of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.klines.reader.policy import last_close, treat
from include.klines.reader.reading import close_before, fingerprint_of, read_series
from include.klines.reader.request import moment
from include.klines.reader.series import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from include.klines.reader.policy import Treated
    from include.klines.reader.reading import Reading
    from include.klines.reader.request import OnGap, OnOutage, Request
    from include.klines.reader.series import Series


def read_frame(
    conn: psycopg.Connection,
    symbol: str,
    request: Request,
    columns: Sequence[str],
    on_gap: OnGap,
    on_outage: OnOutage,
    *,
    as_of: int | None = None,
    by_recording: bool = False,
) -> pd.DataFrame:
    """load_ohlcv inside a snapshot that is already open; by_recording: as_of is a time of the database's clock."""
    return next(
        read_frames(conn, symbol, [request], columns, on_gap, on_outage, as_of=as_of, by_recording=by_recording)
    )


def read_frames(
    conn: psycopg.Connection,
    symbol: str,
    parts: Sequence[Request],
    columns: Sequence[str],
    on_gap: OnGap,
    on_outage: OnOutage,
    *,
    as_of: int | None = None,
    by_recording: bool = False,
) -> Iterator[pd.DataFrame]:
    """A frame for each part of a range, in order; what is carried into an outage is what the whole would carry."""
    fetched = (*columns, "close") if on_outage == "ffill" and "close" not in columns else tuple(columns)
    carried = None
    for part in parts:
        reading = read_series(conn, symbol, part, fetched, as_of=as_of, by_recording=by_recording)
        if on_outage == "ffill" and carried is None:
            carried = close_before(conn, reading, parts[0].start)
        treated = treat(reading.series, on_gap, on_outage, carried)
        if on_outage == "ffill":
            carried = last_close(treated.series, carried)
        fingerprint = fingerprint_of(conn, reading, on_gap, on_outage)
        attrs = describe(reading, on_gap, on_outage, fingerprint)
        yield make_frame(treated, columns, attrs | describe_as_of(as_of, reading.stored.revised))


def make_frame(treated: Treated, columns: Sequence[str], attrs: dict[str, Any]) -> pd.DataFrame:
    """The frame of a treated series, one block of float64 without a copy."""
    series = treated.series
    index = grid_index(series.request)
    values = series.values[: len(columns)]
    if treated.keep is not None:
        index, values = index[treated.keep], values[:, treated.keep]
    frame = pd.DataFrame(values.T, index=index, columns=pd.Index(columns), copy=False)
    if treated.is_filled is not None:
        frame["is_filled"] = treated.is_filled if treated.keep is None else treated.is_filled[treated.keep]
    frame.attrs.update(attrs)
    return frame


def grid_index(request: Request) -> pd.DatetimeIndex:
    """All open times of a request, UTC, named timestamp, with freq."""
    start = pd.Timestamp(moment(request.start)).as_unit("ns")
    return pd.date_range(start, periods=request.count, freq=request.length.freq, name="timestamp", unit="ns")


def describe(reading: Reading, on_gap: str, on_outage: str, fingerprint: str) -> dict[str, Any]:
    """The frame's attrs: plain values only, so that they survive JSON, Parquet and pickle."""
    series, subject, listing = reading.series, reading.subject, reading.listing
    return {
        "symbol": series.symbol,
        "timeframe": series.request.length.name,
        "start": f"{moment(series.request.start):%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{moment(series.request.end):%Y-%m-%dT%H:%M:%SZ}",
        "on_gap": on_gap,
        "on_outage": on_outage,
        "fingerprint": fingerprint,
        "coverage": coverage_of(series),
        "source": {
            "exchange": subject.exchange,
            "exchange_symbol": listing.exchange_symbol if listing else None,
            "asset": listing.asset if listing else None,
            "listing_number": listing.number if listing else None,
            "aggregated_from": series.aggregated_from,
            "read_at": f"{subject.read_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        },
    }


def describe_as_of(as_of: int | None, revised: int) -> dict[str, Any]:
    """The attrs of a read of an earlier day's values; nothing for a read of today's."""
    return {} if as_of is None else {"as_of": f"{moment(as_of):%Y-%m-%dT%H:%M:%SZ}", "revisions_undone": revised}


def coverage_of(series: Series) -> dict[str, Any]:
    """Candles expected, present, missing by cause, and the missing windows."""
    counts = np.bincount(series.causes, minlength=len(CAUSES)).tolist()
    windows = sorted(series.windows(explained=True) + series.windows(explained=False), key=lambda window: window.start)
    return {
        "expected": len(series.causes),
        "present": counts[0],
        "missing": len(series.causes) - counts[0],
        "causes": {cause: count for cause, count in zip(CAUSES[1:], counts[1:], strict=True) if count},
        "windows": [
            [f"{window.start:%Y-%m-%dT%H:%M:%SZ}", f"{window.end:%Y-%m-%dT%H:%M:%SZ}", window.candles, window.cause]
            for window in windows
        ],
    }
