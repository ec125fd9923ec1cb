"""The trigger forms of the Dags: typed params, shared where Dags ask for the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from include.klines.params import (
    FIRST_DAY,
    LAST_DAY,
    LOOKBACK_DAYS,
    MAX_ATTEMPTS,
    MOST_ATTEMPTS,
    MOST_LOOKBACK_DAYS,
    MOST_RANGE_DAYS,
    MOST_SYMBOLS,
    MOST_YEARS,
    RANGE_DAYS,
    SOURCES,
)
from include.klines.settings import enabled_timeframes
from include.klines.universe.config import TIERS, load_universe

if TYPE_CHECKING:
    from datetime import date


def symbols(otherwise: str = "None: every symbol of the tier.") -> Param:
    """A multi-select of base assets, with the core ones offered; others may be typed."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        examples=list(load_universe().core),
        title="Symbols",
        description=f"Base assets such as BTC. {otherwise}",
    )


def timeframes() -> Param:
    """A multi-select of the enabled timeframes; none means all of them."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        examples=enabled_timeframes(),
        title="Timeframes",
        description="None: every timeframe that is enabled in include/config/timeframes.yaml.",
    )


def limit() -> Param:
    """The first N symbols in order of importance."""
    return _optional_number("Limit", "Only the first N symbols, in order of importance.", MOST_SYMBOLS)


def initial_load() -> dict[str, Param]:
    """The form of klines_initial_load."""
    return {
        "symbols": symbols(),
        "tier": Param("core", type="string", enum=list(TIERS), title="Tier", description="Where no symbols are named."),
        "timeframes": timeframes(),
        "start": _day("First day", FIRST_DAY),
        "end": _day("Last day", LAST_DAY),
        "years": _optional_number("Years", "Instead of a first day: so many years up to the last day.", MOST_YEARS),
        "limit": limit(),
        "source": Param(
            "auto",
            type="string",
            enum=list(SOURCES),
            title="Source",
            description="auto: archive files first, REST for what they lack.",
        ),
        "refresh": Param(
            False,
            type="boolean",
            title="Fetch stored candles again",
            description="Finds what Binance has revised since; each change is kept in market_data_revision.",
        ),
    }


def daily_increment() -> dict[str, Param]:
    """The form of klines_daily_increment."""
    return {
        "symbols": symbols("None: the core tier and every symbol that has stored candles of the timeframe."),
        "timeframes": timeframes(),
        "lookback_days": Param(
            LOOKBACK_DAYS,
            type="integer",
            minimum=1,
            maximum=MOST_LOOKBACK_DAYS,
            title="Days to read again",
            description="So many days before the run's own are read again, and what changed there is recorded.",
        ),
    }


def weekly_gap_fill() -> dict[str, Param]:
    """The form of klines_weekly_gap_fill."""
    return quality_check() | {
        "max_attempts": Param(
            MAX_ATTEMPTS,
            type="integer",
            minimum=1,
            maximum=MOST_ATTEMPTS,
            title="Attempts",
            description="A gap found empty by so many gap fills is only reported, until a person asks for more.",
        ),
    }


def quality_check() -> dict[str, Param]:
    """The form of klines_quality_check."""
    return {
        "symbols": symbols("None: every symbol that is stored."),
        "timeframes": timeframes(),
        "days": Param(
            RANGE_DAYS,
            type="integer",
            minimum=1,
            maximum=MOST_RANGE_DAYS,
            title="Days",
            description="So many days, up to the last one that is over.",
        ),
        "start": _optional_day("First day", "Instead of a number of days. UTC, included."),
        "end": _optional_day("Last day", "None: the last one that is over. UTC, included."),
        "limit": limit(),
    }


def _optional_day(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


def _day(title: str, default: date) -> Param:
    return Param(default.isoformat(), type="string", format="date", title=title, description="A day in UTC, included.")


def _optional_number(title: str, description: str, most: int) -> Param:
    return Param(None, type=["null", "integer"], minimum=1, maximum=most, title=title, description=description)
