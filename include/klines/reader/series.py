"""One series as it is stored: candles on their grid, what is missing there, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from include.klines.reader.errors import MissingWindow
from include.klines.reader.request import DEFAULT_COLUMNS, Length, Request, micros, moment
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg
    from numpy.typing import NDArray

POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 UTC, in microseconds since 1970

CAUSES = ("present", "open", "not_published", "not_closed", "exchange_outage", "suspension", "pruned", "renamed")
"""What a place of the grid can be; its index is its code."""
EXPLAINED = CAUSES.index("exchange_outage")
"""Codes from here on are holes that no load can fill."""
NOT_CLOSED = CAUSES.index("not_closed")
RENAMED = CAUSES.index("renamed")


@dataclass(frozen=True, eq=False)
class Series:
    """Candles of one symbol on a continuous grid.

    values has one row a column and one column a grid open, float64, NaN where `causes` is not 0 (present). times holds
    the open times of the candles that are there, in microseconds since 1970 UTC.
    """

    symbol: str
    request: Request
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    times: NDArray[np.int64]
    causes: NDArray[np.int8]
    aggregated_from: str | None = None

    @property
    def missing(self) -> NDArray[np.bool_]:
        """True where no candle is stored."""
        return np.not_equal(self.causes, 0)

    @property
    def explained(self) -> NDArray[np.bool_]:
        """True where no candle is stored and none can be."""
        return np.greater_equal(self.causes, EXPLAINED)

    def windows(self, *, explained: bool) -> list[MissingWindow]:
        """The missing candles, in order, cut where the cause changes: the explained or the unexplained ones."""
        codes = np.where(self.explained == explained, self.causes, 0)
        edges = np.flatnonzero(np.diff(codes, prepend=0, append=0))
        found = []
        for first, last in pairwise(edges.tolist()):
            if codes[first]:
                step, origin = self.request.length.step, self.request.start
                start, end = (moment(origin + place * step) for place in (first, last))
                found.append(MissingWindow(self.symbol, start, end, last - first, CAUSES[codes[first]]))
        return found


def fetch_series(
    conn: psycopg.Connection, symbol: str, request: Request, columns: Sequence[str], *, read_at: datetime
) -> Series:
    """The stored candles of `request` and the causes of what is missing, in one or two statements."""
    columns = tuple(columns)
    binds = _binds(symbol, request)
    usual = set(columns) <= set(DEFAULT_COLUMNS)
    name = ("candles" if usual else "candles_full") if columns else "candle_times"
    with conn.cursor() as cursor:
        pieces = cursor.stream(statement(name), binds, binary=True)
        _, packed = next(pieces)
        times = _times(packed)
        places = (times - request.start) // request.length.step
        complete = len(times) == request.count and bool((np.diff(places) == 1).all())
        values = np.empty((len(columns), request.count))
        if not complete:
            values.fill(np.nan)
        for column, packed in pieces:
            if column in columns and packed is not None:
                values[columns.index(column), slice(None) if complete else places] = np.frombuffer(packed, ">f8")
    causes = np.zeros(request.count, np.int8)
    if not complete:
        times = np.sort(times)
        causes = fetch_causes(conn, symbol, request, places, read_at=read_at)
    return Series(symbol, request, columns, values, times, causes)


def fetch_causes(
    conn: psycopg.Connection, symbol: str, request: Request, places: NDArray[np.int64], *, read_at: datetime
) -> NDArray[np.int8]:
    """A code of CAUSES for each grid open; `places` are the indices of the candles that are there."""
    step = request.length.step
    causes = np.full(request.count, CAUSES.index("open"), np.int8)
    closed = (micros(read_at) - request.start) // step
    causes[max(0, closed) :] = NOT_CLOSED
    for gap_start, gap_end, cause in conn.execute(statement("gaps"), _binds(symbol, request)):
        first, last = (max(0, -((request.start - micros(edge)) // step)) for edge in (gap_start, gap_end))
        code = CAUSES.index(cause)
        causes[first:last] = np.maximum(causes[first:last], code) if code < EXPLAINED else code
    causes[places] = 0
    return causes


def aggregate(series: Series, request: Request) -> Series:
    """Longer candles out of complete groups of stored ones; a group that lacks one is missing, for that one's cause."""
    ratio = request.length.step // series.request.length.step
    groups = series.causes.reshape(request.count, ratio)
    unexplained = (groups > 0) & (groups < EXPLAINED)
    worst = np.where(unexplained, groups, len(CAUSES)).min(axis=1)
    causes = np.where(unexplained.any(axis=1), worst, groups.max(axis=1)).astype(np.int8)
    values = np.empty((len(series.columns), request.count))
    for row, column in enumerate(series.columns):
        group = series.values[row].reshape(request.count, ratio)
        if column == "open":
            values[row] = group[:, 0]
        elif column == "close":
            values[row] = group[:, -1]
        else:
            values[row] = {"high": np.max, "low": np.min}.get(column, np.sum)(group, axis=1)
    values[:, causes != 0] = np.nan
    return replace(series, request=request, values=values, causes=causes, aggregated_from=series.request.length.name)


def base_request(request: Request, base: Length) -> Request:
    """The stored candles that the candles of `request` are made of."""
    return replace(request, length=base)


def _times(packed: bytes | None) -> NDArray[np.int64]:
    if packed is None:
        return np.empty(0, np.int64)
    return np.frombuffer(packed, ">i8").astype(np.int64) + POSTGRES_EPOCH


def _binds(symbol: str, request: Request) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "timeframe": request.length.name,
        "starts": moment(request.start),
        "ends": moment(request.end),
    }
