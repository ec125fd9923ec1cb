"""What the ladder does ahead of its caller: downloads of archive files, and parts in the making."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from binance_plugin.archive import ArchiveDownload
    from include.klines.ladder.parts import Part

PARTS_AHEAD = 4
"""Months made before they are stored: one with holes waits for several answers, while others are stored."""
MAKERS = 2
"""Months in the making at once: one is decoded faster than it is stored, the other may wait for answers."""


class Makers:
    """Makes parts in threads and hands them out in the order in which they were begun.

    A part that fails lets those before it end, as the caller is to see them first; none behind it is begun any more.
    """

    def __init__(self) -> None:
        self._under_way: deque[Future[Part]] = deque()
        self._begun = 0
        self._failed: list[int] = []
        self._side_by_side = ThreadPoolExecutor(MAKERS, "ladder")
        self._one_by_one = ThreadPoolExecutor(1, "ladder-rest")

    @property
    def under_way(self) -> int:
        """Parts begun and not handed out."""
        return len(self._under_way)

    def begin(self, make: Callable[[], Part], *, in_order: bool) -> None:
        """Make a part as soon as a thread is free; `in_order`: one by one with others begun so."""
        pool = self._one_by_one if in_order else self._side_by_side
        self._under_way.append(pool.submit(self._make, make, self._begun))
        self._begun += 1

    def next(self) -> Part:
        """The part begun first of those not handed out; raises what it raised."""
        return self._under_way.popleft().result()

    def close(self) -> None:
        """Forget what has not begun, and wait for what has."""
        for pool in (self._side_by_side, self._one_by_one):
            pool.shutdown(cancel_futures=True)

    def _make(self, make: Callable[[], Part], number: int) -> Part:
        if any(failed < number for failed in tuple(self._failed)):
            raise InterruptedError("a part before this one failed.")
        try:
            return make()
        except BaseException:
            self._failed.append(number)
            raise


class Downloads:
    """Archive files, up to `parallel` at once; a single one is fetched in the caller's own thread."""

    def __init__(self, fetch: Callable[[str], ArchiveDownload], parallel: int) -> None:
        self._fetch = fetch
        self._parallel = parallel
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def each(self, periods: Sequence[str]) -> Iterator[tuple[str, Callable[[], ArchiveDownload]]]:
        """Each period in order with a function that waits for its file (or raises); the next ones are under way."""
        if len(periods) == 1:
            yield periods[0], partial(self._fetch, periods[0])
            return
        waiting: deque[tuple[str, Future[ArchiveDownload]]] = deque()
        later = iter(periods)
        try:
            while True:
                for period in islice(later, self._parallel - len(waiting)):
                    waiting.append((period, self._submit(period)))
                if not waiting:
                    return
                due, file = waiting.popleft()
                yield due, file.result
        finally:
            for _, file in waiting:
                file.cancel()

    def close(self) -> None:
        """Forget what has not begun, and wait for what has."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _submit(self, period: str) -> Future[ArchiveDownload]:
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(self._parallel, "archive")
            return self._pool.submit(self._fetch, period)
