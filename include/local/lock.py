"""One process at a time starts or stops the runtime."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from include.local.errors import LocalRunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunning(LocalRunError):
    """Another process holds the lock; `pid` is its process id, or None where it is only just starting."""

    def __init__(self, pid: int | None, what: str, since: str) -> None:
        super().__init__(
            f"`make {what}` is running already (process {pid}, since {since} UTC): wait for it, or `make stop` it."
        )
        self.pid = pid


@contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock while `what` (run, stop) goes on, or raise AlreadyRunning. The kernel frees it after a kill."""
    with path.open("a+") as file:
        _take(file, what)
        yield
        file.truncate(0)


def interrupt_holder(path: Path, seconds: float = 90) -> None:
    """Ask the process that holds the lock to stop, and wait until it has."""
    deadline = time.monotonic() + seconds
    asked = None
    while True:
        try:
            with hold(path, "stop"):
                return
        except AlreadyRunning as error:
            if time.monotonic() > deadline:
                raise
            if error.pid is not None and error.pid != asked:
                os.kill(error.pid, signal.SIGTERM)
                asked = error.pid
            time.sleep(0.2)


def _take(file: IO[str], what: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        try:
            holder = json.loads(file.read())
        except ValueError:
            holder = {}
        raise AlreadyRunning(
            holder.get("pid"), holder.get("what", "run"), holder.get("since", "a moment ago")
        ) from None
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "what": what, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}))
    file.flush()
