"""Asks the exchange whether it stood still: for a hole that no second stored pair can confirm or contradict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.intervals import parse_timeframe
from include.klines.quality import measuring
from include.klines.universe.config import load_universe
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from binance_plugin.client import BinanceClient

REFERENCES = 3
"""So many symbols, the first of the core, are asked for."""
AT_MOST = 60
"""Requests of one call: more holes than these wait for the next measurement."""


def ask_witnesses(
    client: BinanceClient,
    conn: psycopg.Connection,
    *,
    timeframes: Sequence[str],
    window: Window,
    clock: datetime,
) -> None:
    """Ask REST for reference pairs in the open holes that only one stored pair can speak for; keep what are outages.

    A hole is an outage where a reference misses it too, with a candle right before and right after; one candle inside
    says that the pair stood still alone. At most AT_MOST requests, one a hole and reference. Call it before `measure`.
    The client's errors pass through; what was found by then is kept.
    """
    universe = load_universe()
    binds = {
        "timeframes": list(timeframes),
        "range_start": window.start,
        "range_end": window.end,
        "clock": clock,
        "at_most": AT_MOST,
    }
    _run(conn, "discover_outages", binds)
    lonely = _run(conn, "lonely_holes", binds).fetchall()
    asked = 0
    for timeframe, start, end, symbols in lonely:
        hole = Window(start, end)
        for reference in universe.core[:REFERENCES]:
            if reference in symbols or asked >= AT_MOST:
                continue
            asked += 1
            answer = _misses(client, universe.exchange_symbol(reference), timeframe, hole)
            if answer:
                evidence = (
                    f"No {timeframe} candle for {symbols[0]} (stored) and for {reference} (REST, asked on "
                    f"{clock:%Y-%m-%d}), both with candles right before and after."
                )
                found = {"timeframe": timeframe, "starts_at": start, "ends_at": end, "evidence": evidence}
                _run(conn, "record_outage", found | {"clock": clock})
            if answer is not None:
                break
    measuring.explain(conn, window, clock)


def _misses(client: BinanceClient, exchange_symbol: str, timeframe: str, hole: Window) -> bool | None:
    """True where the pair has candles right before and after the hole and none inside; None where it cannot tell.

    REST leaves missing candles out, so that three rows decide, however long the hole is.
    """
    step = parse_timeframe(timeframe).delta
    around = Window(hole.start - step, hole.end + step)
    rows = client.klines(exchange_symbol, timeframe, start=around.start, end=around.end, limit=3)
    opens = [datetime.fromtimestamp(int(row[0]) / 1000, tz=UTC) for row in rows]
    if any(moment in hole for moment in opens):
        return False
    return True if opens == [around.start, hole.end] else None


def _run(conn: psycopg.Connection, name: str, binds: dict[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
    return conn.execute(sql.load(f"quality/{name}").encode(), binds)
