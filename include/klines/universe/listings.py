"""Brings symbol_listing up to date: what the exchange trades, what it ever traded, and from when to when.

exchangeInfo names what trades now, the archive listing what ever existed; neither has dates. Those are discovered by
first and last candles, once a pair, and only for the pairs a run asks for: hundreds of pairs cost no request a day.
Several pairs are asked for at once: see side_by_side.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING

from psycopg.pq import TransactionStatus

from binance_plugin.errors import ArchiveError
from include.klines import sql
from include.klines.errors import InvalidRequest, LoadError
from include.klines.universe.classification import ARCHIVE_ONLY, Pair, Unclassified, classify
from include.klines.universe.config import TIERS, Universe, load_universe
from include.klines.universe.dating import Dated
from include.klines.universe.discovery import HOLE, Life
from include.klines.universe.moves import moved
from include.klines.universe.selection import Listing, fetch_listings, refuse_excluded
from include.klines.universe.side_by_side import Dating, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import psycopg

    from binance_plugin.client import BinanceClient
    from include.klines.windows import Window

HALT_NEEDS_PAIRS = 10
"""Where this many pairs are known and none is trading, the exchange stands still and nothing was delisted."""


@dataclass(frozen=True)
class SyncReport:
    """What one sync saw and changed. Each tuple holds project symbols unless it says otherwise."""

    synced_at: datetime
    pairs: int
    trading: int
    requests: int
    listed: tuple[str, ...]
    delisted: tuple[str, ...]
    relisted: tuple[str, ...]
    reused: tuple[str, ...]
    undated: tuple[str, ...]
    """Asked for, but without a single candle to date them by; asked again next time."""
    absent: tuple[str, ...]
    """Core members that neither exchangeInfo nor the archive knows."""
    unclassified: tuple[Unclassified, ...]
    archive_error: str | None = None
    halted: bool = False
    moved: tuple[tuple[str, Window], ...] = ()
    """Symbols known before, with the spans in which they are listed by now and were not, or were and are not."""

    def summary(self) -> str:
        """A few lines for a run's note: what is new, and everything a person should look at."""
        lines = [f"{self.pairs} pairs known, {self.trading} of them trading ({self.requests} requests)"]
        for name in ("listed", "delisted", "relisted", "reused", "undated", "absent"):
            if symbols := getattr(self, name):
                more = f" and {len(symbols) - 12} more" if len(symbols) > 12 else ""
                lines.append(f"{name}: {', '.join(symbols[:12])}{more}")
        lines += [f"look at {finding}" for finding in self.unclassified]
        if self.archive_error:
            lines.append(f"the archive could not be listed, so delisted pairs may be missing: {self.archive_error}")
        if self.halted:
            lines.append("no pair is trading: the exchange stands still, and nothing is taken for delisted")
        return "\n".join(lines)


def sync_universe(
    client: BinanceClient,
    conn: psycopg.Connection,
    *,
    symbols: Sequence[str] | None = None,
    tier: str | None = None,
    limit: int | None = None,
    also: Sequence[str] = (),
    clock: Callable[[], datetime] | None = None,
    universe: Universe | None = None,
) -> SyncReport:
    """Classify every pair, discover the dates of those asked for (`symbols`, else the tier, else all), store the rows.

    Where the first `limit` symbols of the tier are all core members, only those are asked for: their order is known.
    The dates of `also` are kept up to date too, where the exchange knows them and no rule leaves them out.

    `conn` must be outside a transaction; the rows are written in one. A second sync at the same time waits for the
    first. `clock` is the exchange's clock unless given. A second run changes only synced_at.
    Raises InvalidRequest for symbols or tiers that are not known or left out, LoadError where exchangeInfo names no
    pair, and BinanceError where the exchange cannot be asked: dates found by then are stored, and the next sync goes on
    from there.
    """
    universe = universe or load_universe()
    if tier is not None and tier not in TIERS:
        raise InvalidRequest(f"tier {tier!r} is not known: use one of {', '.join(TIERS)}.")
    with _alone(conn):
        now = clock() if clock else client.server_time()
        with conn.transaction():
            known = fetch_listings(conn)
        sync = _Sync(client, universe, now, known)
        rows = sync.run(symbols, tier, limit, also)
        with conn.transaction():
            _write(conn, rows, now)
        if sync.dating.stopped_by is not None:
            raise sync.dating.stopped_by
        return sync.report(rows)


