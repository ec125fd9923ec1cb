"""Fingerprints: what makes two reads the same, hashed the same way everywhere.

A fingerprint is the SHA-256 of a short text (`combine`): symbol, timeframe, range and policies of the read, then a line
for each calendar month that has candles, with their number and their digest. A month's digest (`digest`, and
candle_digest() in SQL) is the SHA-256 of its candles in order of time, all nine values of each, whichever columns were
asked for. So it depends on no machine, no Postgres version and no physical order, and a change of any value of any
candle changes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from include.klines.reader.request import COLUMNS, Request, moment, parse_time
from include.klines.reader.series import POSTGRES_EPOCH, Series, series_binds
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import psycopg
    from numpy.typing import NDArray

CANDLE = np.dtype([("time", ">i8"), *((name, ">i8" if name == "trades" else ">f8") for name in COLUMNS)])
"""The bytes of a candle that are hashed; time in microseconds since 2000-01-01 UTC."""

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Month:
    """Candles of a calendar month (UTC), cut to the range: their number and the SHA-256 of their bytes."""

    first_day: date
    candles: int
    digest: bytes


def digest(times: NDArray[np.int64], values: NDArray[np.float64]) -> bytes:
    """SHA-256 of candles in order of time: microseconds since 1970 UTC, and values with a row for each of COLUMNS."""
    packed = np.empty(len(times), CANDLE)
    packed["time"] = times - POSTGRES_EPOCH
    for row, name in enumerate(COLUMNS):
        packed[name] = values[row]
    return hashlib.sha256(packed.tobytes()).digest()


def months_of(times: NDArray[np.int64], values: NDArray[np.float64]) -> list[Month]:
    """The same as fetch_months, from candles at hand (a file, or rows as they were); values as `digest` takes them."""
    labels = times.astype("datetime64[us]").astype("datetime64[M]")
    firsts = np.flatnonzero(np.diff(labels.astype(np.int64), prepend=-(2**40)))
    parts = zip(firsts, [*firsts[1:], len(times)], strict=True)
    return [
        Month(
            labels[first].astype("datetime64[D]").item(),
            int(last - first),
            digest(times[first:last], values[:, first:last]),
        )
        for first, last in parts
    ]


def fetch_months(
    conn: psycopg.Connection, symbol: str, request: Request, times: NDArray[np.int64] | None = None
) -> list[Month]:
    """The months of a stored series. `times`, the open times as they were read, prove that kept digests still hold."""
    known = None if times is None else {symbol: times}
    return fetch_months_of_many(conn, [symbol], request, known)[symbol]


def fetch_months_of_many(
    conn: psycopg.Connection,
    symbols: Sequence[str],
    request: Request,
    times: Mapping[str, NDArray[np.int64]] | None = None,
) -> dict[str, list[Month]]:
    """fetch_months of several symbols in one statement, or two where a digest is not kept or does not hold."""
    binds = series_binds("", request) | {"symbols": list(symbols)}
    months: dict[str, list[Month]] = {symbol: [] for symbol in symbols}
    if times is None:
        for symbol, *month in conn.execute(statement("months"), binds | {"verify": True}):
            months[symbol].append(Month(*month))
        return months
    edges = _month_edges(request)
    kept = {(symbol, Month(*month)) for symbol, *month in conn.execute(statement("kept_months"), binds)}
    digests = {(symbol, month.first_day, month.candles): month.digest for symbol, month in kept}
    missing: list[tuple[str, int, date, int, int]] = []
    for symbol in symbols:
        counts = np.diff(np.searchsorted(times[symbol], edges)).tolist()
        for candles, (start, end) in zip(counts, pairwise(edges), strict=True):
            first_day = moment(start).date().replace(day=1)
            whole = parse_time(first_day) == start and moment(end).day == 1 and end % DAY == 0
            found = digests.get((symbol, first_day, candles)) if whole else None
            if candles and found is None:
                missing.append((symbol, len(months[symbol]), first_day, start, end))
            if candles:
                months[symbol].append(Month(first_day, candles, found or b""))
    for (symbol, place, first_day, _, _), made in zip(missing, _compute(conn, request, missing), strict=True):
        months[symbol][place] = Month(first_day, *made)
    return months


def _compute(
    conn: psycopg.Connection, request: Request, parts: Sequence[tuple[str, int, date, int, int]]
) -> list[tuple[int, bytes]]:
    if not parts:
        return []
    binds = {
        "symbols": [part[0] for part in parts],
        "timeframe": request.length.name,
        "starts": [moment(part[3]) for part in parts],
        "ends": [moment(part[4]) for part in parts],
    }
    return [(candles, digested) for candles, digested in conn.execute(statement("digests"), binds)]


def _month_edges(request: Request) -> list[int]:
    """Start and end of the range and the months between them, in microseconds."""
    first, last = (np.datetime64(at, "us").astype("datetime64[M]") for at in (request.start, request.end - 1))
    inner = np.arange(first + 1, last + 1).astype("datetime64[us]").astype(np.int64).tolist()
    return [request.start, *inner, request.end]


def combine(
    symbol: str,
    request: Request,
    base: str,
    on_gap: str,
    on_outage: str,
    months: Iterable[Month],
    explained: Sequence[tuple[int, int]],
) -> str:
    """The fingerprint, 64 hexadecimal digits.

    explained: the holes that have an explanation, merged, in microseconds. They belong to the text only where on_gap is
    not raise: there a hole's treatment depends on them, while a read that raises on every other hole has no choice.
    """
    lines = [
        "klines 1",
        f"{symbol} {request.length.name} from {base}",
        f"{_iso(request.start)} {_iso(request.end)}",
        f"on_gap {on_gap} on_outage {on_outage}",
        *(f"{month.first_day:%Y-%m} {month.candles} {month.digest.hex()}" for month in months),
    ]
    if on_gap != "raise":
        lines += [f"explained {_iso(start)} {_iso(end)}" for start, end in explained]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def explained_spans(series: Series) -> list[tuple[int, int]]:
    """The explained holes of a series, merged across causes, in microseconds."""
    edges = np.flatnonzero(np.diff(series.explained.astype(np.int8), prepend=0, append=0))
    at = series.request.start + edges * series.request.length.step
    return [(int(start), int(end)) for start, end in zip(at[::2], at[1::2], strict=True)]


def _iso(microseconds: int) -> str:
    return f"{moment(microseconds):%Y-%m-%dT%H:%M:%SZ}"


def combine_many(fingerprints: Mapping[str, str]) -> str:
    """The fingerprint of several series by symbol: that of the one, or the SHA-256 of a line for each, sorted."""
    if len(fingerprints) == 1:
        return next(iter(fingerprints.values()))
    lines = ["klines set 1", *(f"{symbol} {fingerprint}" for symbol, fingerprint in sorted(fingerprints.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
