"""What a sync of the universe changed about the time in which pairs are listed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from include.klines.windows import Window, merge, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from include.klines.universe.selection import Listing


def moved(before: Iterable[Listing], after: Iterable[Listing], now: datetime) -> tuple[tuple[str, Window], ...]:
    """Symbols of both, with the spans in which they are listed in one of them only; a listing goes on for a day yet."""
    known, found = _lives(before, now), _lives(after, now)
    spans: list[tuple[str, Window]] = []
    for symbol in known.keys() & found.keys():
        ended, begun = _without(known[symbol], found[symbol]), _without(found[symbol], known[symbol])
        spans += [(symbol, window) for window in merge([*ended, *begun])]
    return tuple(sorted(spans))


def _lives(listings: Iterable[Listing], now: datetime) -> dict[str, list[Window]]:
    """By symbol; one that has no dates yet has no lives, and one whose life would be empty none either."""
    lives: dict[str, list[Window]] = {}
    for row in listings:
        end = row.delisted_at or now + timedelta(days=1)
        if row.listed_at is not None and row.listed_at < end:
            lives.setdefault(row.symbol, []).append(Window(row.listed_at, end))
    return lives


def _without(lives: Sequence[Window], others: Sequence[Window]) -> list[Window]:
    return [part for life in lives for part in subtract(life, others)]
