"""One column of many symbols, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES
from include.klines.reader.connection import snapshot
from include.klines.reader.fingerprints import combine, combine_many, explained_spans, fetch_months_of_many
from include.klines.reader.frames import coverage_of, grid_index
from include.klines.reader.listing import Subject, find_base, find_listing, find_subjects, touched_listings
from include.klines.reader.policy import refuse, unexplained
from include.klines.reader.request import (
    Request,
    Time,
    check_policies,
    moment,
    parse_columns,
    parse_request,
    parse_symbols,
)
from include.klines.reader.series import NOT_LISTED, Series, fetch_gaps, find_causes, series_binds, unpack_times
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from numpy.typing import NDArray


def load_panel(
    symbols: Iterable[str],
    timeframe: str,
    start: Time,
    end: Time,
    field: str = "close",
    *,
    on_gap: Literal["raise", "mask"] = "raise",
    on_unlisted: Literal["mask", "raise"] = "mask",
    dsn: str | psycopg.Connection | None = None,
) -> pd.DataFrame:
    """One column of many symbols: float64, a row an open time (UTC, freq), a column a symbol in the order asked for.

    symbols: base assets; universe(as_of) gives those of a day, delisted ones included. timeframe: a stored one.
    on_gap: as in load_ohlcv, without "drop". Explained holes are NaN.
    on_unlisted, for the time before a symbol's listing and after its delisting: "mask" (NaN), or "raise"
    RangeOutsideListing. Two assets under one ticker raise ReusedTicker.

    attrs holds the fingerprint of all series together and the coverage of each. Errors are load_ohlcv's; MissingData
    names the windows of all symbols. One query brings the candles, all in one snapshot.
    """
    names, request = parse_symbols(symbols), parse_request(timeframe, start, end)
    (field,) = parse_columns([field])
    check_policies(on_gap, "mask")
    if on_gap not in {"raise", "mask"} or on_unlisted not in {"raise", "mask"}:
        raise InvalidRequest("a panel's rows are shared: on_gap and on_unlisted can be raise or mask.")
    if timeframe not in TIMEFRAMES:
        raise InvalidRequest(
            f"a panel reads stored timeframes ({', '.join(TIMEFRAMES)}): load_many() can make {timeframe}."
        )
    with snapshot(dsn, request.length) as conn:
        return _read_panel(conn, names, request, field, on_gap, strict=on_unlisted == "raise")


def _read_panel(
    conn: psycopg.Connection, names: tuple[str, ...], request: Request, field: str, on_gap: str, *, strict: bool
) -> pd.DataFrame:
    subjects = find_subjects(conn, names)
    if strict:
        for subject in subjects.values():
            find_listing(subject, request, request.length)
    values = np.empty((len(names), request.count))
    times = dict.fromkeys(names, np.empty(0, np.int64))
    places: dict[str, NDArray[np.int64]] = dict(times)
    row_of = {name: row for row, name in enumerate(names)}
    binds = series_binds("", request) | {"symbols": list(names), "field": field}
    with conn.cursor() as cursor:
        for name, packed_times, packed in cursor.stream(statement("panel"), binds, binary=True):
            times[name] = unpack_times(packed_times)
            places[name] = (times[name] - request.start) // request.length.step
            row = values[row_of[name]]
            if len(places[name]) < request.count:
                row.fill(np.nan)
            row[places[name]] = np.frombuffer(packed, ">f8")
            times[name] = np.sort(times[name])
    for name in names:
        if not len(times[name]):
            values[row_of[name]] = np.nan
    series = _explain(conn, subjects, request, places, times)
    if on_gap == "raise":
        windows = [window for one in series.values() for window in unexplained(one)]
        refuse(names[0] if len(names) == 1 else f"{len(names)} symbols", request, windows, series=len(names))
    frame = pd.DataFrame(values.T, index=grid_index(request), columns=pd.Index(names, name="symbol"), copy=False)
    months = fetch_months_of_many(conn, names, request, times)
    base = request.length.name
    fingerprints = {
        name: combine(name, request, base, on_gap, "mask", months[name], explained_spans(series[name]))
        for name in names
    }
    frame.attrs = {
        "symbols": list(names),
        "timeframe": base,
        "field": field,
        "start": f"{moment(request.start):%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{moment(request.end):%Y-%m-%dT%H:%M:%SZ}",
        "on_gap": on_gap,
        "fingerprint": combine_many(fingerprints),
        "coverage": {name: coverage_of(one) for name, one in series.items()},
    }
    return frame


def _explain(
    conn: psycopg.Connection,
    subjects: dict[str, Subject],
    request: Request,
    places: dict[str, NDArray[np.int64]],
    times: dict[str, NDArray[np.int64]],
) -> dict[str, Series]:
    """Each symbol's holes and their causes, the time outside its listing included; the values are not kept twice."""
    short = [name for name in subjects if len(places[name]) < request.count]
    gaps = fetch_gaps(conn, short, request) if short else {}
    series = {}
    for name in places:
        subject, causes = subjects[name], np.zeros(request.count, np.int8)
        if name in short:
            causes = find_causes(request, places[name], gaps.get(name, ()), read_at=subject.read_at)
            causes = np.where((causes != 0) & _unlisted(conn, subject, request), NOT_LISTED, causes).astype(np.int8)
        series[name] = Series(name, request, (), np.empty((0, request.count)), times[name], causes)
    return series


def _unlisted(conn: psycopg.Connection, subject: Subject, request: Request) -> NDArray[np.bool_]:
    length, outside = request.length, np.zeros(request.count, bool)
    if not subject.listings:
        find_base(conn, subject, length)  # a symbol that is not known at all is an error
        return outside
    touched = touched_listings(subject, request, length)
    if not touched:
        return ~outside
    if len(touched) > 1:
        find_listing(subject, request, length)  # raises: two assets under one ticker
    first = max(0, (touched[0].first_open(length) - request.start) // length.step)
    last = max(0, (touched[0].last_end(length) - request.start) // length.step)
    outside[:first] = outside[last:] = True
    return outside