class _Sync:
    def __init__(self, client: BinanceClient, universe: Universe, now: datetime, known: list[Listing]) -> None:
        self.client, self.universe, self.now = client, universe, now
        self.known: dict[str, list[Listing]] = {}
        for listing in known:
            self.known.setdefault(listing.symbol, []).append(listing)
        self.requests_before = client.stats.requests
        self.archive_error: str | None = None
        self.halted = False
        self.members: list[Pair] = []
        self.unclassified: list[Unclassified] = []
        self.dating = Dating(client, universe, now)

    def run(
        self, symbols: Sequence[str] | None, tier: str | None, limit: int | None, also: Sequence[str]
    ) -> list[Listing]:
        """Every row as it shall be stored."""
        self.members, self.unclassified = classify(self.client.exchange_info(), self._archived(), self.universe)
        if not self.members:
            raise LoadError(
                f"exchangeInfo names no {self.universe.quote} pair, so nothing was stored: look at its answer."
            )
        wanted = self._wanted(symbols, tier, limit) | set(also)
        candidates = [pair for pair in self.members if pair.tier != "excluded"]
        self.halted = len(candidates) >= HALT_NEEDS_PAIRS and not any(pair.trading for pair in candidates)
        known = {pair.symbol: self._known(pair) for pair in self.members}
        questions = [
            Question(pair, known[pair.symbol], thorough=bool(symbols) or pair.tier == "core")
            for pair in candidates
            if pair.symbol in wanted
        ]
        dated = known | self.dating.run(questions, halted=self.halted)
        return [row for pair in self.members for row in self._rows(pair, dated[pair.symbol])]

    def report(self, rows: list[Listing]) -> SyncReport:
        """What happened, by comparing `rows` with what was known."""
        running = {symbol for symbol, before in self.known.items() if before[-1].delisted_at is None}
        seen = {pair.symbol for pair in self.members}
        broken = {finding.symbol for finding in self.unclassified}
        for symbol, before in self.known.items():
            if symbol not in seen and before[0].exchange_symbol not in broken and self.archive_error is None:
                reason = "neither exchangeInfo nor the archive names it any more; its listing is left as it was"
                self.unclassified.append(Unclassified(before[0].exchange_symbol, reason))
        return SyncReport(
            synced_at=self.now,
            pairs=len(self.members),
            trading=sum(pair.trading for pair in self.members),
            requests=self.client.stats.requests - self.requests_before,
            listed=tuple(pair.symbol for pair in self.members if self._is_new(pair)),
            delisted=tuple(
                row.symbol for row in _latest(rows) if row.symbol in running and row.delisted_at is not None
            ),
            relisted=tuple(self.dating.relisted),
            reused=tuple(self.dating.reused),
            undated=tuple(self.dating.undated),
            absent=tuple(symbol for symbol in self.universe.core if symbol not in seen),
            unclassified=(*self.unclassified, *self.dating.unclassified),
            archive_error=self.archive_error,
            halted=self.halted,
            moved=moved(list(chain.from_iterable(self.known.values())), rows, self.now),
        )

    def _is_new(self, pair: Pair) -> bool:
        return pair.tier != "excluded" and pair.trading and pair.symbol not in self.known

    def _archived(self) -> list[str]:
        try:
            return list(self.client.archive_symbols())
        except ArchiveError as error:
            self.archive_error = str(error)
            return []

    def _wanted(self, symbols: Sequence[str] | None, tier: str | None, limit: int | None) -> set[str]:
        excluded_by = {pair.symbol: pair.excluded_by for pair in self.members}
        if symbols:
            chosen = self.universe.resolve(symbols, [*excluded_by, *self.known])
            refuse_excluded(((symbol, excluded_by.get(symbol)) for symbol in chosen), self.universe)
            return set(chosen)
        tiers = {"core", "extended"} if tier in {None, "all"} else {tier}
        chosen = [pair.symbol for pair in self.members if pair.tier in tiers]
        core = [symbol for symbol in chosen if symbol in self.universe.core]
        return set(core[:limit] if limit is not None and limit <= len(core) else chosen)

    def _known(self, pair: Pair) -> Dated:
        before = self.known.get(pair.symbol, [])
        return Dated(
            lives=[Life(row.listed_at, row.delisted_at) for row in before if row.listed_at is not None],
            holes_checked_until=before[-1].holes_checked_until if before else None,
            hole_note=next((row.note for row in before if row.note and row.note.startswith(HOLE)), None),
        )

    def _rows(self, pair: Pair, dated: Dated) -> list[Listing]:
        """One row a life, or one without dates; the last one is what the exchange knows under the ticker now."""
        rename = self.universe.rename_of(pair.symbol)
        last = Listing(
            symbol=pair.symbol,
            listing_number=max(1, len(dated.lives)),
            exchange_symbol=pair.exchange_symbol,
            base_asset=pair.base_asset,
            quote_asset=pair.quote_asset,
            tier=pair.tier,
            status=pair.status,
            excluded_by=pair.excluded_by,
            successor=rename.new if rename else None,
            successor_ratio=rename.new_per_old if rename else None,
            note=dated.hole_note or pair.note,
            holes_checked_until=dated.holes_checked_until,
        )
        earlier = replace(
            last, status=ARCHIVE_ONLY, successor=None, successor_ratio=None, note="another asset bore the ticker"
        )
        rows = [
            replace(
                last if number == len(dated.lives) else earlier,
                listing_number=number,
                listed_at=life.listed_at,
                delisted_at=life.delisted_at,
            )
            for number, life in enumerate(dated.lives, start=1)
        ]
        return rows or [last]


def _latest(rows: Sequence[Listing]) -> list[Listing]:
    return list({row.symbol: row for row in rows}.values())


def _write(conn: psycopg.Connection, rows: list[Listing], now: datetime) -> None:
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(Listing)}
    conn.execute(sql.load("universe/upsert_listings").encode(), {**columns, "synced_at": now})


@contextmanager
def _alone(conn: psycopg.Connection) -> Iterator[None]:
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        raise LoadError("the universe sync needs a connection outside a transaction: commit before it.")
    with conn.transaction():
        conn.execute(sql.load("universe/lock").encode())
    try:
        yield
    finally:
        if not conn.closed:
            with conn.transaction():
                conn.execute(sql.load("universe/unlock").encode())
