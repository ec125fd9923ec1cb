"""One process at a time starts or stops the runtime."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from include.local.errors import LocalRunError
from include.local.processes import has_started, started_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunning(LocalRunError):
    """Another process holds the lock to do `what`; `pid` is None where it is only just starting."""

    def __init__(self, pid: int | None, what: str, since: str) -> None:
        known = f"process {pid}, since {since} UTC" if pid else "it has only just started"
        super().__init__(f"`make {what}` is running already ({known}): wait for it, or `make stop` it.")
        self.pid = pid
        self.what = what


@contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock while `what` (run, stop) goes on, or raise AlreadyRunning. The kernel frees it after a kill."""
    with path.open("a+") as file:
        _take(file, what)
        try:
            yield
        finally:
            file.truncate(0)


def interrupt_holder(path: Path, seconds: float = 90) -> bool:
    """Ask the process that holds the lock to stop, and wait until it has; returns whether that was a `make run`."""
    deadline = time.monotonic() + seconds
    asked, was_run = None, False
    while True:
        try:
            with hold(path, "stop"):
                return was_run
        except AlreadyRunning as error:
            if time.monotonic() > deadline:
                raise
            if error.pid is not None and error.pid != asked:
                with suppress(ProcessLookupError):
                    os.kill(error.pid, signal.SIGTERM)
                asked, was_run = error.pid, was_run or error.what == "run"
            time.sleep(0.2)


def _take(file: IO[str], what: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = _read_holder(file.read())
        raise AlreadyRunning(holder.get("pid"), holder.get("what", "run"), holder.get("since", "")) from None
    file.truncate(0)
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    file.write(json.dumps({"pid": os.getpid(), "started": started_at(os.getpid()), "what": what, "since": since}))
    file.flush()


def _read_holder(text: str) -> dict[str, Any]:
    """Who holds the lock; empty where the holder has not said so yet, and what stands there is of a killed one."""
    try:
        holder: dict[str, Any] = json.loads(text)
        return holder if has_started(holder["pid"], holder["started"]) else {}
    except (ValueError, KeyError, TypeError):
        return {}
