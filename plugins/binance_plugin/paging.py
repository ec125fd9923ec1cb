"""Klines page by page: behind a full page the next ones are asked for while the caller reads it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from binance_plugin.errors import MalformedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

PAGE_ROWS = 1000
PAGES_AHEAD = 4
"""Three days of 1m, which a daily increment asks for, are five pages: the first alone, then the other four at once."""

Rows = list[list[Any]]


class _Asked(NamedTuple):
    """A page that was asked for ahead: from which time on, and its rows."""

    since: int
    rows: Future[Rows]


def pages_of(ask: Callable[[int], Rows], start: int, end: int, step: int, *, name: str) -> Iterator[Rows]:
    """All rows with start <= open time < end, a page at a time, in order; empty pages are not yielded.

    ask: the first PAGE_ROWS rows from a time on, before `end`; called in this thread, and from several for pages ahead.
    Times and `step`, the length of a candle, are milliseconds; a candle may open at `start`. name: of the series, for
    errors.

    A page is asked for ahead as if no candle were missing before it. Where one is, the page before reaches further, and
    of those asked for ahead only the rows behind it count: no hole costs a request. Where more rows came than the grid
    has, they are asked for anew. Where two pages are all, as for a day of 1m, both are asked for at once. Raises what
    `ask` raises, in the order of the pages, and MalformedAnswer for a page that ends before it begins.
    """
    ahead: deque[_Asked] = deque()
    pool = ThreadPoolExecutor(PAGES_AHEAD, "klines")  # without a thread until it has work
    page = PAGE_ROWS * step
    cursor = start
    try:
        if page < end - start <= 2 * page:
            ahead.extend(_Asked(since, pool.submit(ask, since)) for since in (start, start + page))
        while cursor < end:
            if ahead:
                due = ahead.popleft()
                since, answer = due.since, due.rows.result()
            else:
                since, answer = cursor, ask(cursor)
            rows = answer if since == cursor else _not_before(cursor, answer)
            if len(answer) == PAGE_ROWS:
                last = _last_of(answer, since, name)
                cursor = max(cursor, start + ((last - start) // step + 1) * step)  # also behind a row off the grid
                while ahead and (ahead[0].since > cursor or (len(ahead) > 1 and ahead[1].since <= cursor)):
                    ahead.popleft().rows.cancel()  # it would leave rows out, or bring none that the next one does not
                begins = max(cursor, ahead[-1].since + page) if ahead else cursor
                for later in range(begins, end, page)[: PAGES_AHEAD - len(ahead)]:
                    ahead.append(_Asked(later, pool.submit(ask, later)))
            if rows:
                yield rows
            if len(answer) < PAGE_ROWS:
                return
    finally:
        pool.shutdown(cancel_futures=True)


def _last_of(rows: Rows, cursor: int, name: str) -> int:
    """The last time of a page that was asked for from `cursor` on."""
    last = rows[-1][0]
    if not isinstance(last, int) or last < cursor:
        since = datetime.fromtimestamp(cursor / 1000, UTC)
        raise MalformedAnswer(f"{name}: the page from {since:%Y-%m-%d %H:%M} UTC ends before it, at {last!r}.")
    return last


def _not_before(cursor: int, rows: Rows) -> Rows:
    """The rows from `cursor` on; what is no time stays, for whoever reads the rows to refuse."""
    return [row for row in rows if not isinstance(row[0], int) or row[0] >= cursor]
