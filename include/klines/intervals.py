"""Timeframes: the grid of open times that candles stand on. All times are aware datetimes in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from include.klines.errors import InvalidRequest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Timeframe:
    """One candle length. Open times are the multiples of `seconds` since 1970-01-01 00:00 UTC."""

    seconds: int
    name: str

    @property
    def delta(self) -> timedelta:
        """The length of one candle."""
        return timedelta(seconds=self.seconds)

    def floor(self, moment: datetime) -> datetime:
        """The latest open time at or before `moment`."""
        return moment - (moment - EPOCH) % self.delta

    def ceil(self, moment: datetime) -> datetime:
        """The earliest open time at or after `moment`."""
        return moment + (EPOCH - moment) % self.delta

    def count(self, start: datetime, end: datetime) -> int:
        """How many open times t have start <= t < end; 0 where end <= start."""
        return max(0, (self.ceil(end) - self.ceil(start)) // self.delta)


TIMEFRAMES: dict[str, Timeframe] = {
    name: Timeframe(seconds, name)
    for name, seconds in (("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600), ("4h", 14_400), ("1d", 86_400))
}


def parse_timeframe(name: str) -> Timeframe:
    """The timeframe called `name` ("1h"); InvalidRequest names the known ones otherwise."""
    try:
        return TIMEFRAMES[name]
    except KeyError:
        near = get_close_matches(name.lower(), TIMEFRAMES, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InvalidRequest(f"timeframe {name!r} is not known{hint}: use one of {', '.join(TIMEFRAMES)}.") from None
