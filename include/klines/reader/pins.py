"""Pinned datasets: kept by prune, read again the same in two years, and honest about what was revised since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from include.klines.errors import InvalidRequest
from include.klines.reader.catalog import read_fingerprint
from include.klines.reader.connection import snapshot
from include.klines.reader.errors import FingerprintMismatch, UnknownPin
from include.klines.reader.fingerprints import combine_many
from include.klines.reader.frames import read_frame
from include.klines.reader.request import (
    DEFAULT_COLUMNS,
    OnGap,
    OnOutage,
    Request,
    Time,
    check_policies,
    in_utc,
    micros,
    parse_columns,
    parse_request,
    parse_symbols,
)
from include.klines.reader.series import CAUSES, EXPLAINED, series_binds
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pandas as pd

NAMED = 3
OPEN = (TransactionStatus.ACTIVE, TransactionStatus.INTRANS, TransactionStatus.INERROR)


@dataclass(frozen=True)
class Pin:
    """A pinned dataset. symbols None pins every symbol; fingerprint None is a promise about rows not loaded yet."""

    name: str
    symbols: tuple[str, ...] | None
    timeframe: str
    start: datetime
    end: datetime
    fingerprint: str | None
    on_gap: OnGap
    on_outage: OnOutage
    note: str | None
    pinned_at: datetime


def pin(
    name: str,
    symbols: Iterable[str],
    timeframe: str,
    start: Time,
    end: Time,
    *,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    note: str | None = None,
    dsn: str | psycopg.Connection | None = None,
) -> Pin:
    """Keep a dataset: prune never removes it, and load_pinned(name) gives the same candles or says what changed.

    Needs the role market_writer. Raises InvalidRequest where the name is taken, or `dsn` a connection inside a
    transaction, and whatever load_ohlcv would raise: only a dataset that can be read can be pinned. Waits for prunes
    that remove candles and for loads that are storing some; they wait for it. What a load stores before is pinned, what
    it stores after was revised or added since.
    """
    _refuse_open_transaction(dsn)
    names, request = parse_symbols(symbols), parse_request(timeframe, start, end)
    check_policies(on_gap, on_outage)
    with snapshot(dsn, write=True) as conn:
        conn.execute(statement("hold_pins"))  # before anything is read: prunes and loads have ended, or come later
        conn.execute(statement("hold_loads"))
        with snapshot(conn, request.length):  # behind them: a prune too locks dataset_pin before the candles
            digest = combine_many({one: read_fingerprint(conn, one, request, on_gap, on_outage) for one in names})
        binds = series_binds("", request) | {
            "name": name, "symbols": list(names), "fingerprint": digest,
            "on_gap": on_gap, "on_outage": on_outage, "note": note,
        }  # fmt: skip
        row = conn.execute(statement("pin"), binds).fetchone()
        if row is None:
            raise InvalidRequest(
                f"a dataset named {name!r} is pinned already: choose another name, or unpin({name!r})."
            )
        return _find(conn, name)


def unpin(name: str, *, dsn: str | psycopg.Connection | None = None) -> None:
    """Let a dataset go: the next prune may remove it. Needs the role market_writer. UnknownPin where there is none."""
    with snapshot(dsn, write=True) as conn:
        if conn.execute(statement("unpin"), {"name": name}).fetchone() is None:
            raise _unknown(conn, name)


def pins(*, dsn: str | psycopg.Connection | None = None) -> list[Pin]:
    """All pinned datasets, by name."""
    with snapshot(dsn) as conn:
        return [_pin(*in_utc(row)) for row in conn.execute(statement("pinned"), {"name": None})]


def load_pinned(
    name: str,
    *,
    columns: Iterable[str] = DEFAULT_COLUMNS,
    revised: Literal["raise", "undo", "accept"] = "raise",
    dsn: str | psycopg.Connection | None = None,
) -> dict[str, pd.DataFrame]:
    """The frames of a pinned dataset by symbol, as load_ohlcv gives them, checked against the pinned fingerprint.

    revised, for a dataset that is not what it was: "raise" FingerprintMismatch, which names what was revised, added or
    lost; "undo" gives the values of the day of pinning (and raises where that is not enough); "accept" gives today's
    values, and attrs["revised_since_pinned"] of each frame counts what changed. Raises UnknownPin, and
    load_ohlcv's errors.
    """
    if revised not in {"raise", "undo", "accept"}:
        raise InvalidRequest(f"revised={revised!r} is not a policy: use raise, undo or accept.")
    wanted = parse_columns(columns)
    with snapshot(dsn) as conn:
        kept = _find(conn, name)
    if kept.symbols is None:
        raise InvalidRequest(f"the pin {name!r} keeps every symbol: read those you need with load_many().")
    request = parse_request(kept.timeframe, kept.start, kept.end)
    as_of = micros(kept.pinned_at) if revised == "undo" else None
    policies = (kept.on_gap, kept.on_outage)
    with snapshot(dsn, request.length) as conn:
        frames = {
            symbol: read_frame(conn, symbol, request, wanted, *policies, as_of=as_of, by_recording=True)
            for symbol in kept.symbols
        }
        changed = _since(conn, "revised_since", kept, request)
        added = _since(conn, "inserted_since", kept, request)
    actual = combine_many({symbol: frame.attrs["fingerprint"] for symbol, frame in frames.items()})
    if kept.fingerprint not in {None, actual} and revised != "accept":
        raise _mismatch(kept, actual, frames, changed, added, undone=revised == "undo")
    for symbol, frame in frames.items():
        frame.attrs["pin"] = name
        frame.attrs["revised_since_pinned"] = sum(one == symbol for one, _ in changed)
    return frames


def _refuse_open_transaction(dsn: str | psycopg.Connection | None) -> None:
    """Its snapshot may be older than what a prune or a load has left, and loads would wait until it ends."""
    if isinstance(dsn, psycopg.Connection) and dsn.info.transaction_status in OPEN:
        raise InvalidRequest(
            "pin() needs a transaction of its own, and the connection is inside one: commit or roll back first."
        )


def _find(conn: psycopg.Connection, name: str) -> Pin:
    row = conn.execute(statement("pinned"), {"name": name}).fetchone()
    if row is None:
        raise _unknown(conn, name)
    return _pin(*in_utc(row))


def _pin(
    name: str, symbols: list[str] | None, timeframe: str, start: datetime, end: datetime, fingerprint: str | None,
    on_gap: OnGap, on_outage: OnOutage, note: str | None, pinned_at: datetime,
) -> Pin:  # fmt: skip
    return Pin(
        name,
        tuple(symbols) if symbols else None,
        timeframe,
        start,
        end,
        fingerprint,
        on_gap,
        on_outage,
        note,
        pinned_at,
    )


def _unknown(conn: psycopg.Connection, name: str) -> UnknownPin:
    known = [row[0] for row in conn.execute(statement("pinned"), {"name": None})]
    return UnknownPin(f"no dataset is pinned as {name!r}: there are {', '.join(known) or 'none'}.")


def _since(conn: psycopg.Connection, name: str, kept: Pin, request: Request) -> list[Any]:
    binds = series_binds("", request) | {"symbols": list(kept.symbols or ()), "as_of": kept.pinned_at}
    return [in_utc(row) for row in conn.execute(statement(name), binds)]


def _mismatch(
    kept: Pin,
    actual: str,
    frames: dict[str, pd.DataFrame],
    changed: list[tuple[str, datetime]],
    added: list[tuple[str, str, datetime, datetime, int]],
    *,
    undone: bool,
) -> FingerprintMismatch:
    lost = [
        (symbol, *window)
        for symbol, frame in frames.items()
        for window in frame.attrs["coverage"]["windows"]
        if window[3] not in CAUSES[EXPLAINED:]
    ]
    causes = [
        "the exchange has revised " + _named([f"{symbol} {opened:%Y-%m-%d %H:%M}" for symbol, opened in changed])
        if changed and not undone
        else "",
        _named([
            f"{dag} has added {_count(candles)} to {symbol} between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}"
            for symbol, dag, start, end, candles in added
        ]),
        _named([f"{symbol} lacks {_count(candles)} from {start} on" for symbol, start, _, candles, _ in lost]),
    ]  # fmt: skip
    why = "; ".join(cause for cause in causes if cause) or "candles were changed, added or removed past the loads"
    if changed and not (undone or added or lost):
        mend = f"load_pinned({kept.name!r}, revised='undo') reads it as it was"
    else:
        mend = "compare coverage(), or pin it anew"
    return FingerprintMismatch(
        f"the dataset {kept.name!r} is not what was pinned on {kept.pinned_at:%Y-%m-%d %H:%M}: {why}; {mend}.",
        kept.fingerprint or "",
        actual,
        changed,
        added,
    )


def _count(candles: int) -> str:
    return "1 candle" if candles == 1 else f"{candles:,} candles"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
