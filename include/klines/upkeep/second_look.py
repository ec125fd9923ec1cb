"""A second look at the archive: files that were replaced since they were loaded, and monthly files that came later.

The exchange replaces files without a word. The listing tells when each was last changed: one request a series.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from psycopg.rows import class_row

from binance_plugin.archive_paths import MONTHLY_KLINES, SPOT, klines_file, klines_prefix
from include.klines import sql
from include.klines.ladder.parts import within
from include.klines.load.lanes import Lane, SeriesPlan, plan_lanes
from include.klines.load.planning import series_plan
from include.klines.upkeep.scope import MOST_LANES
from include.klines.windows import Window, merge, month_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from binance_plugin.client import BinanceClient
    from include.klines.load.planning import Scope
    from include.klines.universe.selection import Listing

LOOK_BACK = timedelta(days=100)
"""Files loaded longer ago are taken to be final: the latest replacement that was seen came ten days late."""
REPLACED = "replaced files"
ARRIVED = "new files"


@dataclass(frozen=True)
class LoadedFile:
    """A line of archive_file."""

    symbol: str
    timeframe: str
    url: str
    covers_start: datetime
    covers_end: datetime
    last_modified: datetime | None
    loaded_at: datetime

    @property
    def key(self) -> str:
        """Its path in the archive, as the listing writes it."""
        return unquote(self.url[self.url.index(SPOT) :])

    @property
    def monthly(self) -> bool:
        """A month's file, not a day's."""
        return self.key.startswith(MONTHLY_KLINES)

    @property
    def window(self) -> Window:
        """Its month or day."""
        return Window(self.covers_start, self.covers_end)

    def changed(self, listed_at: datetime | None) -> bool:
        """Whether the listing's time of its last change says that this is not the file that was loaded."""
        if listed_at is None:
            return False
        if self.last_modified is None:
            return listed_at > self.loaded_at
        return listed_at.replace(microsecond=0) != self.last_modified.replace(microsecond=0)


def file_lanes(
    client: BinanceClient, conn: psycopg.Connection, listings: Sequence[Listing], scope: Scope
) -> list[Lane]:
    """The lanes that read the archive again: replaced files, then monthly files that came after REST had the candles.

    Looks LOOK_BACK from the end of the scope's window. Raises ArchiveError where the archive cannot be listed.
    """
    until = scope.window.end
    binds: dict[str, Any] = {
        "symbols": [symbol for symbol, _ in scope.series],
        "timeframes": [timeframe for _, timeframe in scope.series],
        "since": until - LOOK_BACK,
        "until": until,
    }
    with conn.cursor(row_factory=class_row(LoadedFile)) as cursor:
        files = cursor.execute(sql.load("consolidate/files").encode(), binds).fetchall()
    kept: dict[tuple[str, str], list[Window]] = {}
    for symbol, timeframe, start, end in conn.execute(sql.load("consolidate/kept_months").encode(), binds):
        kept.setdefault((symbol, timeframe), []).append(Window(start, end))
    of_series = {key: list(group) for key, group in groupby(files, lambda file: (file.symbol, file.timeframe))}
    replaced: list[SeriesPlan] = []
    arrived: list[SeriesPlan] = []
    for key in scope.series:
        lives = series_plan(listings, *key, Window(datetime.min.replace(tzinfo=until.tzinfo), until))
        look = _Look(client, lives, of_series.get(key, []), until - LOOK_BACK)
        replaced.append(look.plan(look.replaced()))
        arrived.append(look.plan(look.arrived(kept.get(key, []))))
    return [*_named(plan_lanes(replaced, MOST_LANES), REPLACED), *_named(plan_lanes(arrived, MOST_LANES), ARRIVED)]


class _Look:
    """One series: what was loaded of it, and what the archive has now."""

    def __init__(self, client: BinanceClient, lives: SeriesPlan, files: Sequence[LoadedFile], since: datetime) -> None:
        self._client, self._lives, self._files, self._since = client, lives, files, since
        self._listed: dict[str, dict[str, datetime | None]] = {}

    def replaced(self) -> list[Window]:
        """Months and days whose file is another one now; days whose month has a file by now are that file's."""
        again = []
        for file in self._files:
            month = f"{file.covers_start:%Y-%m}"
            if file.loaded_at < self._since or (not file.monthly and self._file(month) in self._monthly()):
                continue
            listed = self._monthly() if file.monthly else self._list("daily", month)
            if file.changed(listed.get(file.key)):
                again.append(file.window)
        return again

    def arrived(self, kept: Iterable[Window]) -> list[Window]:
        """The parts of `kept` whose month has a monthly file that was never loaded."""
        loaded = {month_of(file.covers_start) for file in self._files if file.monthly}
        late = [window for window in kept if month_of(window.start) not in loaded]
        return [window for window in late if self._file(f"{window.start:%Y-%m}") in self._monthly()]

    def plan(self, windows: Iterable[Window]) -> SeriesPlan:
        """What to read again, inside the listings."""
        return replace(self._lives, windows=tuple(within(merge(windows), self._lives.windows)), refresh=True)

    def _monthly(self) -> dict[str, datetime | None]:
        return self._list("monthly", "")

    def _list(self, kind: Literal["monthly", "daily"], period: str) -> dict[str, datetime | None]:
        """The files whose period begins with `period`, and when each was last changed."""
        prefix = klines_prefix(kind, self._lives.exchange_symbol, self._lives.timeframe, period)
        if prefix not in self._listed:
            self._listed[prefix] = {key.key: key.last_modified for key in self._client.archive_keys(prefix)}
        return self._listed[prefix]

    def _file(self, period: str) -> str:
        return klines_file(self._lives.exchange_symbol, self._lives.timeframe, period)


def _named(lanes: Iterable[Lane], what: str) -> list[Lane]:
    return [replace(lane, name=f"{lane.name}: {what}") for lane in lanes]
