"""What the ladder hands out: parts of a window, with where each candle came from and why rungs were left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.klines.candles import Candles, RejectedCandle, holes, split_valid
from include.klines.errors import LoadError
from include.klines.windows import Window, merge, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from include.klines.intervals import Timeframe

MONTHLY, DAILY, REST = "archive-monthly", "archive-daily", "rest"
RUNGS = (MONTHLY, DAILY, REST)
"""In ladder order. Where two of them disagree about a candle, the later one is right."""


@dataclass(frozen=True)
class StepDown:
    """Why a rung was left for the next one.

    period: what was asked of it ("2024-03", "2024-03-05", "2024-03-05..2024-03-07" or the times of a window). reason:
    too_recent, not_published, missing, checksum, checksum_missing, too_large, server_error, truncated, malformed,
    refused, short, known_wrong, bad_symbol or bad_request. detail: a sentence for people.
    """

    rung: str
    period: str
    reason: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """As data_sync_log.step_downs keeps it."""
        return {"from": self.rung, "period": self.period, "reason": self.reason, "detail": self.detail}


@dataclass(frozen=True)
class ArchiveFileSeen:
    """An archive file whose candles were taken. rows: candles in the whole file; covers: its month or day, UTC."""

    url: str
    sha256: str
    last_modified: datetime | None
    rows: int
    covers: Window

    def to_json(self) -> dict[str, Any]:
        """As load/record_archive_files.sql takes it."""
        return {
            "url": self.url,
            "sha256": self.sha256,
            "last_modified": self.last_modified.isoformat() if self.last_modified else None,
            "rows": self.rows,
            "covers_start": self.covers.start.isoformat(),
            "covers_end": self.covers.end.isoformat(),
        }


@dataclass(frozen=True)
class Part:
    """The candles of `window`, at most one calendar month: valid, sorted, without duplicates.

    rows: valid candles by rung that gave any. empty_by_rest, empty_by_archive: holes about which that source was asked,
    answered, and had nothing; a hole that is in neither was not confirmed by anybody.
    """

    window: Window
    candles: Candles
    rows: Mapping[str, int]
    files: tuple[ArchiveFileSeen, ...]
    step_downs: tuple[StepDown, ...]
    rejected: tuple[RejectedCandle, ...]
    empty_by_rest: tuple[Window, ...]
    empty_by_archive: tuple[Window, ...]

    @property
    def source(self) -> str:
        """The rungs that gave candles, in ladder order, joined by "+"; "none" where there were none."""
        return "+".join(rung for rung in RUNGS if rung in self.rows) or "none"


class WindowUnavailable(LoadError):
    """No rung could be asked with success about some candles of `window`; `step_downs` has each rung's reason."""

    def __init__(self, message: str, window: Window | None = None, step_downs: tuple[StepDown, ...] = ()) -> None:
        super().__init__(message)
        self.window = window
        self.step_downs = step_downs


