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
TIERS = ("core", "extended", "all")
SOURCES = ("auto", "archive", "rest")


@dataclass(frozen=True)
class LoadRequest:
    """A checked request for klines_initial_load; `window` is half open, so it ends on the day after `end`."""

    symbols: tuple[str, ...]
    tier: Literal["core", "extended", "all"]
    timeframes: tuple[str, ...]
    window: Window
    limit: int | None
    source: Literal["auto", "archive", "rest"]


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
        window=Window(_midnight(start), _midnight(end + timedelta(days=1))),
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
    try:
        return (
            date.fromisoformat(text[:10])
            if text[10:] in ("", "T00:00:00", "T00:00:00Z", "T00:00:00+00:00")
            else _refuse(name, value)
        )
    except ValueError:
        return _refuse(name, value)


def _refuse(name: str, value: Any) -> date:
    raise InvalidRequest(f"{name} is {value!r}, but must be a day such as 2020-01-01.") from None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
