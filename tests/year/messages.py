"""The messages that were sent, and those that should have been: each as what, of which series, and when."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.klines.health.checks import REPEAT_AFTER
from tests.year.calendar import ALARMS, FAILURES, SYMBOLS, TIMEFRAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import psycopg

    from tests.year.calendar import Alarm, Period
    from tests.year.world import Received

SERIES = re.compile(rf"\b((?:{'|'.join(SYMBOLS)}) (?:{'|'.join(TIMEFRAMES)}))\b")
TITLES = {
    "completeness is below": "completeness",
    "the last sync is over": "last_sync",
    "gaps older than": "open_gaps",
    "failed in the last day": "errors",
    "sent again in the last day": "errors",
    "the exchange has banned us": "ban",
    "some promises could not be checked": "health_checks",
}


@dataclass(frozen=True, order=True)
class Told:
    """One message, to the hour: what is broken (the series of it), and what has cleared."""

    at: datetime
    what: str
    broken: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()

    def __str__(self) -> str:
        broken, cleared = (", ".join(name or "all" for name in names) for names in (self.broken, self.cleared))
        said = [f"{self.what}: {broken}".removesuffix(": all")] if self.broken else []
        said += [f"cleared: {self.what} {cleared}".removesuffix(" all")] if self.cleared else []
        return f"{self.at:%Y-%m-%d %H}:00  {'; '.join(said)}"


def read(received: Iterable[Received]) -> list[Told]:
    """The messages of the webhook."""
    return sorted(_read(message) for message in received)


def _read(message: Received) -> Told:
    hour = message.at.replace(minute=0, second=0, microsecond=0)
    title = message.title.removeprefix("klines: ")
    cleared = [line for line in message.text.splitlines() if line.startswith("Cleared: ")]
    lines = [line for line in message.text.splitlines() if line.startswith("- ")]
    if match := re.fullmatch(r"a run of (\w+) failed", title):
        return Told(hour, f"failed run of {match[1]}", ("",))
    if match := re.fullmatch(r"(.+) is well again", title):
        return Told(hour, match[1], (), _cleared(cleared))
    if match := re.fullmatch(r"(\w+) is late", title):
        return Told(hour, f"late run of {match[1]}", ("",), _cleared(cleared))
    what = next((name for part, name in TITLES.items() if part in title), title)
    return Told(hour, what, _names(lines), _cleared(cleared))


def _names(lines: Sequence[str]) -> tuple[str, ...]:
    """Every series that is named, and "" for what is of no single series."""
    names: set[str] = set()
    for line in lines:
        of_none = line.startswith("- requests sent again")
        names |= {""} if of_none else set(SERIES.findall(line)) or {""}
    return tuple(sorted(names))


def _cleared(lines: Sequence[str]) -> tuple[str, ...]:
    """What `Cleared: errors, LINK 1h.` names."""
    parts = [part for line in lines for part in line.removeprefix("Cleared: ").rstrip(".").split(", ")]
    return tuple(sorted({part if SERIES.fullmatch(part) else "" for part in parts}))


def expected(period: Period, checks: Sequence[datetime]) -> list[Told]:
    """What has to be sent: of every promise once, then daily, then that it has cleared.

    checks: when klines_health ran. A late run is told by its deadline and cleared by the next run that ends well.
    """
    told = [Told(each.told, f"failed run of {each.dag_id}", ("",)) for each in FAILURES if _in(period, each.told)]
    alarms = [alarm for alarm in ALARMS if _in(period, alarm.told)]
    for alarm in alarms:
        if alarm.what.startswith("late run"):
            told += [Told(alarm.told, alarm.what, ("",)), Told(alarm.cleared, alarm.what, (), ("",))]
    for what in {alarm.what for alarm in alarms if not alarm.what.startswith("late run")}:
        told += _of_health(what, [alarm for alarm in alarms if alarm.what == what], checks)
    return sorted(told)


def _of_health(what: str, alarms: Sequence[Alarm], checks: Sequence[datetime]) -> list[Told]:
    told: list[Told] = []
    sent: datetime | None = None
    for moment in checks:
        broken = {name for alarm in alarms if alarm.told <= moment < alarm.cleared for name in alarm.series}
        cleared = {name for alarm in alarms if alarm.cleared == moment for name in alarm.series}
        is_new = any(alarm.told == moment for alarm in alarms)
        again = bool(broken) and (sent is None or moment - sent >= REPEAT_AFTER)
        if is_new or cleared or again:
            told.append(Told(moment, what, tuple(sorted(broken)), tuple(sorted(cleared))))
            sent = moment
    return told


def expected_failures(period: Period) -> Counter[str]:
    """How many runs of each Dag are red in the end: one that was cleared is not."""
    return Counter(each.dag_id for each in FAILURES if _in(period, each.told) and not each.cleared)


def misses(conn: psycopg.Connection) -> Counter[tuple[str, str, str, str]]:
    """sla_miss, to the hour: what, of which series, missed when, cleared when."""
    rows = conn.execute(
        """SELECT what, concat_ws(' ', symbol, timeframe), to_char(missed_at, 'YYYY-MM-DD HH24'),
        coalesce(to_char(cleared_at, 'YYYY-MM-DD HH24'), 'open') FROM sla_miss"""
    )
    return Counter(rows.fetchall())


def expected_misses(period: Period) -> Counter[tuple[str, str, str, str]]:
    """The same, from the calendar."""
    hour = "%Y-%m-%d %H"
    return Counter(
        (alarm.what, name, f"{alarm.told:{hour}}", f"{alarm.cleared:{hour}}")
        for alarm in ALARMS
        if _in(period, alarm.told)
        for name in alarm.series
    )


def _in(period: Period, moment: datetime) -> bool:
    return period.begin <= moment < period.end
