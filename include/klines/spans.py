"""Which time a run is about: from its data interval, never from the machine's clock.

A run made by hand has an interval that Airflow inferred, or none: it goes up to its logical date, else up to now.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.klines.windows import Window, day_of, month_of

if TYPE_CHECKING:
    from datetime import datetime

DAY = timedelta(days=1)


def increment_span(run: Any, clock: datetime) -> Window:
    """What a daily run adds: its data interval up to the exchange's `clock` (UTC), or a day where there is none."""
    end = min(_ends_at(run) or clock, clock)
    start = None if _by_hand(run) else run.data_interval_start
    return Window(start if start and start < end else end - DAY, end)


def last_midnight(run: Any, clock: datetime) -> datetime:
    """The end of the last whole day (UTC) before the run."""
    return day_of(min(_ends_at(run) or clock, clock)).start


def month_before(run: Any, clock: datetime) -> Window:
    """The calendar month before the month in which the run's data interval ends."""
    return month_of(month_of(min(_ends_at(run) or clock, clock)).start - DAY)


def clock_of(run: Any) -> datetime:
    """The time that a run judges by: where it ends, else when it was asked for."""
    return _ends_at(run) or run.run_after


def _ends_at(run: Any) -> datetime | None:
    return run.logical_date if _by_hand(run) else run.data_interval_end  # type: ignore[no-any-return]  # a Dag run


def _by_hand(run: Any) -> bool:
    return run.run_type == "manual" or not (run.data_interval_start and run.data_interval_end)
