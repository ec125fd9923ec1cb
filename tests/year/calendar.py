"""What happens in the simulated year, day by day, and what a person has to hear of it.

All times are UTC. The daily increment runs at 02:00, the weekly gap fill on Sundays at 03:00, the monthly prune and
consolidation on the 1st at 04:00 and 05:00. klines_health runs every hour in production; here it runs once a day, at
06:00, and at the hours of HEALTH_TOO, where it would say something else than the morning after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exchange import Exchange

DAILY, WEEKLY, HEALTH = "klines_daily_increment", "klines_weekly_gap_fill", "klines_health"
MONTHLY, PRUNE = "klines_monthly_consolidation", "klines_monthly_prune"
SYMBOLS = ("BTC", "ETH", "LINK", "DOGE", "RUNE", "STX", "NEW")
TIMEFRAMES = ("1d", "4h", "1h")


def at(text: str) -> datetime:
    """`2026-03-12 02:00` as a time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(symbols: str, timeframes: tuple[str, ...] = TIMEFRAMES) -> frozenset[str]:
    """`BTC ETH` in each timeframe: `BTC 1d`, …"""
    return frozenset(f"{symbol} {timeframe}" for symbol in symbols.split() for timeframe in timeframes)


# How long


@dataclass(frozen=True)
class Period:
    """A form of the year: the initial load, then every run that falls due between begin and end.

    holes: the candles that nobody has, of those that should have opened in it, by cause and timeframe.
    """

    load_start: str
    load_end: str
    begin: datetime
    end: datetime
    runs: dict[str, int]
    holes: dict[tuple[str, str], int]

    @property
    def prunes(self) -> bool:
        """Whether the load reaches so far back that retention takes some of it: 60 months."""
        return self.load_start < "2021"

    @property
    def last_day(self) -> date:
        """The last day that is over."""
        return self.end.date() - timedelta(days=1)


FORMS = {
    365: Period(
        "2020-01-01",
        "2025-09-30",
        at("2025-10-01 12:00"),
        at("2026-10-01 12:00"),
        {DAILY: 365, WEEKLY: 52, MONTHLY: 12, PRUNE: 12},
        {
            ("exchange_outage", "1h"): 8 * 6 + 8 * 7,  # six pairs in October, seven in March
            ("exchange_outage", "4h"): 6 + 7,
            ("suspension", "1h"): 5 + 5 + 60,
            ("suspension", "4h"): 1 + 1 + 15,
            ("suspension", "1d"): 2,
        },
    ),
    30: Period(
        "2025-12-01",
        "2026-02-28",
        at("2026-03-01 00:30"),
        at("2026-03-30 12:00"),
        {DAILY: 30, WEEKLY: 5, MONTHLY: 1, PRUNE: 1},
        {
            ("exchange_outage", "1h"): 8 * 7,
            ("exchange_outage", "4h"): 7,
            ("suspension", "1h"): 5,
            ("suspension", "4h"): 1,
        },
    ),
}
HEALTH_HOUR = 6
HEALTH_TOO = tuple(at(f"2026-03-12 0{hour}:00") for hour in (3, 4, 5))


# What the market does: part of the exchange from the beginning, and seen when its time has come


@dataclass(frozen=True)
class Market:
    """A fact of the exchange that begins at `at`."""

    at: datetime
    what: str
    make: Callable[[Exchange], None]


def outage(start: str, end: str) -> Market:
    return Market(at(start), f"no candle of any pair until {end}", lambda exchange: exchange.add_outage(start, end))


def suspension(symbol: str, start: str, end: str) -> Market:
    return Market(
        at(start),
        f"{symbol} alone stands still until {end}",
        lambda exchange: exchange.change_pair(f"{symbol}USDT", holes=[(start, end)]),
    )


def pair(symbol: str, start: str, what: str, **how: Any) -> Market:
    return Market(at(start), f"{symbol} {what}", lambda exchange: exchange.change_pair(f"{symbol}USDT", **how))


