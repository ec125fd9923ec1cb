"""Files of Binance's public archive, each verified against its .CHECKSUM."""

from __future__ import annotations

import email.utils
import hashlib
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from binance_plugin.archive_paths import SPOT, klines_file
from binance_plugin.errors import (
    ArchiveChecksumMismatch,
    ArchiveChecksumMissing,
    ArchiveNotFound,
    ArchiveTooLarge,
    ArchiveUnavailable,
)
from binance_plugin.pacing import Transient, backoff, with_retries
from binance_plugin.transport import Broken, TooLarge, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from binance_plugin.settings import BinanceSettings
    from binance_plugin.stats import RequestStats
    from binance_plugin.transport import Answer

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 << 20  # a month of 1m is 3 MB
MAX_CHECKSUM_BYTES = 4096
CHECKSUM = re.compile(r"([0-9a-fA-F]{64}) [ *](\S+)\s*")


@dataclass(frozen=True)
class ArchiveDownload:
    """A verified file. sha256: lower-case hex; last_modified: UTC, None where the server does not say."""

    url: str
    sha256: str
    last_modified: datetime | None
    zip_bytes: bytes = field(repr=False)


class ArchiveClient:
    """Downloads without pacing, `parallel` at once at most, from as many threads as the caller likes.

    A file and its .CHECKSUM are asked for at the same time: each small file would wait for the server twice.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: Transport,
        stats: RequestStats,
        retries: int,
        parallel: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._base_url = base_url
        self._transport = transport
        self._stats = stats
        self._retries = retries
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(parallel)
        self._checksums = ThreadPoolExecutor(parallel, "checksum")

    @classmethod
    def of(cls, settings: BinanceSettings, stats: RequestStats, sleep: Callable[[float], None]) -> ArchiveClient:
        """The part of one BinanceClient."""
        return cls(
            settings.archive_url,
            transport=Transport((settings.connect_timeout, settings.timeout)),
            stats=stats,
            retries=settings.retries,
            parallel=settings.archive_parallel,
            sleep=sleep,
        )

    def file_url(self, exchange_symbol: str, interval: str, period: str) -> str:
        """Address of the zip of a month (2024-03) or a day (2024-03-05); ValueError for another period."""
        span = "1mo" if interval == "1M" else interval
        return f"{self._base_url}/{klines_file(quote(exchange_symbol, safe=''), span, period)}"

    def download(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        """The file, verified. A checksum that does not fit is fetched again once: the file may just be replaced."""
        url = self.file_url(exchange_symbol, interval, period)
        name = f"{exchange_symbol}-{'1mo' if interval == '1M' else interval}-{period}.zip"
        with self._slots:
            try:
                return self._verified(url, name)
            except ArchiveChecksumMismatch as mismatch:
                self._stats.add(errors=1, retries=1)
                log.warning("%s Fetching both again in %g s", mismatch, backoff(0))
            self._sleep(backoff(0))
            try:
                return self._verified(url, name)
            except ArchiveChecksumMismatch:
                self._stats.add(errors=1)
                raise

    def reachable(self) -> str:
        """What the archive's address answers to a request for nothing in particular: for the test of a connection."""
        answer = self._get(f"{self._base_url}/{SPOT}", {}, MAX_FILE_BYTES, accept_any=True)
        return f"HTTP {answer.status}"

    def _verified(self, url: str, name: str) -> ArchiveDownload:
        checksum_url = f"{url}.CHECKSUM"
        absent = {404: ArchiveChecksumMissing}
        checksum = self._checksums.submit(self._get, checksum_url, absent, MAX_CHECKSUM_BYTES)
        answer = self._get(url, {404: ArchiveNotFound}, MAX_FILE_BYTES)  # its error goes before the checksum's
        expected = _parse_checksum(checksum.result().body, checksum_url, name)
        actual = hashlib.sha256(answer.body).hexdigest()
        if actual != expected:
            raise ArchiveChecksumMismatch(
                f"{url}: SHA-256 is {actual}, .CHECKSUM says {expected} ({len(answer.body)} bytes): not used.",
                url=url,
            )
        return ArchiveDownload(url, actual, _last_modified(answer.headers), answer.body)

    def _get(
        self,
        url: str,
        absent: Mapping[int, type[ArchiveNotFound | ArchiveChecksumMissing]],
        max_bytes: int,
        *,
        accept_any: bool = False,
    ) -> Answer:
        def unavailable(message: str) -> ArchiveUnavailable:
            return ArchiveUnavailable(message, url=url)

        def attempt() -> Answer:
            self._stats.add(requests=1)
            try:
                answer = self._transport.get(url, max_bytes=max_bytes)
            except Broken as broken:
                raise Transient(str(broken), unavailable) from None
            except TooLarge:
                self._stats.add(errors=1)
                raise ArchiveTooLarge(f"GET {url}: the body is larger than {max_bytes:,} bytes.", url=url) from None
            self._stats.add(bytes=len(answer.body))
            if answer.status == 200 or (accept_any and answer.status < 500):
                return answer
            if answer.status in absent:
                raise absent[answer.status](f"GET {url}: HTTP {answer.status}, the archive does not have it.", url=url)
            if answer.status >= 500 or answer.status in {408, 429}:
                raise Transient(f"HTTP {answer.status}", unavailable)
            raise unavailable(f"GET {url}: HTTP {answer.status}, the archive refuses the request.")

        return with_retries(
            attempt, what=f"GET {url}", retries=self._retries, sleep=self._sleep, stats=self._stats, log=log
        )


def _parse_checksum(body: bytes, url: str, name: str) -> str:
    match = CHECKSUM.fullmatch(body.decode("utf-8", "replace"))
    if match is None:
        raise ArchiveChecksumMismatch(f"{url}: not a line of the form '<sha256>  <file name>'.", url=url)
    if match[2] != name:
        raise ArchiveChecksumMismatch(f"{url}: is about {match[2][:100]}, not about {name}.", url=url)
    return match[1].lower()


def _last_modified(headers: Mapping[str, str]) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(headers["Last-Modified"])
    except (KeyError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
