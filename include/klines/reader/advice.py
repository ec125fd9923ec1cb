"""What to do about missing candles: the form of the Dag that loads them, and the same as a shell command."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.klines.reader.errors import MissingWindow

LOAD_DAG = "klines_initial_load"


def load_conf(windows: Sequence[MissingWindow], timeframe: str) -> dict[str, Any] | None:
    """Params of klines_initial_load that cover `windows` (its start and end are days, both included); None for none."""
    loadable = [window for window in windows if window.cause not in {"not_closed", "pruned"}]
    if not loadable:
        return None
    return {
        "symbols": sorted({window.symbol for window in loadable}),
        "timeframes": [timeframe],
        "start": f"{min(window.start for window in loadable):%Y-%m-%d}",
        "end": f"{max(window.end for window in loadable) - timedelta(microseconds=1):%Y-%m-%d}",
    }


def command(conf: Mapping[str, Any]) -> str:
    """The shell command that triggers the load."""
    return f"airflow dags trigger {LOAD_DAG} --conf {shlex.quote(json.dumps(conf))}"


def restore_command(windows: Sequence[MissingWindow], timeframe: str) -> str | None:
    """The shell command that brings pruned candles of `windows` back; None where none was pruned."""
    pruned = [window for window in windows if window.cause == "pruned"]
    if not pruned:
        return None
    symbols = ",".join(sorted({window.symbol for window in pruned}))
    start = f"{min(window.start for window in pruned):%Y-%m-%d}"
    end = f"{max(window.end for window in pruned) - timedelta(microseconds=1):%Y-%m-%d}"
    return f"python -m include.klines.restore --symbols {symbols} --timeframes {timeframe} --start {start} --end {end}"


def advice(conf: Mapping[str, Any] | None, windows: Sequence[MissingWindow], restore: str | None = None) -> str:
    """The end of MissingData's sentence."""
    if restore is not None:
        back = f"bring back what was pruned, where Airflow runs: {restore}"
        return back if conf is None else f"{advice(conf, windows)}; {back}"
    if conf is None:
        return f"candles from {windows[0].start:%Y-%m-%d %H:%M} on have not closed yet: end the range there."
    form = ", ".join(f"{key} {' '.join(value) if isinstance(value, list) else value}" for key, value in conf.items())
    return f"load them with the Dag {LOAD_DAG} (form: {form}), or in a shell: {command(conf)}"
