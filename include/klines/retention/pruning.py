"""Old candles into cold storage, then out of market_data: saved, verified, removed, remembered.

Nothing is removed that is not in a file that was read back: number and digest of the candles are held against that
file once more, of a month of a series in the transaction that deletes it. A whole partition is first taken out of
market_data, in a moment, then compared, which takes a minute and is in nobody's way, and dropped at last. A crash
leaves candles and file, or the table that was taken out; the next run finds them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg import errors as pg

from include.klines import sql
from include.klines.errors import PruneError
from include.klines.intervals import TIMEFRAMES
from include.klines.packing import digest, unpack
from include.klines.quality import measuring
from include.klines.retention import plan
from include.klines.retention.plan import Removable
from include.klines.windows import Window, months

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg

    from include.klines.retention.cold_storage import ColdStorage
    from include.klines.retention.plan import Partition, Prospect

log = logging.getLogger(__name__)

TRIES = 60
PAUSE = 2.0
"""A removal waits half a second for its locks, then lets others through for so many seconds."""
IN_THE_WAY = (pg.LockNotAvailable, pg.DeadlockDetected)


class Changed(PruneError):
    """Candles or pins changed between saving and removing: the partition is looked at again."""


@dataclass
class PruneReport:
    """What a lane did: candles removed, partitions dropped, and the size of each file that has what went."""

    name: str
    removed: int = 0
    dropped: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as it travels through XCom."""
        size = sum(self.files.values())
        return {
            "lane": self.name,
            "removed": self.removed,
            "dropped": self.dropped,
            "files": len(self.files),
            "bytes": size,
        }

    def count(self, spans: Iterable[Removable]) -> None:
        """Add what has just been removed."""
        self.removed += sum(span.candles for span in spans)


@dataclass(frozen=True)
class Saved:
    """Candles that a file has: a span of one month, and their SHA-256 as read back."""

    span: Removable
    digest: bytes