def revision(symbol: str, hour: str, on: str) -> Market:
    return Market(
        at(on),
        f"{symbol}'s candle of {hour} is revised",
        lambda exchange: exchange.revise(f"{symbol}USDT", hour, at=on),
    )


MARKET = (
    outage("2025-10-22 06:00", "2025-10-22 14:00"),
    suspension("DOGE", "2025-11-05 08:00", "2025-11-05 13:00"),
    pair(
        "RUNE", "2025-12-03 03:00", "is delisted; another asset has its ticker from 2026-02-10 08:00",
        delisted="2025-12-03 03:00", relisted="2026-02-10 08:00", price="90",
    ),
    pair("NEW", "2026-01-07 12:00", "is listed", listed="2026-01-07 12:00"),
    revision("ETH", "2026-02-03 10:00", on="2026-02-04 12:00"),
    outage("2026-03-03 06:00", "2026-03-03 14:00"),
    suspension("DOGE", "2026-03-04 08:00", "2026-03-04 13:00"),
    revision("ETH", "2026-03-05 10:00", on="2026-03-06 12:00"),
    pair("STX", "2026-03-10 03:00", "is delisted", delisted="2026-03-10 03:00"),
    revision("BTC", "2026-03-15 10:00", on="2026-05-10 12:00"),
    suspension("DOGE", "2026-09-15 00:00", "2026-09-17 12:00"),
)  # fmt: skip


# What goes wrong: a fault of the exchange from one moment to another


@dataclass(frozen=True)
class Trouble:
    """A fault of tests.exchange that is in force from `at` to `until`."""

    at: datetime
    until: datetime
    what: str
    fault: dict[str, Any]


ALL_DAY = timedelta(days=1)


def trouble(start: str, what: str, action: str, lasts: timedelta = ALL_DAY, **fault: Any) -> Trouble:
    return Trouble(at(start), at(start) + lasts, what, {"action": action, **fault})


TROUBLES = (
    trouble("2025-10-14", "three answers are 503", "status", status=503, kind="klines", times=3),
    trouble("2025-11-20", "two answers are 429", "limit", retry_after=30, times=2),
    trouble("2026-01-01", "a file of BTC has a wrong checksum", "wrong_checksum", symbol="BTCUSDT", period="2025-11"),
    trouble("2026-01-01", "ETH's files of 2025-12 are 40 days late", "missing", timedelta(days=40),
            symbol="ETHUSDT", period="2025-12"),
    trouble("2026-03-02", "three answers are 503", "status", status=503, kind="klines", times=3),
    trouble("2026-03-06", "two answers are 429", "limit", retry_after=30, times=2),
    trouble("2026-03-08", "two answers are cut", "cut", kind="klines", times=2),
    trouble("2026-03-12", "418: banned for three hours", "ban", seconds=10_800, for_all=True, times=1),
    trouble("2026-07-07", "REST answers 503 all day", "status", status=503, kind="rest"),
    trouble("2026-07-21", "451 all day", "geo"),
    trouble("2026-08-04", "LINK's candles answer 500 all day", "status", status=500, kind="klines", symbol="LINKUSDT"),
    trouble("2026-08-18", "the exchange's clock is three hours behind", "clock_skew", seconds=-10_800),
    trouble("2026-09-01", "the archive answers 503 all day", "status", status=503, kind="files"),
)  # fmt: skip


# What people do


@dataclass(frozen=True)
class Deed:
    """Something a person does at `at`: pause, unpause, delete, trigger or clear (see tests.year.timeline)."""

    at: datetime
    what: str
    do: str
    how: dict[str, Any]


def deed(when: str, what: str, do: str, **how: Any) -> Deed:
    return Deed(at(when), what, do, how)


