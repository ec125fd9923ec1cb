"""What the archive says by having no file: the only word it has about a pair that stood still for whole days.

A single 404 proves nothing: a file may be late or lost. But where files of a series go on after a day, and the listing
has none for that day, the archive has published that there was no trade.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.klines.ladder.rungs import DAILY_LATE
from include.klines.windows import Window, day_of, days, merge, months

if TYPE_CHECKING:
    from collections.abc import Iterable

    from binance_plugin.hook import BinanceHook
    from include.klines.load.lanes import SeriesPlan

PERIOD = re.compile(r"-(\d{4}-\d{2}-\d{2})\.zip$")


def silent_days(hook: BinanceHook, series: SeriesPlan, holes: Iterable[Window], clock: datetime) -> list[Window]:
    """The whole days (UTC) of `holes` that the archive passes over: no daily file of theirs, but one of a later day.

    Days that ended less than DAILY_LATE before `clock` are not judged. One listing a calendar month; ArchiveError where
    it cannot be had.
    """
    silent: list[Window] = []
    listed: dict[str, set[datetime]] = {}
    for hole in holes:
        whole = [day for day in days(hole) if day == day_of(day.start) and day.end <= clock - DAILY_LATE]
        if not whole:
            continue
        for month in months(Window(whole[0].start, day_of(hole.end).end)):
            period = f"{month.start:%Y-%m}"
            if period not in listed:
                listed[period] = _daily_files(hook, series, period)
        published = {day for files in listed.values() for day in files}
        last = max(published, default=None)
        silent += [day for day in whole if last is not None and day.start < last and day.start not in published]
    return merge(silent)


def _daily_files(hook: BinanceHook, series: SeriesPlan, month: str) -> set[datetime]:
    """The days of `month` ("2024-03") that have a daily file."""
    folder = f"data/spot/daily/klines/{series.exchange_symbol}/{series.timeframe}/"
    keys = hook.archive_keys(f"{folder}{series.exchange_symbol}-{series.timeframe}-{month}")
    found = (PERIOD.search(key.key) for key in keys)
    return {datetime.fromisoformat(match[1]).replace(tzinfo=UTC) for match in found if match}
