"""What people may ask a Dag for: each form's values, checked before any work starts. One bad value, one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from include.klines.errors import InvalidRequest
from include.klines.intervals import parse_timeframe
from include.klines.settings import enabled_timeframes, timeframe_settings
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2025, 9, 30)
OLDEST_DAY = date(2017, 7, 14)  # Binance opened on this day: nothing is older
LOOKBACK_DAYS, MOST_LOOKBACK_DAYS = 2, 30
RANGE_DAYS = 90
MAX_ATTEMPTS = 3
TIERS = ("core", "extended", "all")
SOURCES = ("auto", "archive", "rest")


@dataclass(frozen=True)
class LoadRequest:
    """A checked request for klines_initial_load; `window` is half open, so it ends on the day after `end`, or now."""

    symbols: tuple[str, ...]
    tier: Literal["core", "extended", "all"]
    timeframes: tuple[str, ...]
    window: Window
    limit: int | None
    source: Literal["auto", "archive", "rest"]


@dataclass(frozen=True)
class IncrementRequest:
    """A checked request for klines_daily_increment; no symbols: the core and whatever is stored."""

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    lookback: timedelta


@dataclass(frozen=True)
class RangeRequest:
    """A checked request for the Dags that look at what is stored; `window` is whole days (UTC), half open."""

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    window: Window
    limit: int | None
    max_attempts: int


def validate_increment_request(params: Mapping[str, Any]) -> IncrementRequest:
    """Check the params of klines_daily_increment; InvalidRequest in one sentence."""
    lookback = _positive("lookback_days", params.get("lookback_days")) or LOOKBACK_DAYS
    if lookback > MOST_LOOKBACK_DAYS:
        raise InvalidRequest(
            f"lookback_days is {lookback}, but at most {MOST_LOOKBACK_DAYS}: klines_weekly_gap_fill looks further back."
        )
    symbols, timeframes = _symbols(params.get("symbols") or ()), _timeframes(params.get("timeframes") or ())
    return IncrementRequest(symbols, timeframes, timedelta(days=lookback))


def validate_range_request(params: Mapping[str, Any], *, until: datetime) -> RangeRequest:
    """Check the params of klines_weekly_gap_fill and klines_quality_check; `until` is the midnight where `days` end.

    `start` and `end` are days, both included; without `start` the range has `days` days. InvalidRequest else.
    """
    last = until.astimezone(UTC).date() - timedelta(days=1)
    end = _day("end", params.get("end") or last)
    if end > last:
        raise InvalidRequest(f"end {end} is not over yet: the last day that can be asked for is {last}.")
    days = _positive("days", params.get("days")) or RANGE_DAYS
    start = _day("start", params.get("start") or max(end - timedelta(days=days - 1), OLDEST_DAY))
    if end < start:
        raise InvalidRequest(f"end {end} lies before start {start}: swap them.")
    if start < OLDEST_DAY:
        raise InvalidRequest(f"start {start} lies before {OLDEST_DAY}, when Binance opened: ask for that day or later.")
    return RangeRequest(
        symbols=_symbols(params.get("symbols") or ()),
        timeframes=_timeframes(params.get("timeframes") or ()),
        window=Window(_midnight(start), _midnight(end + timedelta(days=1))),
        limit=_positive("limit", params.get("limit")),
        max_attempts=_positive("max_attempts", params.get("max_attempts")) or MAX_ATTEMPTS,
    )


def validate_load_request(params: Mapping[str, Any], *, clock: datetime) -> LoadRequest:
    """Check the params of klines_initial_load against `clock` (UTC) and return them in loading order.

    `start` and `end` are days, both included. Symbols are only normalised here; whether they exist is known after the
    universe was synced. Raises InvalidRequest with one sentence that names the param and what to write instead.
    """
    tier = _one_of("tier", params.get("tier") or "core", TIERS)
    source = _one_of("source", params.get("source") or "auto", SOURCES)
    limit = _positive("limit", params.get("limit"))
    end = _day("end", params.get("end") or LAST_DAY)
    start = _start(params, end)
    today = clock.astimezone(UTC).date()
    if end < start:
        raise InvalidRequest(f"end {end} lies before start {start}: swap them.")
    if end > today:
        raise InvalidRequest(f"end {end} lies in the future: the last day that can be asked for is {today}.")
    if start < OLDEST_DAY:
        raise InvalidRequest(f"start {start} lies before {OLDEST_DAY}, when Binance opened: ask for that day or later.")
    return LoadRequest(
        symbols=_symbols(params.get("symbols") or ()),
        tier=tier,  # type: ignore[arg-type]  # checked above
        timeframes=_timeframes(params.get("timeframes") or ()),
        window=Window(_midnight(start), min(_midnight(end + timedelta(days=1)), clock)),
        limit=limit,
        source=source,  # type: ignore[arg-type]  # checked above
    )


def _start(params: Mapping[str, Any], end: date) -> date:
    years = _positive("years", params.get("years"))
    given = params.get("start")
    if years is None:
        return _day("start", given or FIRST_DAY)
    if given and _day("start", given) != FIRST_DAY:
        raise InvalidRequest(f"start {given} and years {years} were both given: give one of them.")
    after = end + timedelta(days=1)
    try:
        return after.replace(year=after.year - years)
    except ValueError:  # 29 February has no counterpart in that year
        return after.replace(year=after.year - years, day=28)


def _symbols(given: Sequence[str] | str) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else list(given)
    cleaned = [str(name).strip().upper() for name in names]
    if any(not name or len(name) > 30 or not name.isprintable() for name in cleaned):
        raise InvalidRequest(f"symbols {given!r} has an entry that is no symbol: write base assets such as BTC, ETH.")
    return tuple(dict.fromkeys(cleaned))


def _timeframes(given: Sequence[str] | str) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else list(given)
    asked = {parse_timeframe(str(name).strip()).name for name in names} or set(enabled_timeframes())
    settings = timeframe_settings()
    for name in sorted(asked):
        if name not in settings or not settings[name].enabled:
            raise InvalidRequest(
                f"timeframe {name} is disabled: set enabled: true for it in include/config/timeframes.yaml, "
                f"or ask for {', '.join(enabled_timeframes())}."
            )
    return tuple(name for name in settings if name in asked)


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise InvalidRequest(f"{name} is {value!r}, but must be one of {', '.join(allowed)}.")
    return str(value)


def _positive(name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise InvalidRequest(f"{name} is {value!r}, but must be a whole number of at least 1.")
    return number


def _day(name: str, value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = str(value).strip()
    refusal = InvalidRequest(f"{name} is {value!r}, but must be a day such as 2020-01-01.")
    if text[10:] not in ("", "T00:00:00", "T00:00:00Z", "T00:00:00+00:00"):
        raise refusal
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise refusal from None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
