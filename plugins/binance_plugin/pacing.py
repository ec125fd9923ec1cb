"""When the next request may start, and how long to wait before a retry."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from binance_plugin.errors import BinanceError
    from binance_plugin.stats import RequestStats

T = TypeVar("T")
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


class Pacer:
    """Keeps `interval` seconds between the starts of requests and `burst_pause` after each `burst_size` of them.

    Zero disables either. Several threads may share one pacer: they start one after the other.
    """

    def __init__(
        self,
        interval: float,
        burst_size: int,
        burst_pause: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval
        self._burst_size = burst_size
        self._burst_pause = burst_pause
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last_start: float | None = None
        self._started = 0

    def wait(self) -> None:
        """Return when the next request may start, and count it as started."""
        with self._lock:
            if self._last_start is not None:
                ends_burst = self._burst_size > 0 and self._started % self._burst_size == 0
                distance = max(self._interval, self._burst_pause) if ends_burst else self._interval
                remaining = self._last_start + distance - self._monotonic()
                if remaining > 0:
                    self._sleep(remaining)
            self._last_start = self._monotonic()
            self._started += 1


class Transient(Exception):
    """A failure worth another try; `give_up` makes the error for when all are used up. Never leaves the plugin."""

    def __init__(self, reason: str, give_up: Callable[[str], BinanceError]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.give_up = give_up


def backoff(retry: int) -> float:
    """Seconds before the retry with this number, from 0: 0.5, 1, 2, 4 … at most 30."""
    return float(min(FIRST_WAIT * 2**retry, LONGEST_WAIT))


def with_retries(
    attempt: Callable[[], T],
    *,
    what: str,
    retries: int,
    sleep: Callable[[float], None],
    stats: RequestStats,
    log: logging.Logger,
) -> T:
    """The value of `attempt`, called at most 1 + `retries` times while it raises Transient.

    Raises what the last Transient's `give_up` makes, with the number of tries in its sentence.
    """
    retry = 0
    while True:
        try:
            return attempt()
        except Transient as problem:
            stats.add(errors=1)
            if retry >= retries:
                tries = f" ({retry + 1} tries)" if retry else ""
                raise problem.give_up(f"{what}: {problem.reason}{tries}") from None
            wait = backoff(retry)
            log.warning("%s: %s; retry %d of %d in %g s", what, problem.reason, retry + 1, retries, wait)
        sleep(wait)
        retry += 1
        stats.add(retries=1)
