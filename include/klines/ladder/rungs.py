"""The rungs of the ladder: the monthly file, the daily files and REST, each asked for what is still missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from binance_plugin.errors import (
    ArchiveError,
    ArchiveNotFound,
    BadRequest,
    BadSymbol,
    ExchangeUnavailable,
    MalformedAnswer,
)
from include.klines.candles import Candles, from_rest, microseconds
from include.klines.errors import RefusedFile
from include.klines.ladder.archive_csv import period_window, read_archive_file
from include.klines.ladder.parts import DAILY, MONTHLY, REST, ArchiveFileSeen, PartBuilder, outside
from include.klines.windows import Window, day_of, days, month_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event

    from binance_plugin.archive import ArchiveDownload
    from include.klines.intervals import Timeframe
    from include.klines.ladder.ahead import Downloads
    from include.klines.ladder.parts import Part

KNOWN_WRONG_DAYS = tuple(day_of(datetime(*day, tzinfo=UTC)) for day in ((2020, 12, 21), (2021, 9, 29)))
"""Days on which monthly files are wrong, while daily files and REST agree (binance-public-data, issue 475)."""
MONTHLY_LATE = timedelta(days=15)
"""A monthly file usually comes within 3 days and has been seen 13 days late; from here on a 404 means it is missing."""
DAILY_LATE = timedelta(days=2)
"""A daily file comes the next day; from here on a 404 means it is missing."""
PAGE = 1000
"""Candles in one REST answer."""
MISSES = 5
"""After so many daily files in a row that are missing or do not come, REST is asked instead: a pair that stood still
for months has none, and an archive that is down gives none."""


class KlineSource(Protocol):
    """What the ladder needs of BinanceClient, called from several threads; of iter_klines at most two at once."""

    def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        """The verified zip of a month ("2024-03") or a day ("2024-03-05")."""

    def iter_klines(
        self, exchange_symbol: str, interval: str, start: datetime, end: datetime
    ) -> Iterator[list[list[Any]]]:
        """The rows with start <= open time < end, a page at a time."""


class Rungs:
    """Asks the rungs of one series. `stopped` ends work between two answers when nobody waits for it any more.

    archive_first may be called from several threads, which ask REST in turn: one of them is told that a pair is unknown
    to it. rest_first keeps rows for the next part, and is called part by part.
    """

    def __init__(
        self,
        client: KlineSource,
        exchange_symbol: str,
        timeframe: Timeframe,
        closed_before: datetime,
        downloads: Downloads,
        stopped: Event,
    ) -> None:
        self._client = client
        self._symbol = exchange_symbol
        self._timeframe = timeframe
        self._closed_before = closed_before
        self._downloads = downloads
        self._stopped = stopped
        self._one_asks_rest = Lock()
        self._unknown_to_rest = ""
        self._ahead: tuple[Window, Candles] | None = None

    def archive_first(
        self,
        window: Window,
        wanted: Sequence[Window],
        monthly: Callable[[], ArchiveDownload] | None,
        *,
        then_rest: bool,
    ) -> Part:
        """Down the ladder: the monthly file, daily files of the days it lacks, REST for what they lack.

        monthly: waits for the month's file; None while the month is open. Without `then_rest` holes stay.
        """
        builder = self._builder(window, wanted)
        month = month_of(window.start)
        period = f"{month.start:%Y-%m}"
        if builder.missing():
            if monthly is None:
                builder.step_down(MONTHLY, period, "too_recent", f"the month ends {month.end:%Y-%m-%d}")
            else:
                self._take_file(builder, MONTHLY, period, monthly)
        self._daily(builder, builder.missing(), give_up=then_rest)
        if then_rest and builder.missing():
            with self._one_asks_rest:
                self._rest(builder, builder.window.end)
        return builder.build()

    def rest_first(self, window: Window, wanted: Sequence[Window], ask_until: datetime, *, then_archive: bool) -> Part:
        """REST; for what it lacks or could not answer the daily files, where `then_archive` says so.

        ask_until: how far beyond the window the last page may reach, because the next parts want it too.
        """
        builder = self._builder(window, wanted)
        self._rest(builder, ask_until)
        if then_archive and (missing := builder.missing()):
            certain = builder.has_failed(REST) or builder.unknown_to_rest
            until = self._closed_before if certain else self._closed_before - DAILY_LATE
            published = [piece for hole in missing for piece in days(hole) if day_of(piece.start).end <= until]
            if published and not certain:
                self._note_short(builder, REST, _times(window), window)
            self._daily(builder, published, give_up=False)
        return builder.build()

    def _builder(self, window: Window, wanted: Iterable[Window]) -> PartBuilder:
        return PartBuilder(self._symbol, self._timeframe, window, wanted, self._closed_before)

    def _daily(self, builder: PartBuilder, missing: Iterable[Window], *, give_up: bool) -> None:
        wanted = {f"{day.start:%Y-%m-%d}": day_of(day.start) for hole in missing for day in days(hole)}
        periods = [period for period, day in wanted.items() if day.end <= self._closed_before]
        misses = 0
        for period, wait in self._downloads.each(periods):
            self._stop_if_told()
            reason = self._take_file(builder, DAILY, period, wait)
            misses = misses + 1 if reason in {"missing", "server_error"} else 0
            if give_up and misses == MISSES and period != periods[-1]:
                detail = f"{MISSES} days in a row could not be had, so REST is asked for the others"
                builder.step_down(DAILY, periods[-1], reason, detail)
                break
        for period in wanted:
            if period not in periods:
                builder.step_down(DAILY, period, "too_recent", "the day is not over")

    def _take_file(self, builder: PartBuilder, rung: str, period: str, wait: Callable[[], ArchiveDownload]) -> str:
        """Take a file's candles and return ""; else record and return why not. A 404 is never "no data"."""
        covers = period_window(period)
        try:
            download = wait()
            candles = read_archive_file(download.zip_bytes, self._symbol, self._timeframe, period)
        except ArchiveNotFound as error:
            late = MONTHLY_LATE if rung == MONTHLY else DAILY_LATE
            reason = "not_published" if self._closed_before - covers.end < late else "missing"
            builder.step_down(rung, period, reason, str(error))
            return reason
        except (ArchiveError, RefusedFile) as error:
            builder.step_down(rung, period, error.reason, str(error))
            builder.fail(rung, covers)
            return error.reason
        builder.files.append(
            ArchiveFileSeen(download.url, download.sha256, download.last_modified, len(candles), covers)
        )
        wrong = [day for day in KNOWN_WRONG_DAYS if rung == MONTHLY and day.intersect(builder.window)]
        for day in wrong:
            detail = "monthly files are known to be wrong on this day"
            builder.step_down(rung, f"{day.start:%Y-%m-%d}", "known_wrong", detail)
        builder.accept(rung, candles.slice(builder.window).without(wrong), builder.window, outside([covers], wrong))
        self._note_short(builder, rung, period, covers)
        return ""

    def _note_short(self, builder: PartBuilder, rung: str, period: str, covers: Window) -> None:
        missing = [part for hole in builder.missing() if (part := hole.intersect(covers)) is not None]
        missing = outside(missing, KNOWN_WRONG_DAYS if rung == MONTHLY else ())
        if missing:
            count = sum(self._timeframe.count(hole.start, hole.end) for hole in missing)
            detail = f"{count} candles are not in it, the first at {missing[0].start:%Y-%m-%d %H:%M}"
            builder.step_down(rung, period, "short", detail)

    def _rest(self, builder: PartBuilder, ask_until: datetime) -> None:
        if self._ahead is not None:
            answered, candles = self._ahead
            self._take_rows(builder, candles, answered)
        for asked in _requests(outside(builder.missing(), builder.answered(REST)), self._timeframe, ask_until):
            if self._unknown_to_rest:
                builder.step_down(REST, _times(asked), "bad_symbol", self._unknown_to_rest)
                builder.unknown_to_rest = True
                return
            try:
                pages = []
                for page in self._client.iter_klines(self._symbol, self._timeframe.name, asked.start, asked.end):
                    self._stop_if_told()
                    pages.append(from_rest(page))
            except BadSymbol as error:
                self._unknown_to_rest = str(error)
                builder.step_down(REST, _times(asked), "bad_symbol", str(error))
                builder.unknown_to_rest = True
                return
            except (ExchangeUnavailable, MalformedAnswer, BadRequest) as error:
                reasons = {ExchangeUnavailable: "server_error", MalformedAnswer: "malformed", BadRequest: "bad_request"}
                builder.step_down(REST, _times(asked), reasons[type(error)], str(error))
                builder.fail(REST, Window(asked.start, max(asked.end, builder.window.end)))
                return
            self._take_rows(builder, Candles.concat(pages), asked)

    def _take_rows(self, builder: PartBuilder, candles: Candles, asked: Window) -> None:
        """Take the rows for this part, and keep those of `asked` that the next parts want."""
        border, end = microseconds(builder.window.end), microseconds(asked.end)
        later = (candles.open_time >= border) & (candles.open_time < end)
        if asked.end > builder.window.end:
            rest = Window(max(asked.start, builder.window.end), asked.end)
            self._ahead = (rest, candles.take(later))
        else:
            self._ahead = None
        inside = asked.intersect(builder.window)
        if inside is not None:
            builder.accept(REST, candles.take(~later), inside, [inside])

    def _stop_if_told(self) -> None:
        if self._stopped.is_set():
            raise InterruptedError("nobody waits for these candles any more.")


def _requests(missing: Sequence[Window], timeframe: Timeframe, ask_until: datetime) -> list[Window]:
    """The spans to ask REST for.

    A hole that fits into the pages before it costs no request of its own, and the last page is filled with what comes
    after it, up to `ask_until`.
    """
    page = PAGE * timeframe.delta
    spans: list[Window] = []
    for hole in missing:
        if spans and hole.end <= _pages_end(spans[-1], page):
            spans[-1] = Window(spans[-1].start, hole.end)
        else:
            spans.append(hole)
    if spans and ask_until > spans[-1].end:
        spans[-1] = Window(spans[-1].start, min(ask_until, _pages_end(spans[-1], page)))
    return spans


def _pages_end(span: Window, page: timedelta) -> datetime:
    return span.start - (span.start - span.end) // page * page


def _times(window: Window) -> str:
    return f"{window.start:%Y-%m-%d %H:%M}..{window.end:%Y-%m-%d %H:%M}"