DEEDS = (
    deed("2026-03-17 12:00", "two days of LINK 1h are deleted by hand", "delete",
         symbol="LINK", timeframe="1h", start="2026-03-13", end="2026-03-15"),
    deed("2026-03-23 01:00", "the daily Dag is paused", "pause", dag_id=DAILY),
    deed("2026-03-26 09:00", "the daily Dag is unpaused", "unpause", dag_id=DAILY),
    deed("2026-04-14 12:00", "a month of pinned candles is deleted by hand", "delete",
         symbol="BTC", timeframe="1h", start="2024-05-01", end="2024-06-01"),
    deed("2026-04-14 13:00", "the gap fill is asked for that month", "trigger",
         dag_id=WEEKLY, start="2024-05-01", end="2024-05-31"),
    deed("2026-09-02 10:00", "the red tasks of the consolidation are cleared", "clear", dag_id=MONTHLY),
)  # fmt: skip


# What has to be told


@dataclass(frozen=True)
class Alarm:
    """A broken promise: told at `told`, again each day, cleared at `cleared`; "" among the series is no single one."""

    what: str
    series: frozenset[str]
    told: datetime
    cleared: datetime


@dataclass(frozen=True)
class Failed:
    """A run that fails after its retries, of which a person is told once; `cleared`: it ends well in the end."""

    dag_id: str
    told: datetime
    cleared: bool = False


def alarm(what: str, told: str, cleared: str, of: frozenset[str] = frozenset({""})) -> Alarm:
    return Alarm(what, of, at(told), at(cleared))


def late(dag_id: str, told: str, cleared: str) -> Alarm:
    return alarm(f"late run of {dag_id}", told, cleared)


ALARMS = (
    # The ban ends at 05:00, and the daily increment begins again a second later.
    alarm("ban", "2026-03-12 03:00", "2026-03-12 05:00"),
    late(DAILY, "2026-03-12 04:00", "2026-03-12 05:00"),
    # The daily increment measures the month; the gap fill of Sunday brings the candles back.
    alarm("completeness", "2026-03-18 06:00", "2026-03-22 06:00", series("LINK", ("1h",))),
    # The last run before the pause was that of Sunday, 02:00; the runs of the catchup are not late.
    alarm("last_sync", "2026-03-24 06:00", "2026-03-27 06:00", series("BTC ETH LINK DOGE RUNE NEW")),
    late(DAILY, "2026-07-07 04:00", "2026-07-08 02:00"),
    late(DAILY, "2026-07-21 04:00", "2026-07-22 02:00"),
    late(DAILY, "2026-08-04 04:00", "2026-08-05 02:00"),
    # The archive has LINK's day already, but not its 4h candles, and not the first hours of the new day. Too many of
    # its windows failed, and too many requests were sent again, which is said of no single series.
    alarm("errors", "2026-08-04 06:00", "2026-08-05 06:00", series("LINK", ("4h", "1h")) | {""}),
    alarm("completeness", "2026-08-04 06:00", "2026-08-05 06:00", series("LINK", ("4h", "1h"))),
    late(MONTHLY, "2026-09-01 17:00", "2026-09-02 10:00"),
    # 60 hours of 30 days. The archive's silence is asked for on Sundays, and two of them make a suspension.
    alarm("completeness", "2026-09-16 06:00", "2026-09-27 06:00", series("DOGE")),
    # Seven days after they were first seen: two hours on the first morning, days and 4h candles on the next.
    alarm("open_gaps", "2026-09-22 06:00", "2026-09-27 06:00", series("DOGE", ("1h",))),
    alarm("open_gaps", "2026-09-23 06:00", "2026-09-27 06:00", series("DOGE", ("1d", "4h"))),
)
FAILURES = (
    Failed(DAILY, at("2026-07-07 02:00")),
    Failed(DAILY, at("2026-07-21 02:00")),
    Failed(DAILY, at("2026-08-04 02:00")),
    Failed(MONTHLY, at("2026-09-01 05:00"), cleared=True),
)
