"""The source ladder: monthly archive file → daily files → REST, one part a calendar month, the next ones under way.

Which rung is asked first (source=auto):

- A closed month: its monthly file; daily files for the days that it lacks; REST for the candles that those lack.
- The open month: REST, as long as it costs no more pages (1,000 candles) than there are days; more than that (days of
  1m) come as daily files, and by REST what these do not have yet.
- A piece of a closed month that fits into one page, and is three days at most or lies in a month that ended less than
  15 days ago: REST, one request. This is what a daily increment and a repaired hole cost. Only holes that REST does not
  fill are looked up in the daily files, once these are sure to be published.

A 404 is never "no data". Candles known to be missing at the exchange (`known_holes`) are not asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Literal

from binance_plugin.settings import BinanceSettings
from include.klines.errors import InvalidRequest
from include.klines.ladder.ahead import PARTS_AHEAD, Downloads, Makers
from include.klines.ladder.parts import outside, within
from include.klines.ladder.rungs import MONTHLY_LATE, PAGE, Rungs
from include.klines.windows import Window, days, month_of, months

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from include.klines.intervals import Timeframe
    from include.klines.ladder.parts import Part
    from include.klines.ladder.rungs import KlineSource

Source = Literal["auto", "archive", "rest"]
SMALL_DAYS = 3
"""A piece of an old month up to this long is an increment or a repair, not worth a month's file."""


def fetch_parts(
    client: KlineSource,
    *,
    symbol: str,
    exchange_symbol: str,
    timeframe: Timeframe,
    window: Window,
    source: Source = "auto",
    closed_before: datetime,
    listed: Sequence[Window] | None = None,
    known_holes: Sequence[Window] = (),
    parallel: int = BinanceSettings.archive_parallel,
) -> Iterator[Part]:
    """The candles of `window` in parts that tile it, in order of time, one a calendar month (UTC).

    closed_before: the exchange's clock; candles that end after it are left out. listed: when the series existed, None
    for all of the time: nothing is asked outside. known_holes: spans that are empty at the exchange for everybody.
    parallel: archive downloads at once.

    While the caller works on one part, up to PARTS_AHEAD after it are fetched and decoded in threads, and up to
    `parallel` monthly files after those are downloaded; a call that makes one part starts no thread for it. Close the
    iterator to end early.

    Raises WindowUnavailable where candles could not be had because rungs failed, not because there are none; and what
    the client raises about limits, bans and locks (RateLimited, Banned, GeoBlocked, Forbidden, BudgetUnavailable).
    """
    if source not in {"auto", "archive", "rest"}:
        raise InvalidRequest(f"source {source!r} of {symbol} is not known: use auto, archive or rest.")
    plans = plan_parts(
        timeframe, window, source=source, closed_before=closed_before, listed=listed, known_holes=known_holes
    )
    return _fetch(
        client, exchange_symbol, timeframe, plans, source=source, closed_before=closed_before, parallel=parallel
    )


@dataclass(frozen=True)
class PartPlan:
    """How one part is to be fetched. wanted: spans of opens to ask for; ask_until: where the run of REST parts ends."""

    window: Window
    wanted: tuple[Window, ...]
    rest_first: bool
    month_closed: bool
    ask_until: datetime

    @property
    def period(self) -> str | None:
        """The monthly file to begin with, None where it is not asked for."""
        asks = self.wanted and self.month_closed and not self.rest_first
        return f"{self.window.start:%Y-%m}" if asks else None


def plan_parts(
    timeframe: Timeframe,
    window: Window,
    *,
    source: Source,
    closed_before: datetime,
    listed: Sequence[Window] | None,
    known_holes: Iterable[Window],
) -> list[PartPlan]:
    """The parts of `window`, and for each what is wanted and which rung comes first."""
    existing = [window] if listed is None else [Window(timeframe.floor(life.start), life.end) for life in listed]
    end = timeframe.floor(closed_before)
    closed = [Window(window.start, end)] if end > window.start else []
    wanted = outside(within(within([window], closed), existing), known_holes)
    plans: list[PartPlan] = []
    for part in months(window):
        spans = tuple(within(wanted, [part]))
        rest_first = source == "rest" or (source == "auto" and _is_small(timeframe, part, spans, closed_before))
        month_closed = month_of(part.start).end <= closed_before
        plans.append(PartPlan(part, spans, rest_first, month_closed, part.end))
    until: datetime | None = None
    for index, plan in reversed(list(enumerate(plans))):
        if not plan.rest_first:
            until = None
        elif plan.wanted:
            until = until or plan.wanted[-1].end
            plans[index] = replace(plan, ask_until=until)
    return plans


def _is_small(timeframe: Timeframe, part: Window, wanted: Sequence[Window], closed_before: datetime) -> bool:
    """Whether REST is asked first, by the rule of this module."""
    month = month_of(part.start)
    candles = sum(timeframe.count(span.start, span.end) for span in wanted)
    if closed_before < month.end:
        return math.ceil(candles / PAGE) <= len({day.start for span in wanted for day in days(span)})
    recent = closed_before - month.end < MONTHLY_LATE
    short = part.end - part.start <= timedelta(days=SMALL_DAYS)
    return candles <= PAGE and not part.covers(month) and (recent or short)


def _fetch(
    client: KlineSource,
    exchange_symbol: str,
    timeframe: Timeframe,
    plans: Sequence[PartPlan],
    *,
    source: Source,
    closed_before: datetime,
    parallel: int,
) -> Iterator[Part]:
    stopped = Event()
    downloads = Downloads(partial(client.archive_file, exchange_symbol, timeframe.name), parallel)
    monthly = downloads.each([plan.period for plan in plans if plan.period])
    by_archive, by_rest = (
        Rungs(client, exchange_symbol, timeframe, closed_before, downloads, stopped) for _ in range(2)
    )

    def work_of(plan: PartPlan) -> Callable[[], Part]:
        if plan.rest_first:
            then_archive = source == "auto"
            return partial(by_rest.rest_first, plan.window, plan.wanted, plan.ask_until, then_archive=then_archive)
        file = next(monthly)[1] if plan.period else None
        return partial(by_archive.archive_first, plan.window, plan.wanted, file, then_rest=source == "auto")

    makers = Makers() if len(plans) > 1 else None
    try:
        if makers is None:
            yield from (work_of(plan)() for plan in plans)
            return
        for plan in plans:
            makers.begin(work_of(plan), in_order=plan.rest_first)
            if makers.under_way > PARTS_AHEAD:
                yield makers.next()
        while makers.under_way:
            yield makers.next()
    finally:
        stopped.set()
        downloads.close()
        if makers is not None:
            makers.close()
