"""Blocks of candles that were made lately, so that pages and files do not make them again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.exchange.candles import Columns


class Blocks:
    """The last made blocks of candles, bounded by their rows; safe between threads."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held = 0
        self._blocks: OrderedDict[tuple[object, ...], Columns] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...], make: Callable[[], Columns]) -> Columns:
        """The block under `key`, made when it is not held."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = make()
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = block
                self._held += len(block)
            while self._held > self._rows and len(self._blocks) > 1:
                self._held -= len(self._blocks.popitem(last=False)[1])
        return block


def pieces(start: int, end: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The pieces of [start, end) by block: (start, end, start of the block)."""
    for block in range(start // size * size, end, size):
        yield max(start, block), min(end, block + size), block
