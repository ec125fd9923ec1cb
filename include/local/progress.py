"""Live progress of a load: a bar in a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from include.local.load_run import LoadRun, Snapshot

PLAIN_SECONDS, QUIET_SECONDS = 5.0, 30.0
MANY_LANES = 100


class RateMeter:
    """Candles a second and seconds left, from what was seen so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int, int] | None = None
        self._last = (0.0, 0)

    def read(self, snapshot: Snapshot) -> tuple[float, float | None]:
        """Rate since the first lane began to load, and the time left at the pace so far (None while unknown)."""
        now = self._clock()
        if self._first is None:
            if not snapshot.lanes:
                return 0.0, None
            self._first = (now, snapshot.fetched, snapshot.accounted)
        started, fetched, accounted = self._first
        if snapshot.fetched > self._last[1]:
            self._last = (now, snapshot.fetched)
        elapsed = (now if snapshot.lanes_done + snapshot.lanes_failed < snapshot.lanes else self._last[0]) - started
        if elapsed < 1:
            return 0.0, None
        pace = (snapshot.accounted - accounted) / elapsed
        left = (snapshot.expected - snapshot.accounted) / pace if pace > 0 else None
        return (snapshot.fetched - fetched) / elapsed, left


def describe(snapshot: Snapshot, rate: float, left: float | None) -> str:
    """A snapshot in one line."""
    if not snapshot.lanes:
        return snapshot.step or ("waiting for the scheduler" if snapshot.state == "queued" else "planning")
    words = [
        f"lanes {snapshot.lanes_done}/{snapshot.lanes}",
        f"{snapshot.fetched:,} candles",
        f"{rate:,.0f}/s",
    ]
    if snapshot.lanes_done + snapshot.lanes_failed == snapshot.lanes:
        words.append(snapshot.step or "closing")
    elif left is not None:
        words.append(f"{duration(left)} left")
    if snapshot.lanes_waiting:
        words.append(f"{snapshot.lanes_waiting} to be tried again")
    if snapshot.lanes_failed:
        words.append(f"{snapshot.lanes_failed} failed")
    return ", ".join(words)


def follow(run: LoadRun, console: Console, prefix: str, check: Callable[[Snapshot], None]) -> Snapshot:
    """Show the run until it is over and return its last snapshot. `check` is called in between and may raise."""
    from include.local.load_run import OVER

    meter, last_line, last_shown = RateMeter(), "", 0.0
    columns = (TextColumn("{task.fields[prefix]}"), BarColumn(bar_width=30), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None, prefix=prefix)
        while True:
            snapshot = run.snapshot()
            line = describe(snapshot, *meter.read(snapshot))
            bar.update(task, description=escape(line), total=snapshot.expected or None, completed=snapshot.accounted)
            for failure in snapshot.failures:
                console.print(
                    f"{prefix}[red]failed[/red] {escape(failure.what)}: {escape(failure.reason)}", soft_wrap=True
                )
            over = snapshot.state in OVER
            waited = time.monotonic() - last_shown
            due = waited >= (PLAIN_SECONDS if line != last_line else QUIET_SECONDS)
            if not console.is_terminal and (due or (over and line != last_line)):
                console.print(f"{prefix}{escape(line)}", soft_wrap=True)
                last_line, last_shown = line, time.monotonic()
            if over:
                return snapshot
            check(snapshot)
            run.wait(1.0 if snapshot.lanes <= MANY_LANES else 3.0)


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
