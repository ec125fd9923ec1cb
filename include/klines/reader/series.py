"""One series as it is stored: candles on their grid, what is missing there, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from include.klines.reader.errors import MissingWindow
from include.klines.reader.request import COLUMNS, DEFAULT_COLUMNS, PRICES, Request, micros, moment
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import psycopg
    from numpy.typing import NDArray

POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 UTC, in microseconds since 1970

CAUSES = ("present", "open", "not_published", "not_closed", "pruned", "exchange_outage", "suspension", "not_listed")
"""What a place of the grid can be; its index is its code."""
EXPLAINED = CAUSES.index("exchange_outage")
"""Codes from here on are holes that nothing can fill; pruned candles can be brought back."""
NOT_CLOSED = CAUSES.index("not_closed")
NOT_LISTED = CAUSES.index("not_listed")


@dataclass(frozen=True, eq=False)
class Series:
    """Candles of one symbol on a continuous grid.

    values has one row a column and one column a grid open, float64, NaN where `causes` is not 0 (present). times holds
    the open times of the stored candles, in microseconds since 1970 UTC. revised counts the values of an earlier day.
    """

    symbol: str
    request: Request
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    times: NDArray[np.int64]
    causes: NDArray[np.int8]
    aggregated_from: str | None = None
    revised: int = 0

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
    conn: psycopg.Connection,
    symbol: str,
    request: Request,
    columns: Sequence[str],
    *,
    read_at: datetime,
    as_of: int | None = None,
    by_recording: bool = False,
) -> Series:
    """The stored candles of `request` and the causes of what is missing; as_of undoes the revisions made after it.

    as_of is by the exchange's clock, with by_recording by the database's.
    """
    columns = tuple(columns)
    if not columns:
        wanted = statement("candle_times")
    elif set(columns) <= set(DEFAULT_COLUMNS):
        wanted = statement("candles")
    else:
        wanted = statement("candles_full")
    binds = series_binds(symbol, request)
    with conn.cursor() as cursor:
        pieces = cursor.stream(wanted, binds, binary=True)
        _, packed = next(pieces)
        times = unpack_times(packed)
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
        gaps = fetch_gaps(conn, [symbol], request).get(symbol, ())
        causes = find_causes(request, places, gaps, read_at=read_at)
    revised = 0
    if as_of is not None:
        since = {"as_of": moment(as_of), "by_recording": by_recording}
        for opened, *old in conn.execute(statement("revisions"), binds | since):
            place = (micros(opened) - request.start) // request.length.step
            if causes[place] == 0:
                values[:, place] = [old[COLUMNS.index(column)] for column in columns]
                revised += 1
    return Series(symbol, request, columns, values, times, causes, revised=revised)


def fetch_gaps(
    conn: psycopg.Connection, symbols: Sequence[str], request: Request
) -> dict[str, list[tuple[datetime, datetime, str]]]:
    """The gaps that are known of each symbol in the range: start, end, cause."""
    binds = series_binds("", request) | {"symbols": list(symbols)}
    gaps: dict[str, list[tuple[datetime, datetime, str]]] = {}
    for symbol, *gap in conn.execute(statement("gaps"), binds):
        gaps.setdefault(symbol, []).append((gap[0], gap[1], gap[2]))
    return gaps


def find_causes(
    request: Request,
    places: NDArray[np.int64],
    gaps: Iterable[tuple[datetime, datetime, str]],
    *,
    read_at: datetime,
) -> NDArray[np.int8]:
    """A code of CAUSES for each grid open; `places` are the indices of the candles that are there."""
    step = request.length.step
    causes = np.full(request.count, CAUSES.index("open"), np.int8)
    closed = (micros(read_at) - request.start) // step
    causes[max(0, closed) :] = NOT_CLOSED
    for gap_start, gap_end, cause in gaps:
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
        elif column in PRICES:
            values[row] = group.max(axis=1) if column == "high" else group.min(axis=1)
        else:
            values[row] = 0.0
            for place in range(ratio):  # one after the other, as SQL's sum does: np.sum would round differently
                values[row] += group[:, place]
    values[:, causes != 0] = np.nan
    return replace(series, request=request, values=values, causes=causes, aggregated_from=series.request.length.name)


def unpack_times(packed: bytes | None) -> NDArray[np.int64]:
    """Open times as the server packs them, in microseconds since 1970 UTC."""
    if packed is None:
        return np.empty(0, np.int64)
    return np.frombuffer(packed, ">i8").astype(np.int64) + POSTGRES_EPOCH


def series_binds(symbol: str, request: Request) -> dict[str, Any]:
    """The binds of every statement about one series and range."""
    return {
        "symbol": symbol,
        "timeframe": request.length.name,
        "starts": moment(request.start),
        "ends": moment(request.end),
    }
