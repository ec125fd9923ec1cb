"""What people may ask a Dag for: each form's values, checked before any work starts. One bad value, one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from include.klines.errors import InvalidRequest
from include.klines.intervals import parse_timeframe
from include.klines.settings import enabled_timeframes, timeframe_settings
from include.klines.universe.config import TIERS
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2025, 9, 30)
OLDEST_DAY = date(2017, 7, 14)  # Binance opened on this day: nothing is older
LOOKBACK_DAYS, MOST_LOOKBACK_DAYS = 2, 30
RANGE_DAYS, MOST_RANGE_DAYS = 90, 20_000
MAX_ATTEMPTS, MOST_ATTEMPTS = 3, 1_000
MOST_YEARS = 50
MOST_SYMBOLS = 10_000
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
    hint = ": klines_weekly_gap_fill looks further back"
    lookback = _number("lookback_days", params.get("lookback_days"), MOST_LOOKBACK_DAYS, hint) or LOOKBACK_DAYS
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
    _refuse_before_binance("end", end)
    days = _number("days", params.get("days"), MOST_RANGE_DAYS) or RANGE_DAYS
    start = _day("start", params.get("start") or max(end - timedelta(days=days - 1), OLDEST_DAY))
    if end < start:
        raise InvalidRequest(f"end {end} lies before start {start}: swap them.")
    _refuse_before_binance("start", start)
    return RangeRequest(
        symbols=_symbols(params.get("symbols") or ()),
        timeframes=_timeframes(params.get("timeframes") or ()),
        window=Window(_midnight(start), _midnight(end + timedelta(days=1))),
        limit=_number("limit", params.get("limit"), MOST_SYMBOLS),
        max_attempts=_number("max_attempts", params.get("max_attempts"), MOST_ATTEMPTS) or MAX_ATTEMPTS,
    )


def validate_load_request(params: Mapping[str, Any], *, clock: datetime) -> LoadRequest:
    """Check the params of klines_initial_load against `clock` (UTC) and return them in loading order.

    `start` and `end` are days, both included. Symbols are only normalised here; whether they exist is known after the
    universe was synced. Raises InvalidRequest with one sentence that names the param and what to write instead.
    """
    tier = _one_of("tier", params.get("tier") or "core", TIERS)
    source = _one_of("source", params.get("source") or "auto", SOURCES)
    limit = _number("limit", params.get("limit"), MOST_SYMBOLS)
    end = _day("end", params.get("end") or LAST_DAY)
    today = clock.astimezone(UTC).date()
    if end > today:
        raise InvalidRequest(f"end {end} lies in the future: the last day that can be asked for is {today}.")
    _refuse_before_binance("end", end)
    start = _start(params, end)
    if end < start:
        raise InvalidRequest(f"end {end} lies before start {start}: swap them.")
    _refuse_before_binance("start", start)
    return LoadRequest(
        symbols=_symbols(params.get("symbols") or ()),
        tier=tier,  # type: ignore[arg-type]  # checked above
        timeframes=_timeframes(params.get("timeframes") or ()),
        window=Window(_midnight(start), min(_midnight(end + timedelta(days=1)), clock)),
        limit=limit,
        source=source,  # type: ignore[arg-type]  # checked above
    )


def _start(params: Mapping[str, Any], end: date) -> date:
    years = _number("years", params.get("years"), MOST_YEARS)
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


def _refuse_before_binance(name: str, day: date) -> None:
    if day < OLDEST_DAY:
        raise InvalidRequest(f"{name} {day} lies before {OLDEST_DAY}, when Binance opened: ask for that day or later.")


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


def _number(name: str, value: Any, most: int, hint: str = "") -> int | None:
    if value in (None, ""):
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if not 1 <= number <= most:
        raise InvalidRequest(f"{name} is {value!r}, but must be a whole number from 1 to {most}{hint}.")
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
