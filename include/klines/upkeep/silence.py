"""What the archive says by having no file: the only word it has about a pair that stood still for whole days.

A single 404 proves nothing: a file may be late or lost. But where daily files go on after a day, and the listing has
none for that day, the archive has published that there was no trade. The series' own later files say so; while a pair
still stands still it has none, and those of a pair that trades have to do. It is half of the evidence at most: REST has
to find the same span empty, and both have to say it again on another day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from binance_plugin.archive_paths import klines_prefix
from include.klines.ladder.rungs import DAILY_LATE
from include.klines.universe.config import load_universe
from include.klines.windows import Window, day_of, days, merge, months

if TYPE_CHECKING:
    from collections.abc import Iterable

    from binance_plugin.client import BinanceClient
    from include.klines.load.lanes import SeriesPlan

PERIOD = re.compile(r"-(\d{4}-\d{2}-\d{2})\.zip$")


def silent_days(client: BinanceClient, series: SeriesPlan, holes: Iterable[Window], clock: datetime) -> list[Window]:
    """The parts of `holes` on days (UTC) that the archive passes over: no daily file of them, but one of a later day.

    Days that ended less than DAILY_LATE before `clock` are not judged. Costs one listing a calendar month, and two more
    where the series has no later file: all its files, and another pair's. ArchiveError where they cannot be had.
    """
    archive = _Archive(client, series.timeframe)
    silent: list[Window] = []
    for hole in holes:
        parts = [day for day in days(hole) if day_of(day.start).end <= clock - DAILY_LATE]
        if not parts:
            continue
        around = Window(day_of(parts[0].start).start, day_of(hole.end).end + timedelta(days=1))  # a month may end here
        published = archive.days(series.exchange_symbol, around)
        last = max(published, default=None)
        for part in parts:
            day = day_of(part.start).start
            if day not in published and ((last is not None and day < last) or archive.went_on(series, day, around)):
                silent.append(part)
    return merge(silent)


class _Archive:
    """The daily files of one timeframe; each pair and calendar month ("" for all of them) is listed once."""

    def __init__(self, client: BinanceClient, timeframe: str) -> None:
        self._client, self._timeframe = client, timeframe
        self._listed: dict[tuple[str, str], set[datetime]] = {}

    def days(self, exchange_symbol: str, window: Window) -> set[datetime]:
        """The days that have a file, of the months that `window` touches."""
        return {day for month in months(window) for day in self._month(exchange_symbol, f"{month.start:%Y-%m}")}

    def went_on(self, series: SeriesPlan, day: datetime, window: Window) -> bool:
        """Whether the series has files before this day, and another pair has one of it and of a later one."""
        if not any(each < day for each in self._month(series.exchange_symbol, "")):
            return False
        universe = load_universe()
        other = next(universe.exchange_symbol(symbol) for symbol in universe.core if symbol != series.symbol)
        published = self.days(other, window)
        return day in published and day < max(published)

    def _month(self, exchange_symbol: str, month: str) -> set[datetime]:
        key = (exchange_symbol, month)
        if key not in self._listed:
            keys = self._client.archive_keys(klines_prefix("daily", exchange_symbol, self._timeframe, month))
            found = (PERIOD.search(each.key) for each in keys)
            self._listed[key] = {datetime.fromisoformat(match[1]).replace(tzinfo=UTC) for match in found if match}
        return self._listed[key]
