"""What the scheduled Dags share: which series are kept up to date, and how fresh the universe has to be."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from include.klines import sql
from include.klines.quality import measuring
from include.klines.quality.promised import measure_moved
from include.klines.universe.config import load_universe
from include.klines.universe.listings import sync_universe
from include.klines.universe.selection import fetch_listings, select_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

    from binance_plugin.client import BinanceClient
    from include.klines.quality.measuring import Series
    from include.klines.universe.selection import Listing

log = logging.getLogger(__name__)

MOST_LANES = 40
"""450 pairs in two timeframes stay under it; the core alone makes four."""
SYNC_EVERY = timedelta(hours=1)
"""A catchup over many days asks once an hour what is listed, not once for each day of the past."""


def keep_universe(
    client: BinanceClient, conn: psycopg.Connection, *, clock: datetime, symbols: Sequence[str] = ()
) -> tuple[str, ...]:
    """Sync the universe unless that was done within SYNC_EVERY of `clock`; lines for the run's note.

    Dates are kept for `symbols`, else for the core, and for whatever is stored. What was promised of a listing that
    moved is measured again. Raises as sync_universe does.
    """
    listings = fetch_listings(conn)
    stored = {symbol for symbol, _ in measuring.known_series(conn)}
    wanted = {*symbols, *stored} if symbols else {*load_universe().core, *stored}
    (synced_at,) = conn.execute(sql.load("universe/last_sync").encode()).fetchone() or (None,)
    if synced_at is not None and timedelta() <= clock - synced_at < SYNC_EVERY:
        undated = {row.symbol for row in listings if row.listed_at is None and row.excluded_by is None}
        if not undated & wanted and {row.symbol for row in listings}.issuperset(symbols):
            return ()
    report = sync_universe(
        client,
        conn,
        symbols=symbols or None,
        tier=None if symbols else "core",
        also=sorted(stored),
        clock=lambda: clock,
    )
    log.info("universe: %s", report.summary())
    measure_moved(conn, report.moved, clock)
    return tuple(report.summary().splitlines())


def stored_series(
    conn: psycopg.Connection,
    listings: Sequence[Listing],
    *,
    symbols: Sequence[str] = (),
    timeframes: Sequence[str],
    limit: int | None = None,
) -> list[Series]:
    """The series that are stored, of `symbols` (none: of all), in loading order; `limit` keeps the first N symbols.

    What a rule of universe.yaml leaves out by now is not among them. InvalidRequest for a symbol that nobody knows.
    """
    chosen = select_symbols(listings, tier="all", symbols=symbols or None)
    stored = set(measuring.known_series(conn, chosen, timeframes))
    chosen = [symbol for symbol in chosen if any((symbol, name) in stored for name in timeframes)][:limit]
    return [(symbol, name) for name in timeframes for symbol in chosen if (symbol, name) in stored]


def kept_series(
    conn: psycopg.Connection, listings: Sequence[Listing], *, symbols: Sequence[str] = (), timeframes: Sequence[str]
) -> list[Series]:
    """The series that daily increments go on with, in loading order: `symbols`, else the core and what is stored."""
    if symbols:
        chosen = select_symbols(listings, symbols=symbols)
        return [(symbol, name) for name in timeframes for symbol in chosen]
    core, stored = set(select_symbols(listings)), set(measuring.known_series(conn, None, timeframes))
    order = select_symbols(listings, tier="all")
    return [(symbol, name) for name in timeframes for symbol in order if symbol in core or (symbol, name) in stored]
