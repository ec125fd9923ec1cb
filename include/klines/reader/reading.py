"""Reading one series inside a snapshot, with all checks but the gap policies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from include.klines.intervals import TIMEFRAMES
from include.klines.reader.fingerprints import Month, combine, explained_spans, fetch_months, months_of
from include.klines.reader.listing import Listing, Subject, find_base, find_listing, find_subjects
from include.klines.reader.request import COLUMNS, Request, moment
from include.klines.reader.series import Series, aggregate, fetch_series, series_binds
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg


@dataclass(frozen=True)
class Reading:
    """A series as it was read, before any policy.

    `stored` are the candles in the database, `series` the ones asked for: the same, unless they were aggregated.
    """

    subject: Subject
    listing: Listing | None
    stored: Series
    series: Series


def read_series(
    conn: psycopg.Connection,
    symbol: str,
    request: Request,
    columns: Sequence[str],
    *,
    as_of: int | None = None,
    by_recording: bool = False,
) -> Reading:
    """The stored candles of `request`, or longer candles made of them where its length is not stored.

    With as_of (microseconds, as fetch_series takes it) all columns are read, for the fingerprint of that day's values.
    """
    if as_of is not None:
        columns = (*columns, *(column for column in COLUMNS if column not in columns))
    subject = find_subjects(conn, [symbol])[symbol]
    fetch = partial(fetch_series, conn, symbol, read_at=subject.read_at, as_of=as_of, by_recording=by_recording)
    listing, stored = None, None
    if request.length.name in TIMEFRAMES:
        listing = find_listing(subject, request, request.length)
        stored = fetch(request, columns)
    if stored is None or not len(stored.times):
        base = find_base(conn, subject, request.length)
        if stored is None or base is not request.length:
            listing = find_listing(subject, request, base)
            base_request = replace(request, length=base)
            stored = fetch(base_request, columns)
            return Reading(subject, listing, stored, aggregate(stored, request))
    return Reading(subject, listing, stored, stored)


def close_before(conn: psycopg.Connection, reading: Reading, start: int) -> float | None:
    """The last close before `start` (microseconds); None where no outage comes before the reading's first candle."""
    series, stored, listing = reading.series, reading.stored, reading.listing
    if not (series.explained & np.logical_and.accumulate(series.missing)).any():
        return None
    first_open = moment(listing.first_open(stored.request.length)) if listing and listing.listed_at else None
    binds = series_binds(stored.symbol, stored.request) | {"first_open": first_open, "starts": moment(start)}
    row = conn.execute(statement("last_before"), binds).fetchone()
    return float(row[0]) if row else None


def fingerprint_of(conn: psycopg.Connection, reading: Reading, on_gap: str, on_outage: str) -> str:
    """The fingerprint of a read: from kept digests, or from the values themselves where revisions were undone."""
    stored = reading.stored
    if stored.revised:
        present = ~stored.missing
        order = [stored.columns.index(column) for column in COLUMNS]
        months: list[Month] = months_of(stored.times, stored.values[order][:, present])
    else:
        months = fetch_months(conn, stored.symbol, stored.request, stored.times)
    series = reading.series
    return combine(
        series.symbol, series.request, stored.request.length.name, on_gap, on_outage, months, explained_spans(series)
    )
