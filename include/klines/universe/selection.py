"""The listings that are known, and which symbols of them a run works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from include.klines import sql
from include.klines.errors import InvalidRequest
from include.klines.universe.config import TIERS, load_universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    import psycopg

    from include.klines.universe.config import Universe


@dataclass(frozen=True)
class Listing:
    """One row of symbol_listing: one asset that bore a ticker. Times in UTC, [listed_at, delisted_at)."""

    symbol: str
    listing_number: int
    exchange_symbol: str
    base_asset: str
    quote_asset: str
    tier: str
    status: str
    excluded_by: str | None = None
    listed_at: datetime | None = None
    delisted_at: datetime | None = None
    successor: str | None = None
    successor_ratio: Decimal | None = None
    note: str | None = None
    holes_checked_until: datetime | None = None


def fetch_listings(conn: psycopg.Connection) -> list[Listing]:
    """Every listing of the database, by symbol and listing number."""
    with conn.cursor(row_factory=class_row(Listing)) as cursor:
        return cursor.execute(sql.load("universe/select_listings").encode()).fetchall()


def select_symbols(
    listings: Iterable[Listing],
    *,
    tier: str = "core",
    symbols: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[str]:
    """The symbols of a run in loading order: `symbols` as given, else the tier's (core, extended, all).

    Core comes in the order of universe.yaml, then the extended tier: trading pairs first, the oldest first. Delisted
    pairs are part of a tier. `limit` keeps the first N. A pair without a row is not there.
    InvalidRequest for an unknown tier or symbol, an excluded symbol or a limit below 1.
    """
    universe = load_universe()
    latest = {listing.symbol: listing for listing in sorted(listings, key=lambda row: row.listing_number)}
    if limit is not None and limit < 1:
        raise InvalidRequest(f"limit is {limit}, but must be at least 1: leave it out to take every symbol.")
    if symbols:
        chosen = universe.resolve(symbols, latest)
        refuse_excluded(((symbol, latest[symbol].excluded_by) for symbol in chosen if symbol in latest), universe)
        chosen = [symbol for symbol in chosen if symbol in latest]
    else:
        chosen = _tier(latest, tier, universe)
    return chosen[:limit]


def refuse_excluded(chosen: Iterable[tuple[str, str | None]], universe: Universe) -> None:
    """InvalidRequest for the first (symbol, rule name) that a rule of universe.yaml leaves out."""
    reasons = {rule.name: rule.reason for rule in universe.rules}
    for symbol, rule in chosen:
        if rule is not None:
            reason = reasons.get(rule, "a rule that universe.yaml no longer has")
            raise InvalidRequest(f"{symbol} is left out by the rule {rule} of universe.yaml: {reason}.")


def _tier(latest: dict[str, Listing], tier: str, universe: Universe) -> list[str]:
    if tier not in TIERS:
        raise InvalidRequest(f"tier {tier!r} is not known: use one of {', '.join(TIERS)}.")
    core = [symbol for symbol in universe.core if symbol in latest]
    rest = (row for row in latest.values() if row.tier == "extended" and row.symbol not in universe.core)
    extended = [row.symbol for row in sorted(rest, key=_extended_order)]
    return {"core": core, "extended": extended, "all": core + extended}[tier]


def _extended_order(row: Listing) -> tuple[bool, float, str]:
    age = row.listed_at.timestamp() if row.listed_at else float("inf")
    return row.delisted_at is not None or row.status != "TRADING", age, row.symbol
