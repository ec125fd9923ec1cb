"""The trigger forms of the Dags: typed params, shared where Dags ask for the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from include.klines.params import FIRST_DAY, LAST_DAY, SOURCES, TIERS
from include.klines.settings import enabled_timeframes
from include.klines.universe import load_universe

if TYPE_CHECKING:
    from datetime import date


def symbols() -> Param:
    """A multi-select of base assets, with the core ones offered; others may be typed."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        examples=list(load_universe().core),
        title="Symbols",
        description="Base assets such as BTC. None: every symbol of the tier.",
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
    return _optional_number("Limit", "Only the first N symbols, in order of importance.")


def initial_load() -> dict[str, Param]:
    """The form of klines_initial_load."""
    return {
        "symbols": symbols(),
        "tier": Param("core", type="string", enum=list(TIERS), title="Tier", description="Where no symbols are named."),
        "timeframes": timeframes(),
        "start": _day("First day", FIRST_DAY),
        "end": _day("Last day", LAST_DAY),
        "years": _optional_number("Years", "Instead of a first day: so many years up to the last day."),
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


def _day(title: str, default: date) -> Param:
    return Param(default.isoformat(), type="string", format="date", title=title, description="A day in UTC, included.")


def _optional_number(title: str, description: str) -> Param:
    return Param(None, type=["null", "integer"], minimum=1, title=title, description=description)
