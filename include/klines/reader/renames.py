"""A pair and those that replaced it, as one series: MATIC and POL, never two assets that share a ticker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.klines.reader.errors import RangeOutsideListing
from include.klines.reader.frames import describe, describe_as_of, make_frame, read_frame
from include.klines.reader.listing import Listing, find_base, find_subjects
from include.klines.reader.policy import refuse_gaps, treat
from include.klines.reader.reading import Reading, close_before, fingerprint_of, read_series
from include.klines.reader.request import PRICES, Request, moment
from include.klines.reader.series import NOT_LISTED, Series
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from include.klines.reader.request import OnGap, OnOutage

AMOUNTS = ("volume", "taker_buy_volume")
"""Columns in base asset; prices are per unit of it, the others do not depend on it."""


@dataclass(frozen=True)
class Link:
    """One pair of a chain of renames. `units` of it are one unit of the symbol that was asked for."""

    symbol: str
    listing: Listing
    units: float


@dataclass(frozen=True)
class Segment:
    """The part of a read that one pair of the chain gives; `first` is its first place on the whole grid."""

    link: Link
    reading: Reading
    first: int


def read_stitched_frame(
    conn: psycopg.Connection,
    symbol: str,
    request: Request,
    columns: Sequence[str],
    on_gap: OnGap,
    on_outage: OnOutage,
    *,
    as_of: int | None = None,
) -> pd.DataFrame:
    """load_ohlcv(follow_renames=True) inside a snapshot that is already open."""
    fetched = (*columns, "close") if on_outage == "ffill" and "close" not in columns else tuple(columns)
    chain = _chain(conn, symbol)
    if len(chain) < 2:  # nothing to stitch: the listing's own errors say more
        frame = read_frame(conn, symbol, request, columns, on_gap, on_outage, as_of=as_of)
        frame["listed_as"] = pd.Categorical([symbol] * len(frame))
        frame.attrs["seams"] = []
        return frame
    segments = _read_segments(conn, chain, request, fetched, as_of)
    if on_gap == "raise":
        for segment in segments:
            refuse_gaps(segment.reading.series)
    stitched = _stitch(symbol, request, segments)
    carried = None
    if on_outage == "ffill":
        before = close_before(conn, replace(segments[0].reading, series=stitched), request.start)
        carried = None if before is None else before * segments[0].link.units
    treated = treat(stitched, on_gap, on_outage, carried)
    own = next((s.reading for s in segments if s.link.symbol == symbol), segments[0].reading)
    fingerprint = _fingerprint(conn, symbol, segments, on_gap, on_outage)
    attrs = describe(replace(own, series=stitched), on_gap, on_outage, fingerprint)
    attrs |= {"seams": _seams(segments)} | describe_as_of(as_of, sum(s.reading.stored.revised for s in segments))
    frame = make_frame(treated, columns, attrs)
    names = np.full(request.count, None, object)
    for segment in segments:
        names[segment.first : segment.first + segment.reading.series.request.count] = segment.link.symbol
    frame["listed_as"] = pd.Categorical(names if treated.keep is None else names[treated.keep])
    return frame


def _chain(conn: psycopg.Connection, symbol: str) -> list[Link]:
    """The pairs from the first predecessor to the last successor, in order of time."""
    own = find_subjects(conn, [symbol])[symbol]
    if not own.listings:
        return []
    renamed = [listing for listing in own.listings if listing.successor]
    before = _predecessor(conn, symbol)
    anchor = (renamed or (own.listings if before is None else own.listings[:1]))[-1]
    chain = [Link(symbol, anchor, 1.0)]
    while before is not None and before[0] not in {link.symbol for link in chain}:
        name, listing = before
        chain.insert(0, Link(name, listing, chain[0].units / (listing.successor_ratio or 1.0)))
        before = _predecessor(conn, name)
    while (after := chain[-1].listing.successor) and after not in {link.symbol for link in chain}:
        listings = find_subjects(conn, [after])[after].listings
        if not listings:
            break
        units = chain[-1].units * (chain[-1].listing.successor_ratio or 1.0)
        chain.append(Link(after, _listing_after(chain[-1].listing, listings), units))
    return chain


def _listing_after(ended: Listing, listings: Sequence[Listing]) -> Listing:
    """The successor's listing: its first one that did not end before the predecessor's did."""
    alive = (
        one for one in listings if not (ended.delisted_at and one.delisted_at and one.delisted_at <= ended.delisted_at)
    )
    return next(alive, listings[-1])


def _predecessor(conn: psycopg.Connection, symbol: str) -> tuple[str, Listing] | None:
    row = conn.execute(statement("predecessor"), {"symbol": symbol}).fetchone()
    if row is None:
        return None
    listings = find_subjects(conn, [row[0]])[row[0]].listings
    return row[0], next(listing for listing in listings if listing.successor == symbol)


def _read_segments(
    conn: psycopg.Connection, chain: Sequence[Link], request: Request, columns: Sequence[str], as_of: int | None
) -> list[Segment]:
    segments, taken = [], request.start
    for link in chain:
        base = find_base(conn, find_subjects(conn, [link.symbol])[link.symbol], request.length)
        first, last = link.listing.first_open(base), link.listing.last_end(base)
        if base is not request.length:
            first, last = request.length.ceil(first), request.length.floor(last)
        start, end = max(first, taken), min(last, request.end)
        if start < end:
            part = replace(request, start=start, end=end)
            reading = read_series(conn, link.symbol, part, columns, as_of=as_of)
            segments.append(Segment(link, reading, (start - request.start) // request.length.step))
            taken = end
    reached = segments and segments[0].first == 0 and taken == request.end
    if not reached:
        known = "; ".join(f"{link.symbol}: {link.listing}" for link in chain) or "no listing is known"
        spans = [(link.listing.listed_at, link.listing.delisted_at) for link in chain]
        raise RangeOutsideListing(
            f"{request} leaves the listings of the renamed pair ({known}): choose a range inside.", spans
        )
    return segments


def _stitch(symbol: str, request: Request, segments: Sequence[Segment]) -> Series:
    columns = segments[0].reading.series.columns
    values = np.full((len(columns), request.count), np.nan)
    causes = np.full(request.count, NOT_LISTED, np.int8)
    for segment in segments:
        series = segment.reading.series
        places = slice(segment.first, segment.first + series.request.count)
        causes[places] = series.causes
        for row, column in enumerate(columns):
            factor = segment.link.units if column in PRICES else 1 / segment.link.units if column in AMOUNTS else 1.0
            values[row, places] = series.values[row] * factor if factor != 1.0 else series.values[row]
    times = np.concatenate([segment.reading.series.times for segment in segments])
    made_of = next((s.reading.series.aggregated_from for s in segments if s.reading.series.aggregated_from), None)
    return Series(symbol, request, columns, values, times, causes, aggregated_from=made_of)


def _seams(segments: Sequence[Segment]) -> list[dict[str, object]]:
    seams = []
    for before, after in pairwise(segments):
        ends, starts = before.reading.series.request.end, after.reading.series.request.start
        seams.append(
            {
                "predecessor": before.link.symbol,
                "successor": after.link.symbol,
                "ratio": after.link.units / before.link.units,
                "ends": f"{moment(ends):%Y-%m-%dT%H:%M:%SZ}",
                "starts": f"{moment(starts):%Y-%m-%dT%H:%M:%SZ}",
            }
        )
    return seams


def _fingerprint(
    conn: psycopg.Connection, symbol: str, segments: Sequence[Segment], on_gap: str, on_outage: str
) -> str:
    if [segment.link.symbol for segment in segments] == [symbol]:
        return fingerprint_of(conn, segments[0].reading, on_gap, on_outage)
    lines = [
        f"{segment.link.symbol} {segment.link.units!r} {fingerprint_of(conn, segment.reading, on_gap, on_outage)}"
        for segment in segments
    ]
    return hashlib.sha256("\n".join(["klines chain 1", *lines]).encode()).hexdigest()
