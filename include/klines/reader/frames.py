"""One series as a frame: load_ohlcv and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.klines.intervals import TIMEFRAMES
from include.klines.reader.connection import snapshot
from include.klines.reader.fingerprints import combine, explained_spans, fetch_months
from include.klines.reader.listing import Listing, Subject, find_base, find_listing, find_subject
from include.klines.reader.policy import Treated, treat
from include.klines.reader.request import (
    DEFAULT_COLUMNS,
    LENGTHS,
    OnGap,
    OnOutage,
    Request,
    Time,
    check_policies,
    moment,
    parse_columns,
    parse_request,
)
from include.klines.reader.series import CAUSES, Series, aggregate, base_request, fetch_series
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg


@dataclass(frozen=True)
class Reading:
    """A series as it was read: the symbol's state, its listing, the candles before any policy."""

    subject: Subject
    listing: Listing | None
    series: Series


def load_ohlcv(
    symbol: str,
    timeframe: str,
    start: Time,
    end: Time,
    *,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    columns: Iterable[str] = DEFAULT_COLUMNS,
    dsn: str | psycopg.Connection | None = None,
) -> pd.DataFrame:
    """The candles of `symbol` with start <= open time < end, as they are stored, or an error that says why not.

    symbol: base asset, as in "BTC" for BTCUSDT.
    timeframe: a stored one (1m 5m 15m 1h 4h 1d), or a longer one (30m 2h 6h 8h 12h 1w) made of complete groups of
    stored candles; a stored one of which the symbol has no candles is made likewise.
    start, end: text, date, datetime or Timestamp; without a zone it is UTC.
    on_gap, for candles missing without an explanation: "raise" MissingData, "mask" (a row of NaN), or "drop" the row.
    on_outage, for candles that never existed or were pruned (the exchange was down, the pair was suspended): "mask",
    "drop", or "ffill": prices are the last close, volumes and trades 0, and a boolean column `is_filled` is True there.
    columns: any of open high low close volume quote_volume trades taker_buy_volume taker_buy_quote_volume.
    dsn: address of the database, or an open psycopg connection; else the environment's MARKET_DB_URL or KLINES_DSN.

    Returns float64 columns on a UTC DatetimeIndex named `timestamp`, without holes and with `freq` unless rows were
    dropped. `attrs` holds the fingerprint, the coverage (expected, present, missing by cause, windows) and the source.

    Raises MissingData, UnknownSymbol, UnknownTimeframe, RangeOutsideListing (ReusedTicker), DatabaseUnavailable,
    InvalidRequest. The read is one repeatable-read transaction.
    """
    request, wanted = parse_request(timeframe, start, end), parse_columns(columns)
    check_policies(on_gap, on_outage)
    with snapshot(dsn) as conn:
        return read_frame(conn, symbol, request, wanted, on_gap, on_outage)


def read_frame(
    conn: psycopg.Connection,
    symbol: str,
    request: Request,
    columns: Sequence[str],
    on_gap: OnGap,
    on_outage: OnOutage,
) -> pd.DataFrame:
    """load_ohlcv inside a snapshot that is already open."""
    fetched = (*columns, "close") if on_outage == "ffill" and "close" not in columns else tuple(columns)
    reading = read_series(conn, symbol, request, fetched)
    treated = treat(reading.series, on_gap, on_outage, close_before(conn, reading) if on_outage == "ffill" else None)
    fingerprint = fingerprint_of(conn, reading, on_gap, on_outage)
    return make_frame(treated, columns, describe(reading, on_gap, on_outage, fingerprint))


def read_series(conn: psycopg.Connection, symbol: str, request: Request, columns: Sequence[str]) -> Reading:
    """The stored candles of `request`, aggregated where its length is not stored; all checks but the gap policies."""
    subject = find_subject(conn, symbol)
    if request.length.name in TIMEFRAMES:
        listing = find_listing(subject, request, request.length)
        series = fetch_series(conn, symbol, request, columns, read_at=subject.read_at)
        if len(series.times):
            return Reading(subject, listing, series)
    base = find_base(conn, subject, request.length)
    if base is request.length:
        return Reading(subject, listing, series)
    listing = find_listing(subject, request, base)
    stored = fetch_series(conn, symbol, base_request(request, base), columns, read_at=subject.read_at)
    return Reading(subject, listing, aggregate(stored, request))


def close_before(conn: psycopg.Connection, reading: Reading) -> float | None:
    """The last close before a range that begins in a hole; None where it does not, or nothing came before."""
    series = reading.series
    if not series.explained[0]:
        return None
    binds = {
        "symbol": series.symbol,
        "timeframe": series.aggregated_from or series.request.length.name,
        "listed_at": reading.listing.listed_at if reading.listing else None,
        "starts": moment(series.request.start),
    }
    row = conn.execute(statement("last_before"), binds).fetchone()
    return float(row[0]) if row else None


def fingerprint_of(conn: psycopg.Connection, reading: Reading, on_gap: str, on_outage: str) -> str:
    """The fingerprint of a read, from the digests of its months."""
    series = reading.series
    base = stored_request(series)
    months = fetch_months(conn, series.symbol, base, series.times)
    return combine(series.symbol, series.request, base.length.name, on_gap, on_outage, months, explained_spans(series))


def stored_request(series: Series) -> Request:
    """The range of stored candles that the series is made of."""
    return base_request(series.request, LENGTHS[series.aggregated_from]) if series.aggregated_from else series.request


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
