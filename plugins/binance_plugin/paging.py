"""Klines page by page: behind a full page the next ones are asked for while the caller reads it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from binance_plugin.errors import MalformedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

PAGE_ROWS = 1000
PAGES_AHEAD = 4
"""Three days of 1m, which a daily increment asks for, are five pages: the first alone, then the other four at once."""

Rows = list[list[Any]]


def pages_of(ask: Callable[[int], Rows], start: int, end: int, step: int, *, name: str) -> Iterator[Rows]:
    """All rows with start <= open time < end, a page at a time, in order; empty pages are not yielded.

    ask: the first PAGE_ROWS rows from a time on, before `end`; called in this thread, and from several for pages ahead.
    Times and `step`, the length of a candle, are milliseconds. name: of the series, for errors.

    A page is asked for ahead as if no candle were missing before it. Where one is, the real next page begins later, and
    those asked for ahead are forgotten. Where two pages are all, as for a day of 1m, both are asked for at once. Raises
    what `ask` raises, in the order of the pages, and MalformedAnswer for a page that ends before it begins.
    """
    ahead: deque[tuple[int, Future[Rows]]] = deque()
    pool = ThreadPoolExecutor(PAGES_AHEAD, "klines")  # without a thread until it has work
    pages = range(start, end, PAGE_ROWS * step)
    cursor = start
    try:
        if len(pages) == 2:
            ahead.extend((page, pool.submit(ask, page)) for page in pages)
        while cursor < end:
            rows = ahead.popleft()[1].result() if ahead else ask(cursor)
            if len(rows) < PAGE_ROWS:
                if rows:
                    yield rows
                return
            cursor = _behind(rows, cursor, step, name)
            if ahead and ahead[0][0] != cursor:
                for _, forgotten in ahead:
                    forgotten.cancel()
                ahead.clear()
            begins = ahead[-1][0] + PAGE_ROWS * step if ahead else cursor
            for page in range(begins, end, PAGE_ROWS * step)[: PAGES_AHEAD - len(ahead)]:
                ahead.append((page, pool.submit(ask, page)))
            yield rows
    finally:
        pool.shutdown(cancel_futures=True)


def _behind(rows: Rows, cursor: int, step: int, name: str) -> int:
    """Where the page after `rows` begins."""
    last = rows[-1][0]
    if not isinstance(last, int) or last < cursor:
        since = datetime.fromtimestamp(cursor / 1000, UTC)
        raise MalformedAnswer(f"{name}: the page from {since:%Y-%m-%d %H:%M} UTC ends before it, at {last!r}.")
    return last + step
