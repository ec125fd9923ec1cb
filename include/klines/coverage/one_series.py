"""One series: how far it reaches, what is missing and why, what was loaded, and how to read it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from include.klines.coverage import store
from include.klines.errors import InvalidRequest, KlinesError
from include.klines.percent import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_GAPS = 2000
MOST_OUTAGES = 500
MOST_REVISIONS = 200
MOST_ANOMALIES = 200
LAST_LOADS = 20
MOST_HASHED = 200_000
"""A fingerprint is made for so many candles at most: beyond, a reader has to ask for it."""
MOST_DRAWN = 600_000
"""So many candles of a series are read at most for one chart."""


def find(conn: psycopg.Connection, symbol: str, timeframe: str) -> dict[str, Any] | None:
    """What is known of a series, None where nothing of it is stored."""
    found = store.rows(conn, "one_series", symbol=symbol, timeframe=timeframe)
    return found[0] if found else None


def describe(
    conn: psycopg.Connection,
    known: Mapping[str, Any],
    start: datetime | None,
    end: datetime | None,
    clock: datetime,
) -> dict[str, Any]:
    """The answer for a series; start and end cut gaps, outages, revisions, anomalies, fingerprint and calls."""
    symbol, timeframe = known["symbol"], known["timeframe"]
    starts, ends = span(known, start, end)
    series = {"symbol": symbol, "timeframe": timeframe}
    within = {"starts": starts, "ends": ends}
    revisions = store.rows(conn, "series_revisions", **series, **within, most=MOST_REVISIONS)
    anomalies = store.rows(conn, "series_anomalies", **series, **within, most=MOST_ANOMALIES)
    gaps = store.rows(conn, "series_gaps", **series, **within, most=MOST_GAPS)
    fingerprint, note = _fingerprint(conn, known, starts, ends)
    expected, present, unfillable = (known[name] or 0 for name in ("expected", "present", "unfillable"))
    return {
        "as_of": clock,
        "measured_at": known["measured_at"],
        **series,
        "exchange_symbol": known["exchange_symbol"],
        "tier": known["tier"],
        "listings": store.rows(conn, "series_listings", symbol=symbol),
        "first": known["first"],
        "last": known["last"],
        "last_sync": known["last_sync"],
        "step_seconds": known["step_seconds"],
        "candles": known["candles"],
        "expected": expected,
        "raw": percent(present, expected),
        "adjusted": percent(present, expected - unfillable),
        "fingerprint": fingerprint,
        "fingerprint_note": note,
        "fingerprint_range": [starts, ends],
        "gaps": gaps,
        "outages": store.rows(conn, "series_outages", timeframe=timeframe, **within, most=MOST_OUTAGES),
        "revisions": [_without(row, "total") for row in revisions],
        "revisions_total": revisions[0]["total"] if revisions else 0,
        "anomalies": [_without(row, "total") for row in anomalies],
        "anomalies_total": anomalies[0]["total"] if anomalies else 0,
        "loads": store.rows(conn, "series_loads", **series, most=LAST_LOADS),
        "reader": _reader_call(symbol, timeframe, starts, ends),
        "sql": _statement(symbol, timeframe, starts, ends),
        "trigger": triggers(symbol, timeframe, starts, min(ends, clock)),
    }


def span(known: Mapping[str, Any], start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The range that is meant, on the grid of whole candles; the whole series where nothing is given."""
    step = timedelta(seconds=known["step_seconds"])
    starts = _floor(start, step) if start else known["first"]
    ends = _floor(end - timedelta(microseconds=1), step) + step if end else known["last"] + step
    if starts >= ends:
        raise InvalidRequest(
            f"start must lie before end: the series has candles from {store.iso(known['first'])} "
            f"to {store.iso(known['last'])}."
        )
    return starts, ends


def candles(
    conn: psycopg.Connection,
    known: Mapping[str, Any],
    start: datetime | None,
    end: datetime | None,
    points: int,
    clock: datetime,
) -> bytes:
    """Prices and volumes for a chart as JSON: at most `points` buckets, each of whole candles."""
    starts, ends = span(known, start, end)
    step = timedelta(seconds=known["step_seconds"])
    ends = min(ends, known["last"] + step) if start is None or start <= known["last"] else ends
    if start is None and end is None:
        starts = max(starts, ends - MOST_DRAWN * step)
    if (ends - starts) / step > MOST_DRAWN:
        raise InvalidRequest(
            f"a chart reads at most {MOST_DRAWN:,} candles: choose a shorter range or a longer timeframe."
        )
    places = -(-(ends - starts) // step)
    bucket = -(-places // points) * known["step_seconds"]
    drawn = store.text(
        conn,
        "candles",
        symbol=known["symbol"],
        timeframe=known["timeframe"],
        starts=starts,
        ends=ends,
        bucket_seconds=bucket,
    )
    head = {
        "as_of": clock,
        "symbol": known["symbol"],
        "timeframe": known["timeframe"],
        "start": starts,
        "end": ends,
        "step_seconds": known["step_seconds"],
        "bucket_seconds": bucket,
    }
    return store.to_json(head)[:-1] + b"," + drawn.encode()[1:]


def triggers(symbol: str, timeframe: str, starts: datetime, ends: datetime) -> dict[str, Any]:
    """The Dags that mend or extend the series, each with its params filled in; `url` is below the UI's base."""
    last_day = (ends - timedelta(microseconds=1)).date()
    if ends.date() == last_day:  # a gap fill asks for whole days, and this one is not over
        last_day = max(last_day - timedelta(days=1), starts.date())
    conf = {
        "symbols": [symbol],
        "timeframes": [timeframe],
        "start": starts.date().isoformat(),
        "end": last_day.isoformat(),
    }
    return {
        name: {"dag_id": dag_id, "conf": conf, "url": f"/dags/{dag_id}"}
        for name, dag_id in (("fill", "klines_weekly_gap_fill"), ("load", "klines_initial_load"))
    }


def _fingerprint(
    conn: psycopg.Connection, known: Mapping[str, Any], starts: datetime, ends: datetime
) -> tuple[str | None, str]:
    """The reader's fingerprint of the range, or None and why there is none."""
    if (ends - starts).total_seconds() / known["step_seconds"] > MOST_HASHED:
        return None, f"Made on demand for more than {MOST_HASHED:,} candles: ask the reader, or choose a shorter range."
    from include.klines.reader.catalog import read_fingerprint  # brings pandas, which takes a second to import
    from include.klines.reader.request import parse_request

    try:
        with conn.transaction():
            request = parse_request(known["timeframe"], starts, ends)
            return read_fingerprint(conn, known["symbol"], request, "raise", "mask"), ""
    except (KlinesError, psycopg.errors.QueryCanceled) as error:
        return None, str(error).strip()


def _reader_call(symbol: str, timeframe: str, starts: datetime, ends: datetime) -> str:
    return f"load_ohlcv({json.dumps(symbol, ensure_ascii=False)}, {timeframe!r}, {_short(starts)!r}, {_short(ends)!r})"


def _statement(symbol: str, timeframe: str, starts: datetime, ends: datetime) -> str:
    words = (symbol, timeframe, f"{_short(starts)}+00", f"{_short(ends)}+00")
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"SELECT * FROM ohlcv({quoted});"  # noqa: S608 – a text to copy, which nobody runs here


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = int(moment.timestamp()) // int(step.total_seconds()) * int(step.total_seconds())
    return datetime.fromtimestamp(seconds, moment.tzinfo)


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
