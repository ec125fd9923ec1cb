"""Keeps the lives of pairs up to date with as few requests as their state allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from binance_plugin.errors import BadRequest, BadSymbol
from include.klines.universe.archive_life import archive_life
from include.klines.universe.classification import Pair, Unclassified
from include.klines.universe.discovery import (
    GRACE,
    Hole,
    Life,
    divide,
    dividing_holes,
    ended,
    first_candle,
    last_candle_end,
    long_holes,
    quiet_weeks,
)

if TYPE_CHECKING:
    from binance_plugin.client import BinanceClient
    from include.klines.universe.config import Universe

SEARCH_HOLES_EVERY = timedelta(days=30)


@dataclass(frozen=True)
class Dated:
    """The lives of one pair, how far long holes were searched for, and what was found and not resolved.

    relisted: the asset trades again; reused: another asset bears its ticker; both, and `findings`, as of this sync.
    """

    lives: list[Life]
    holes_checked_until: datetime | None
    hole_note: str | None
    relisted: bool = False
    reused: bool = False
    findings: tuple[Unclassified, ...] = ()


class Dater:
    """Asks the exchange, then the archive, about one pair after the other; not for several threads.

    halted: the exchange stands still, so that nothing is taken for delisted.
    """

    def __init__(self, client: BinanceClient, universe: Universe, now: datetime, *, halted: bool) -> None:
        self.client, self.universe, self.now, self.halted = client, universe, now, halted
        self.has_weeks = True

    def is_settled(self, pair: Pair, known: Dated, thorough: bool) -> bool:
        """Whether `dated` asks for nothing and changes nothing."""
        if not known.lives:
            return False
        had_ended = known.lives[-1].delisted_at is not None
        may_end = not pair.trading and not had_ended and not self.halted
        is_back = pair.trading and had_ended
        return not (may_end or is_back or self._is_searched(pair, known, thorough))

    def dated(self, pair: Pair, known: Dated, thorough: bool) -> Dated:
        """`known` brought up to date. `thorough` searches for long holes too.

        Raises BinanceError and RefusedFile where the exchange or the archive cannot be asked for this pair.
        """
        lives = known.lives or self._first_life(pair)
        if not lives:
            return known
        last = lives[-1]
        if pair.trading and last.delisted_at is not None:
            return self._relisted(pair, known)
        if not pair.trading and last.delisted_at is None and not self.halted:
            lives = [*lives[:-1], replace(last, delisted_at=self._end(pair))]
        dated = replace(known, lives=lives)
        if not self._is_searched(pair, dated, thorough):
            return dated
        searched_until = dated.holes_checked_until
        if pair.symbol in self.universe.reused_tickers and len(lives) == 1:
            searched_until = None
        return self._divided(pair, dated, since=searched_until or last.listed_at)

    def _is_searched(self, pair: Pair, dated: Dated, thorough: bool) -> bool:
        """Whether a search for long holes is due."""
        may_be_reused = pair.symbol in self.universe.reused_tickers
        if may_be_reused and len(dated.lives) == 1:
            return True
        until = dated.holes_checked_until
        due = until is None or (pair.trading and self.now - until >= SEARCH_HOLES_EVERY)
        return due and (thorough or may_be_reused)

    def _relisted(self, pair: Pair, dated: Dated) -> Dated:
        """A pair that trades again after it had ended: the same asset, or another one under its ticker."""
        *earlier, last = dated.lives
        dated = replace(dated, lives=[*earlier, replace(last, delisted_at=None)])
        found = self._divided(pair, dated, since=last.delisted_at or last.listed_at)
        return replace(found, relisted=len(found.lives) == len(dated.lives))

    def _first_life(self, pair: Pair) -> list[Life]:
        try:
            listed_at = first_candle(self.client, pair.exchange_symbol)
        except BadSymbol:
            listed_at = None
        if listed_at is not None:
            return [Life(listed_at)]
        life = None if pair.trading else archive_life(self.client, pair.exchange_symbol, self.now)
        return [life] if life else []

    def _end(self, pair: Pair) -> datetime | None:
        try:
            return ended(last_candle_end(self.client, pair.exchange_symbol, self.now), self.now)
        except BadSymbol:
            life = archive_life(self.client, pair.exchange_symbol, self.now)
            return ended(life.delisted_at, self.now) if life else None

    def _divided(self, pair: Pair, dated: Dated, *, since: datetime) -> Dated:
        """Search for long holes after `since`: a reused ticker's last life is cut there, another's jump is reported."""
        *earlier, last = dated.lives
        # A pair that stood still at `since`, as long as the grace allows, has its last candle before it.
        since = max(last.listed_at, since - GRACE - timedelta(days=2))
        name, found = pair.exchange_symbol, self._holes(pair, since)
        if pair.symbol in self.universe.reused_tickers:
            holes = [hole for hole in found if hole.jumps] if earlier else dividing_holes(found)
            reason = "reused_tickers names it, but it has no hole of three days, so it stays one listing"
            findings = () if holes or earlier else (Unclassified(name, reason),)
            lives = [*earlier, *divide(self.client, name, last, holes)]
            return Dated(lives, self.now, None, reused=bool(holes), findings=findings)
        doubt = "another asset or a redenomination? It stays one listing unless reused_tickers names it"
        notes = [f"{hole}: {doubt}" for hole in found]
        return Dated(
            dated.lives,
            self.now,
            notes[-1] if notes else dated.hole_note,
            findings=tuple(Unclassified(name, note) for note in notes),
        )

    def _holes(self, pair: Pair, since: datetime) -> list[Hole]:
        name = pair.exchange_symbol
        try:
            if pair.symbol not in self.universe.reused_tickers and self._quiet_weeks(name, since):
                return []
            holes = long_holes(self.client, name, since, self.now)
        except BadSymbol:
            return []
        return holes if pair.symbol in self.universe.reused_tickers else [hole for hole in holes if hole.jumps]

    def _quiet_weeks(self, exchange_symbol: str, since: datetime) -> bool:
        """True where no week since `since` can hide a jump: one request saves the pages of days."""
        if not self.has_weeks:
            return False
        try:
            return quiet_weeks(self.client, exchange_symbol, since)
        except BadRequest:
            self.has_weeks = False  # an exchange without this interval
            return False
