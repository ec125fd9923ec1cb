"""Zips ready to be sent: built once, kept in memory up to a bound or in a folder, checksums beside them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.exchange.archive import FileName, build_zip, checksum_line, periods
from tests.exchange.universe import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.exchange.archive import Archive, Edition

_MADE_BY = [
    "noise",
    "candles",
    "series",
    "blocks",
    "oddities",
    "revisions",
    "universe",
    "market",
    "text",
    "archive",
    "replay",
]


@dataclass(frozen=True)
class Stored:
    """A zip in memory or on disk, and its checksum file."""

    checksum: bytes
    body: bytes = b""
    path: Path | None = None

    def read(self) -> bytes:
        """The zip."""
        return self.path.read_bytes() if self.path else self.body


@lru_cache(maxsize=1)
def generation() -> str:
    """Changes when the code that makes the candles does, so that a cache folder never serves yesterday's."""
    digest = hashlib.sha256()
    for module in _MADE_BY:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()[:12]


class FileStore:
    """The zips of an archive. With `folder` they stay on disk and are sent by the kernel."""

    def __init__(
        self, archive: Archive, folder: Path | None = None, *, label: str = "", memory: int = 256 << 20
    ) -> None:
        self._archive = archive
        self._folder = folder / f"{generation()}{label}" if folder else None
        self._memory = memory
        self._held = 0
        self._stored: OrderedDict[tuple[str, int], Stored] = OrderedDict()
        self._lock = threading.Lock()

    def ready(self, edition: Edition) -> Stored | None:
        """The zip if it is at hand already."""
        key = (edition.name.path, edition.number)
        with self._lock:
            stored = self._stored.get(key)
            if stored:
                self._stored.move_to_end(key)
        return stored

    def get(self, edition: Edition, now: int) -> Stored:
        """The zip, built when it is not at hand."""
        stored = self.ready(edition)
        if stored is None:
            stored = self._from_folder(edition) or self._build(edition, now)
            with self._lock:
                self._stored[edition.name.path, edition.number] = stored
                self._held += len(stored.body)
                while self._held > self._memory and len(self._stored) > 1:
                    self._held -= len(self._stored.popitem(last=False)[1].body)
        return stored

    def prebuild(
        self, symbols: Iterable[str], intervals: Iterable[str], start: str, end: str, now: int, *, monthly: bool = True
    ) -> int:
        """Build the files of [start, end) (dates) ahead of a measurement; how many there are."""
        count = 0
        for symbol in symbols:
            for interval in intervals:
                for period in periods(seconds(start), seconds(end), monthly=monthly):
                    edition = self._archive.edition(FileName(symbol, interval, period), now)
                    if edition:
                        self.get(edition, now)
                        count += 1
        return count

    def _place(self, edition: Edition) -> Path | None:
        return self._folder / str(edition.number) / edition.name.path if self._folder else None

    def _from_folder(self, edition: Edition) -> Stored | None:
        place = self._place(edition)
        if place is None or not place.exists():
            return None
        checksum = Path(f"{place}.CHECKSUM")
        return Stored(checksum.read_bytes(), path=place) if checksum.exists() else None

    def _build(self, edition: Edition, now: int) -> Stored:
        body = build_zip(f"{edition.name.stem}.csv", self._archive.csv(edition, now))
        checksum = checksum_line(body, edition.name)
        place = self._place(edition)
        if place is None:
            return Stored(checksum, body)
        place.parent.mkdir(parents=True, exist_ok=True)
        for path, content in ((place, body), (Path(f"{place}.CHECKSUM"), checksum)):
            temporary = path.with_name(f"{path.name}.{threading.get_ident()}")
            temporary.write_bytes(content)
            temporary.replace(path)
        return Stored(checksum, path=place)