@dataclass(frozen=True)
class Pruner:
    """Prunes lanes with one connection (autocommit). `clock` stamps the records (UTC)."""

    conn: psycopg.Connection
    storage: ColdStorage
    clock: datetime
    sleep: Callable[[float], None] = time.sleep

    def prune(self, lane: dict[str, Any]) -> PruneReport:
        """Save and remove what is old in a timeframe and year. PruneError where that fails; the rest is still there."""
        report = PruneReport(lane["name"])
        cutoff = datetime.fromisoformat(lane["cutoff"])
        claim = {"timeframe": lane["timeframe"], "year": lane["year"]}
        if not self._one("prune/claim", claim)[0]:
            raise PruneError(f"another prune or restore works on {lane['name']}: run it again when that has ended.")
        try:
            for found in plan.prospects(self.conn, lane["timeframe"], cutoff, lane["year"]):
                self._partition(found, cutoff, report)
            self._run("load/refresh_fingerprints", {})
        finally:
            self._one("prune/release", claim)
        return report

    def _partition(self, found: Prospect, cutoff: datetime, report: PruneReport) -> None:
        if found.taken_out:
            self._finish(found.partition, found.taken_out, (), report)
            return
        for _ in range(3):
            saved = [batch for span in found.spans for batch in self._save(found.partition, span, report)]
            try:
                if found.droppable:
                    self._patiently(partial(self._take_out, found), found.partition)
                    report.count(found.spans)
                    self._drop(found.partition, saved, report)
                else:
                    self._delete(found.partition, saved, report)
            except Changed as change:
                log.info("%s", change)
                found = plan.look(self.conn, found.partition, cutoff)
            else:
                return
        raise PruneError(f"{found.partition} changed three times while it was saved: clear the task after the loads.")

    def _save(self, partition: Partition, span: Removable, report: PruneReport) -> list[Saved]:
        """Put a span into its file; what the file then has of it, a month at a time."""
        candles = unpack(self._one("prune/candles", _binds(partition, span))[0])
        series = (span.symbol, partition.timeframe, partition.year)
        report.files[str(self.storage.path(*series))] = self.storage.keep(*series, candles)
        kept = self.storage.read(*series).slice(span.window)
        kept = kept.take(np.isin(kept.open_time, candles.open_time))  # it may have more, from an earlier prune
        parts = [(month, kept.slice(month)) for month in months(span.window)]
        return [
            Saved(
                replace(span, window=month, candles=len(part), first=part.first_open, last=part.last_open), digest(part)
            )
            for month, part in parts
            if len(part)
        ]

    def _take_out(self, found: Prospect) -> None:
        """Make a partition a table beside market_data, and remember what went, in one transaction."""
        partition = found.partition
        self._hold()
        spans = _spans(found.spans)
        if self._one("prune/is_pinned", spans | {"timeframe": partition.timeframe})[0]:
            raise Changed(f"{partition} is pinned since it was saved.")
        self._run("prune/take_out", {"timeframe": partition.timeframe, "range_start": partition.window.start})
        self._remember(partition, found.spans)
        log.info("%s: taken out with %s candles", partition, found.candles)

    def _drop(self, partition: Partition, saved: Sequence[Saved], report: PruneReport) -> None:
        for name, start, end in self._run(
            "prune/taken_out", {"timeframe": partition.timeframe, "year": partition.year}
        ).fetchall():
            if (start, end) == (partition.window.start, partition.window.end):
                self._finish(partition, name, saved, report)

    def _finish(self, partition: Partition, name: str, saved: Sequence[Saved], report: PruneReport) -> None:
        """Hold a table that was taken out against the files, save what differs or is not in `saved`, and drop it."""
        known = {(batch.span.symbol, batch.span.window.start): (batch.span.candles, batch.digest) for batch in saved}
        differs: dict[str, list[tuple[datetime, datetime]]] = {}
        for symbol, month, candles, first, last, made in self._run("prune/taken_out_candles", {"partition": name}):
            if known.get((symbol, month)) != (candles, made):
                differs.setdefault(symbol, []).append((first, last))
        for symbol, ends in differs.items():
            self._save_taken_out(partition, name, symbol, report)
            span = Removable(symbol, partition.window, 0, min(ends)[0], max(ends)[1])  # none more is removed
            with self.conn.transaction():
                self._hold()
                self._remember(partition, [span])
        self._run("prune/drop_taken_out", {"partition": name})
        report.dropped.append(str(partition))
        log.info("%s: dropped", partition)

    def _save_taken_out(self, partition: Partition, name: str, symbol: str, report: PruneReport) -> None:
        candles = unpack(self._one("prune/taken_out_packed", {"partition": name, "symbol": symbol})[0])
        series = (symbol, partition.timeframe, partition.year)
        report.files[str(self.storage.path(*series))] = self.storage.keep(*series, candles)
        kept = self.storage.read(*series)
        if digest(kept.take(np.isin(kept.open_time, candles.open_time))) != digest(candles):
            raise PruneError(
                f"{self.storage.path(*series)} lacks candles of {name}: nothing was dropped, clear the task."
            )

    def _delete(self, partition: Partition, saved: Sequence[Saved], report: PruneReport) -> None:
        """Remove batches of a series and month, each in a transaction of its own."""
        for batch in saved:
            self._patiently(partial(self._delete_batch, partition, batch), partition)
            report.count([batch.span])
        log.info("%s: %s candles deleted", partition, sum(batch.span.candles for batch in saved))

    def _delete_batch(self, partition: Partition, batch: Saved) -> None:
        binds = _binds(partition, batch.span)
        self._hold()
        self._run("load/lock_series", binds)
        self._hold_against_file(partition, batch)
        removed = self._run("prune/delete", binds).rowcount
        if removed != batch.span.candles:
            raise Changed(
                f"{batch.span.symbol} {partition.timeframe} {batch.span.window} changed while it was removed."
            )
        self._remember(partition, [batch.span])

    def _hold(self) -> None:
        self._run("prune/hold_quality", {})
        self._run("prune/hold_pins", {})

    def _hold_against_file(self, partition: Partition, batch: Saved) -> None:
        stored, made, is_pinned = self._one("prune/digest", _binds(partition, batch.span))
        if is_pinned or (stored, made) != (batch.span.candles, batch.digest):
            raise Changed(f"{batch.span.symbol} {partition.timeframe} {batch.span.window} is not what its file has.")

    def _remember(self, partition: Partition, spans: Sequence[Removable]) -> None:
        """Gaps, months, ranges and digests of what has just been removed; part of the caller's transaction.

        A table that was taken out long ago may hold what was brought back since: that is not pruned.
        """
        if not spans:
            return
        step = TIMEFRAMES[partition.timeframe].delta
        removed: dict[str, int] = {}
        for span in spans:
            removed[span.symbol] = removed.get(span.symbol, 0) + span.candles
        window = Window(min(span.window.start for span in spans), max(span.window.end for span in spans))
        binds = {
            "timeframe": partition.timeframe,
            "range_start": window.start,
            "range_end": window.end,
            "clock": self.clock,
        }
        each = _spans(spans) | {
            "firsts": [span.first for span in spans],
            "lasts": [span.last + step for span in spans],
        }
        self._run("prune/remember", binds | each)
        measuring.trim_pruned(self.conn, [(symbol, partition.timeframe) for symbol in removed], window, self.clock)
        self._run("prune/forget_anomalies", binds | each)
        self._run("prune/forget_days", binds | each)
        series = {"symbols": list(removed), "removed": list(removed.values())}
        self._run("prune/forget_fingerprints", binds | series)
        self._run("prune/refresh_months", binds | series)
        self._run("prune/refresh_ranges", binds | series)
        self._run("quality/refresh_months", binds)

    def _patiently(self, work: Callable[[], None], partition: Partition) -> None:
        """Run `work` in a transaction that gives way to whoever holds its locks, and tries again."""
        for tried in range(TRIES):
            if tried:
                self.sleep(PAUSE)
            try:
                with self.conn.transaction():
                    self._run("prune/be_brief", {})
                    work()
            except IN_THE_WAY as error:
                log.info("%s is in use, try %s of %s: %s", partition, tried + 1, TRIES, error)
            else:
                return
        raise PruneError(
            f"{partition} was in use {TRIES} times in a row, so nothing more of it was removed: what is saved is safe, "
            f"clear the task when the loads and reads of {partition.timeframe} have ended."
        )

    def _run(self, name: str, binds: dict[str, Any]) -> psycopg.Cursor[Any]:
        return self.conn.execute(sql.load(name).encode(), binds or None)

    def _one(self, name: str, binds: dict[str, Any]) -> tuple[Any, ...]:
        row = self._run(name, binds).fetchone()
        if row is None:
            raise PruneError(f"{name}.sql returned no row: the database is not at the schema of this checkout.")
        return row  # type: ignore[no-any-return]  # rows of a plain cursor are tuples


def _binds(partition: Partition, span: Removable) -> dict[str, Any]:
    return {
        "symbol": span.symbol,
        "timeframe": partition.timeframe,
        "range_start": span.window.start,
        "range_end": span.window.end,
    }


def _spans(spans: Iterable[Removable]) -> dict[str, Any]:
    spans = list(spans)
    return {
        "symbols": [span.symbol for span in spans],
        "starts": [span.window.start for span in spans],
        "ends": [span.window.end for span in spans],
    }
