"""What is older than retention allows: cutoffs, partitions, spans of candles, and the lanes that remove them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.settings import timeframe_settings
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import psycopg


@dataclass(frozen=True)
class Partition:
    """One partition of market_data; bytes with its key."""

    timeframe: str
    window: Window
    bytes: int

    @property
    def year(self) -> int:
        """The calendar year it lies in."""
        return self.window.start.year

    def __str__(self) -> str:
        return f"{self.timeframe} {self.window}"


@dataclass(frozen=True, order=True)
class Removable:
    """Stored candles of a symbol that are old and not pinned: their span, their number, first and last open time."""

    symbol: str
    window: Window
    candles: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Prospect:
    """A partition with something to remove. stored: all its candles; whole: it is old enough to go.

    taken_out: the table it is since a prune took it out of market_data that was ended before it dropped it.
    """

    partition: Partition
    spans: tuple[Removable, ...]
    stored: int
    whole: bool
    taken_out: str = ""

    @property
    def candles(self) -> int:
        """Candles to be removed."""
        return sum(span.candles for span in self.spans)

    @property
    def droppable(self) -> bool:
        """Nothing in it is pinned or young enough."""
        return self.whole and self.candles == self.stored

    def bytes_of(self, candles: int) -> int:
        """The share of the partition's bytes that so many of its candles take."""
        return round(self.partition.bytes * candles / self.stored) if self.stored else 0


def cutoffs(month: datetime) -> dict[str, datetime]:
    """The first open time that stays of each timeframe of timeframes.yaml, enabled or not.

    month: the first day of a month, UTC, from which retention counts back.
    """
    return {name: _months_before(month, each.retention_months) for name, each in timeframe_settings().items()}


def prospects(conn: psycopg.Connection, timeframe: str, cutoff: datetime, year: int | None = None) -> list[Prospect]:
    """The partitions of a timeframe (of one year) that hold something to remove, or are old and empty; in order.

    Before them those that an earlier prune took out and did not drop.
    """
    left = [
        Prospect(Partition(timeframe, Window(start, end), 0), (), 0, whole=True, taken_out=name)
        for name, start, end in conn.execute(
            sql.load("prune/taken_out").encode(), {"timeframe": timeframe, "year": year}
        )
    ]
    rows = conn.execute(sql.load("prune/partitions").encode(), {"timeframe": timeframe, "cutoff": cutoff})
    partitions = [Partition(timeframe, Window(start, end), size) for start, end, size in rows]
    found = [look(conn, each, cutoff) for each in partitions if year in (None, each.year)]
    return [*left, *(each for each in found if each.spans or each.droppable)]


def look(conn: psycopg.Connection, partition: Partition, cutoff: datetime) -> Prospect:
    """What of one partition is to be removed, as the database stands."""
    binds = {
        "timeframe": partition.timeframe,
        "range_start": partition.window.start,
        "range_end": partition.window.end,
        "cutoff": cutoff,
    }
    (stored,) = conn.execute(sql.load("prune/stored").encode(), binds).fetchone() or (0,)
    spans = tuple(
        Removable(symbol, Window(start, end), candles, first, last)
        for symbol, start, end, candles, first, last in conn.execute(sql.load("prune/windows").encode(), binds)
    )
    return Prospect(partition, spans, stored, partition.window.end <= cutoff)


def lanes_of(found: Iterable[Prospect], limits: Mapping[str, datetime]) -> list[dict[str, Any]]:
    """One lane a timeframe and year, as JSON: no two tasks write one file."""
    chosen = dict.fromkeys((each.partition.timeframe, each.partition.year) for each in found)
    return [
        {"name": f"{timeframe} {year}", "timeframe": timeframe, "year": year, "cutoff": limits[timeframe].isoformat()}
        for timeframe, year in chosen
    ]


def totals(found: Iterable[Prospect]) -> dict[tuple[str, str], tuple[int, int]]:
    """Candles and bytes to be removed, by symbol and timeframe."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for each in found:
        for span in each.spans:
            key = (span.symbol, each.partition.timeframe)
            candles, size = sums.get(key, (0, 0))
            sums[key] = (candles + span.candles, size + each.bytes_of(span.candles))
    return sums


def _months_before(month: datetime, months: int) -> datetime:
    count = month.year * 12 + month.month - 1 - months
    return month.replace(year=count // 12, month=count % 12 + 1)