class PartBuilder:
    """Collects what the rungs say about one part; `build` judges whether that is all there is."""

    def __init__(
        self,
        exchange_symbol: str,
        timeframe: Timeframe,
        window: Window,
        wanted: Iterable[Window],
        closed_before: datetime,
    ) -> None:
        self.window = window
        self.files: list[ArchiveFileSeen] = []
        self.unknown_to_rest = False
        self._name = f"{exchange_symbol} {timeframe.name}"
        self._timeframe = timeframe
        self._wanted = list(wanted)
        self._closed_before = closed_before
        self._layers: dict[str, list[Candles]] = {rung: [] for rung in RUNGS}
        self._answered: dict[str, list[Window]] = {rung: [] for rung in RUNGS}
        self._failed: dict[str, list[Window]] = {rung: [] for rung in RUNGS}
        self._step_downs: list[StepDown] = []
        self._rejected: list[RejectedCandle] = []
        self._merged: Candles | None = Candles.empty()
        self._missing: list[Window] | None = None

    def accept(self, rung: str, candles: Candles, asked: Window, answered: Iterable[Window]) -> None:
        """Take what a rung gave. asked: where its candles must lie; answered: where its silence means "no candle"."""
        valid, rejected = split_valid(candles, self._timeframe, asked, self._closed_before, rung)
        if len(valid):
            self._layers[rung].append(valid)
            self._merged = self._missing = None
        self._rejected += rejected
        self._answered[rung] += answered

    def step_down(self, rung: str, period: str, reason: str, detail: str) -> None:
        """Record why a rung is left."""
        self._step_downs.append(StepDown(rung, period, reason, detail))

    def fail(self, rung: str, failed: Window) -> None:
        """A rung should have answered about `failed` and could not: what no later rung brings fails the part."""
        self._failed[rung].append(failed)

    def answered(self, rung: str) -> list[Window]:
        """What the rung was asked about with success."""
        return self._answered[rung]

    def has_failed(self, rung: str) -> bool:
        """Whether the rung could not answer somewhere."""
        return bool(self._failed[rung])

    def missing(self) -> list[Window]:
        """The wanted opens without a candle so far, as spans in order."""
        if self._missing is None:
            self._missing = holes(self._candles(), self._timeframe, self._wanted)
        return list(self._missing)

    def build(self) -> Part:
        """The part; WindowUnavailable where candles may be missing for another reason than that there are none."""
        missing = self.missing()
        if self.unknown_to_rest and not self.files:
            self.fail(REST, self.window)
        failed, answered = self._failed, self._answered
        unheard = [
            *within(missing, failed[REST]),
            *outside(within(missing, failed[DAILY]), answered[REST]),
            *outside(within(missing, failed[MONTHLY]), answered[DAILY] + answered[REST]),
        ]
        if unheard:
            raise self._unavailable(merge(unheard))
        step = self._timeframe.delta
        refused = [
            Window(candle.timestamp, candle.timestamp + step)
            for candle in self._rejected
            if candle.timestamp is not None
        ]
        empty = outside(missing, refused)
        by_archive = outside(within(empty, answered[MONTHLY] + answered[DAILY]), failed[DAILY])
        return Part(
            window=self.window,
            candles=self._candles(),
            rows={rung: sum(map(len, layers)) for rung, layers in self._layers.items() if layers},
            files=tuple(self.files),
            step_downs=_joined(self._step_downs),
            rejected=tuple(self._rejected),
            empty_by_rest=tuple(merge(within(empty, answered[REST]))),
            empty_by_archive=tuple(merge(by_archive)),
        )

    def _candles(self) -> Candles:
        if self._merged is None:
            self._merged = Candles.concat(layer for rung in RUNGS for layer in self._layers[rung]).sorted_unique()
        return self._merged

    def _unavailable(self, unheard: list[Window]) -> WindowUnavailable:
        count = sum(self._timeframe.count(hole.start, hole.end) for hole in unheard)
        steps = _joined(self._step_downs)
        reasons = "; ".join(f"{step.rung} {step.period}: {step.reason} ({step.detail.rstrip('.')})" for step in steps)
        return WindowUnavailable(
            f"{self._name} {self.window}: {count} candles, the first at {unheard[0].start:%Y-%m-%d %H:%M}, could not"
            f" be had from any rung ({reasons}); nothing of the window is stored, load it again.",
            self.window,
            steps,
        )


def within(windows: Iterable[Window], limits: Iterable[Window]) -> list[Window]:
    """The parts of `windows` inside any of `limits`."""
    borders = merge(limits)
    return [part for window in windows for border in borders if (part := window.intersect(border)) is not None]


def outside(windows: Iterable[Window], taken: Iterable[Window]) -> list[Window]:
    """The parts of `windows` outside all of `taken`."""
    borders = merge(taken)
    return [part for window in windows for part in subtract(window, borders)]


def _joined(steps: list[StepDown]) -> tuple[StepDown, ...]:
    """One step-down for days in a row with the same reason."""
    joined: list[StepDown] = []
    for step in steps:
        last = joined[-1] if joined else None
        if last and step.rung == DAILY and (step.rung, step.reason) == (last.rung, last.reason):
            first = last.period.partition("..")[0]
            joined[-1] = StepDown(step.rung, f"{first}..{step.period}", step.reason, last.detail)
        else:
            joined.append(step)
    return tuple(joined)
