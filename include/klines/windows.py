"""Half-open windows of time and their arithmetic: `start <= t < end`, aware datetimes in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.klines.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, order=True)
class Window:
    """The half-open span [start, end) in UTC; never empty, never naive."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            if moment.utcoffset() is None:
                raise InvalidRequest(
                    f"{moment.isoformat()} has no time zone: times are UTC, write {moment.isoformat()}Z."
                )
        if self.end <= self.start:
            raise InvalidRequest(
                f"a window must end after it starts: {self.start.isoformat()} to {self.end.isoformat()}."
            )

    def __str__(self) -> str:
        return f"[{_short(self.start)}, {_short(self.end)})"

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def intersect(self, other: Window) -> Window | None:
        """The part both share, or None where they do not overlap."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None

    def covers(self, other: Window) -> bool:
        """True where `other` lies wholly inside."""
        return self.start <= other.start and other.end <= self.end


def merge(windows: Iterable[Window]) -> list[Window]:
    """The same time as `windows`, in order, with overlapping and touching ones made one."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def subtract(window: Window, taken: Iterable[Window]) -> list[Window]:
    """What is left of `window` without `taken`, in order."""
    left, cursor = [], window.start
    for hole in merge(taken):
        if hole.end <= cursor or hole.start >= window.end:
            continue
        if hole.start > cursor:
            left.append(Window(cursor, hole.start))
        cursor = hole.end
    if cursor < window.end:
        left.append(Window(cursor, window.end))
    return left


def months(window: Window) -> Iterator[Window]:
    """The calendar months (UTC) that `window` touches, each cut to the window."""
    yield from _cut(window, _month_start, _next_month)


def days(window: Window) -> Iterator[Window]:
    """The calendar days (UTC) that `window` touches, each cut to the window."""
    yield from _cut(window, _day_start, lambda start: start + timedelta(days=1))


def chunks(window: Window, chunk: str) -> Iterator[Window]:
    """`window` cut at calendar borders: chunk is "month", "year" or "all"."""
    if chunk == "month":
        yield from months(window)
    elif chunk == "year":
        yield from _cut(window, lambda t: datetime(t.year, 1, 1, tzinfo=UTC), lambda t: t.replace(year=t.year + 1))
    elif chunk == "all":
        yield window
    else:
        raise InvalidRequest(f"chunk {chunk!r} is not known: use month, year or all.")


def month_of(moment: datetime) -> Window:
    """The calendar month (UTC) around `moment`."""
    start = _month_start(moment)
    return Window(start, _next_month(start))


def day_of(moment: datetime) -> Window:
    """The calendar day (UTC) around `moment`."""
    start = _day_start(moment)
    return Window(start, start + timedelta(days=1))


def _cut(window: Window, floor, step) -> Iterator[Window]:  # type: ignore[no-untyped-def]  # two small callables
    start = floor(window.start.astimezone(UTC))
    while start < window.end:
        end = step(start)
        part = window.intersect(Window(start, end))
        if part is not None:
            yield part
        start = end


def _month_start(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _next_month(start: datetime) -> datetime:
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)


def _day_start(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _short(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
