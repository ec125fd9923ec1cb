"""One window of one series into the database: all of it in one transaction, or none of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.candles import Candles, runs
from include.klines.errors import LoadError
from include.klines.intervals import parse_timeframe
from include.klines.ladder.parts import RUNGS
from include.klines.load import staging
from include.klines.packing import digest
from include.klines.quality import measuring
from include.klines.windows import month_of, months

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import psycopg

    from binance_plugin.stats import RequestStats
    from include.klines.candles import RejectedCandle
    from include.klines.ladder.parts import ArchiveFileSeen, Part, StepDown
    from include.klines.load.lanes import SeriesPlan
    from include.klines.windows import Window


@dataclass(frozen=True)
class RunRef:
    """Which task of which run does the work, for data_sync_log."""

    dag_id: str
    run_id: str
    lane: str


@dataclass(frozen=True)
class Fetched:
    """Everything the ladder gave for one window: valid candles in order, and how they were come by."""

    window: Window
    candles: Candles
    source: str
    files: tuple[ArchiveFileSeen, ...]
    step_downs: tuple[StepDown, ...]
    rejected: tuple[RejectedCandle, ...]
    empty_by_rest: tuple[Window, ...]
    empty_by_archive: tuple[Window, ...]
    stats: RequestStats
    started_at: datetime

    @classmethod
    def from_parts(cls, window: Window, parts: Iterable[Part], stats: RequestStats, started_at: datetime) -> Fetched:
        """The parts of one window as one; `source` names the rungs used, in ladder order, or none."""
        parts = list(parts)
        used = {rung for part in parts for rung in part.source.split("+")}
        return cls(
            window=window,
            candles=Candles.concat([part.candles for part in parts]),
            source="+".join(rung for rung in RUNGS if rung in used) or "none",
            files=tuple(file for part in parts for file in part.files),
            step_downs=tuple(step for part in parts for step in part.step_downs),
            rejected=tuple(candle for part in parts for candle in part.rejected),
            empty_by_rest=tuple(hole for part in parts for hole in part.empty_by_rest),
            empty_by_archive=tuple(hole for part in parts for hole in part.empty_by_archive),
            stats=stats,
            started_at=started_at,
        )

    @classmethod
    def failed(cls, window: Window, error: Exception, stats: RequestStats, started_at: datetime) -> Fetched:
        """What is known of a window that could not be had: no candle of it, but why each rung was left."""
        steps = getattr(error, "step_downs", ())
        return replace(cls.from_parts(window, (), stats, started_at), step_downs=tuple(steps))


@dataclass(frozen=True)
class Counts:
    """What a load did to market_data, in candles."""

    fetched: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def store_window(
    conn: psycopg.Connection,
    series: SeriesPlan,
    fetched: Fetched,
    *,
    run: RunRef,
    clock: datetime,
    attempt: bool = False,
    synced_at: datetime | None = None,
) -> Counts:
    """Store candles, revisions, range, gaps and the record of one window in one transaction.

    `clock` is the exchange's time (UTC): it stamps the records, and no candle is expected to close after it. With
    `attempt`, a gap that was found empty has one more attempt behind it. `synced_at` is when the exchange was asked, if
    not at `clock`. Raises LoadError where PostgreSQL holds another number of candles than were sent, psycopg.Error
    where it fails; either way nothing of the window is kept.
    """
    window = fetched.window
    binds = {
        "symbol": series.symbol,
        "timeframe": series.timeframe,
        "window_start": window.start,
        "window_end": window.end,
        "source": fetched.source,
        "clock": clock,
    }
    with conn.transaction():
        _run(conn, "load/lock_series", binds)
        counts = _write(conn, fetched, binds)
        gaps, pruned = _one(conn, "load/known_gaps_touch", binds)
        if pruned and len(fetched.candles):
            measuring.trim_pruned(conn, [series.key], window, clock)
        if gaps or not _is_whole(series, fetched):
            full = runs(fetched.candles, parse_timeframe(series.timeframe))
            measuring.record_gaps(conn, [series.key], window, clock, full=full)
        if empty := list(fetched.empty_by_rest):
            measuring.record_empty(conn, *series.key, empty, "rest", clock.date(), attempt=attempt)
        if empty := list(fetched.empty_by_archive):
            measuring.record_empty(conn, *series.key, empty, "archive", clock.date())
        if len(fetched.candles):
            first, last = fetched.candles.first_open, fetched.candles.last_open
            reach = {"first_timestamp": first, "last_timestamp": last, "inserted": counts.inserted}
            _run(conn, "load/record_range", binds | reach | {"clock": synced_at or clock})
        else:
            touch(conn, [series], synced_at or clock)
        _record_origin(conn, fetched, binds | {"run_id": run.run_id})
        record_sync(conn, series, fetched, counts, run=run, clock=clock)
    return counts


def record_sync(
    conn: psycopg.Connection,
    series: SeriesPlan,
    fetched: Fetched,
    counts: Counts,
    *,
    run: RunRef,
    clock: datetime,
    error: str | None = None,
) -> None:
    """Leave the row of one window in data_sync_log; with `error` it says that the window failed and stored nothing."""
    stats = fetched.stats
    _run(
        conn,
        "load/record_sync",
        {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "lane": run.lane,
            "symbol": series.symbol,
            "timeframe": series.timeframe,
            "window_start": fetched.window.start,
            "window_end": fetched.window.end,
            "source": fetched.source,
            "status": "failed" if error else "success",
            "requests": stats.requests,
            "retries": stats.retries,
            "rate_limited": stats.rate_limited,
            "errors": stats.errors,
            "rows_fetched": counts.fetched,
            "rows_inserted": counts.inserted,
            "rows_revised": counts.revised,
            "rows_unchanged": counts.unchanged,
            "rows_rejected": counts.rejected,
            "step_downs": json.dumps([step.to_json() for step in fetched.step_downs]),
            "error": error,
            "started_at": fetched.started_at,
            "finished_at": max(clock, fetched.started_at),
        },
    )


def touch(conn: psycopg.Connection, series: Sequence[SeriesPlan], clock: datetime) -> None:
    """Note that these series were synced at `clock`: nothing of them is new, or all that is new is stored."""
    symbols, timeframes = [plan.symbol for plan in series], [plan.timeframe for plan in series]
    _run(conn, "load/touch_series", {"symbols": symbols, "timeframes": timeframes, "clock": clock})


@contextmanager
def commits_in_passing(conn: psycopg.Connection) -> Iterator[None]:
    """Transactions inside do not wait for the disk, one by one: a window is a few milliseconds of waiting.

    Windows are stored whole or not at all as before. Call `touch` behind it: its commit waits for all of those before
    it, so that what a lane reports as stored is on the disk. Where the server ends before, the lane fails with it.
    """
    conn.execute(sql.load("load/commit_in_passing").encode())
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute(b"RESET synchronous_commit")


def _write(conn: psycopg.Connection, fetched: Fetched, binds: dict[str, Any]) -> Counts:
    sent, rejected = len(fetched.candles), len(fetched.rejected)
    if not sent:
        return Counts(rejected=rejected)
    if _one(conn, "load/window_is_empty", binds)[0]:
        _run(conn, "load/touch_fingerprints", binds)
        partition = _one(conn, "load/partition_to_fill", binds)[0]
        into = partition or staging.MARKET_DATA
        staging.copy_to_market_data(conn, binds["symbol"], binds["timeframe"], fetched.candles, into)
        _keep_fingerprints(conn, fetched, binds)
        return Counts(fetched=sent, inserted=sent, rejected=rejected)
    staging.copy_to_staging(conn, fetched.candles)
    staged, inserted, revised, unchanged = _one(conn, "load/upsert", binds)
    if inserted or revised:
        _run(conn, "load/touch_fingerprints", binds)
    if staged != sent:
        raise LoadError(
            f"{binds['symbol']} {binds['timeframe']} {fetched.window}: {sent} candles were sent to staging, "
            f"but {staged} were there at the upsert; nothing was stored, run the lane again."
        )
    return Counts(sent, inserted, revised, unchanged, rejected)


def _keep_fingerprints(conn: psycopg.Connection, fetched: Fetched, binds: dict[str, Any]) -> None:
    """Keep the digests of the whole months of a window that was empty: all their candles are at hand.

    PostgreSQL would need ten times as long to read and hash them when the load is measured.
    """
    whole = [month for month in months(fetched.window) if month_of(month.start) == month]
    parts = [(month, part) for month in whole if len(part := fetched.candles.slice(month))]
    if parts:
        made = {
            "months": [month.start.date() for month, _ in parts],
            "candles": [len(part) for _, part in parts],
            "digests": [digest(part) for _, part in parts],
        }
        _run(conn, "load/keep_fingerprints", binds | made)


def _is_whole(series: SeriesPlan, fetched: Fetched) -> bool:
    """Whether the window is whole months and has a candle at every open time: there is no gap to look for in it.

    The candles are distinct (the primary key sees to it), on the grid, inside the window, and were counted as they went
    in: as many as there are open times are all of them.
    """
    window = fetched.window
    borders = (window.start, window.end)
    if any(month_of(border).start != border for border in borders):
        return False
    return len(fetched.candles) == parse_timeframe(series.timeframe).count(*borders)


def _record_origin(conn: psycopg.Connection, fetched: Fetched, binds: dict[str, Any]) -> None:
    if fetched.files:
        files = [file.to_json() for file in fetched.files]
        _run(conn, "load/record_archive_files", binds | {"files": json.dumps(files)})
    if fetched.rejected:
        candles = [candle.to_json() for candle in fetched.rejected]
        _run(conn, "load/record_rejected", binds | {"candles": json.dumps(candles)})


def _run(conn: psycopg.Connection, name: str, binds: dict[str, Any]) -> psycopg.Cursor[Any]:
    return conn.execute(sql.load(name).encode(), binds)


def _one(conn: psycopg.Connection, name: str, binds: dict[str, Any]) -> tuple[Any, ...]:
    row = _run(conn, name, binds).fetchone()
    if row is None:
        raise LoadError(f"{name}.sql returned no row: the database is not at the schema of this checkout.")
    return row  # type: ignore[no-any-return]  # rows of a plain cursor are tuples
