"""What is asked for: the timeframe's grid, the range on it, the columns and the policies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

from include.klines.errors import InvalidRequest
from include.klines.intervals import EPOCH, TIMEFRAMES
from include.klines.reader.errors import UnknownTimeframe

if TYPE_CHECKING:
    from collections.abc import Iterable

OnGap = Literal["raise", "mask", "drop"]
OnOutage = Literal["mask", "drop", "ffill"]
Time = str | date | datetime | pd.Timestamp

COLUMNS = (
    "open", "high", "low", "close", "volume",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip
DEFAULT_COLUMNS = COLUMNS[:5]
PRICES = COLUMNS[:4]

MONDAY = 4 * 86_400  # 1970-01-05, the first Monday: Binance's weeks start on Mondays


@dataclass(frozen=True)
class Length:
    """One candle length: its step and the place of its grid, in microseconds since 1970-01-01 UTC."""

    name: str
    step: int
    offset: int
    freq: str

    def floor(self, moment: int) -> int:
        """The latest open time at or before `moment`."""
        return moment - (moment - self.offset) % self.step

    def ceil(self, moment: int) -> int:
        """The earliest open time at or after `moment`."""
        return moment + (self.offset - moment) % self.step


LENGTHS = {
    name: Length(name, seconds * 1_000_000, offset * 1_000_000, freq)
    for name, seconds, offset, freq in (
        ("1m", 60, 0, "min"), ("5m", 300, 0, "5min"), ("15m", 900, 0, "15min"), ("30m", 1800, 0, "30min"),
        ("1h", 3600, 0, "h"), ("2h", 7200, 0, "2h"), ("4h", 14_400, 0, "4h"), ("6h", 21_600, 0, "6h"),
        ("8h", 28_800, 0, "8h"), ("12h", 43_200, 0, "12h"), ("1d", 86_400, 0, "D"), ("1w", 604_800, MONDAY, "7D"),
    )
}  # fmt: skip
"""Every length that can be read: the stored ones, and those that are made of complete groups of stored candles."""


@dataclass(frozen=True)
class Request:
    """A range of one candle length on its grid: opens `start`, `start + step` … before `end`, in microseconds."""

    length: Length
    start: int
    end: int

    @property
    def count(self) -> int:
        """Candles expected."""
        return (self.end - self.start) // self.length.step

    def __str__(self) -> str:
        return f"[{moment(self.start):%Y-%m-%d %H:%M}, {moment(self.end):%Y-%m-%d %H:%M}) UTC"


def parse_request(timeframe: str, start: Time, end: Time) -> Request:
    """The grid opens t with start <= t < end; UnknownTimeframe, or InvalidRequest for a range without a candle."""
    if timeframe not in LENGTHS:
        raise UnknownTimeframe(timeframe, tuple(LENGTHS))
    length = LENGTHS[timeframe]
    first, last = (length.ceil(parse_time(value)) for value in (start, end))
    if last <= first:
        raise InvalidRequest(
            f"no {timeframe} candle opens between {start} and {end}: the end is exclusive and must be later."
        )
    return Request(length, first, last)


def parse_time(value: Time) -> int:
    """Microseconds since 1970-01-01 UTC. A time without a zone is UTC; a date is its midnight.

    A text must name its year: pandas takes "now" and "10:00" too, as this machine's local time of today.
    """
    try:
        if isinstance(value, str) and not re.search(r"\d{4}", value):
            raise ValueError
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"{value!r} is not a time: write it like 2024-03-05 or 2024-03-05T13:00Z.") from error
    if pd.isna(stamp):
        raise InvalidRequest("a time is missing: write it like 2024-03-05 or 2024-03-05T13:00Z.")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return micros(stamp.to_pydatetime(warn=False))


def parse_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns in the order asked for; InvalidRequest names those there are."""
    wanted = (columns,) if isinstance(columns, str) else tuple(columns)
    unknown = [name for name in wanted if name not in COLUMNS]
    if unknown or not wanted or len(set(wanted)) != len(wanted):
        raise InvalidRequest(f"columns {wanted} cannot be read: choose from {', '.join(COLUMNS)}, each once.")
    return wanted


def parse_symbols(symbols: Iterable[str]) -> tuple[str, ...]:
    """The symbols in the order asked for; InvalidRequest where there is none, or one twice."""
    wanted = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    if not wanted or len(set(wanted)) != len(wanted):
        raise InvalidRequest("symbols must name at least one base asset, each once, as in ['BTC', 'ETH'].")
    return wanted


def check_policies(on_gap: str, on_outage: str) -> None:
    """InvalidRequest where a policy is not one of those there are."""
    for name, value, known in (("on_gap", on_gap, get_args(OnGap)), ("on_outage", on_outage, get_args(OnOutage))):
        if value not in known:
            raise InvalidRequest(f"{name}={value!r} is not a policy: use one of {', '.join(known)}.")


def base_candidates(length: Length) -> list[Length]:
    """Stored lengths that divide `length`, longest first."""
    shorter = (LENGTHS[name] for name in reversed(TIMEFRAMES))
    return [base for base in shorter if base.step < length.step and length.step % base.step == 0]


def moment(microseconds: int) -> datetime:
    """The aware UTC datetime."""
    return EPOCH + timedelta(microseconds=microseconds)


def in_utc(row: Iterable[Any]) -> tuple[Any, ...]:
    """The values of a row, times in UTC whatever the time zone of the session that gave them."""
    return tuple(value.astimezone(UTC) if isinstance(value, datetime) else value for value in row)


def micros(value: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware datetime."""
    return (value.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
