"""The archive's listing: paged XML of an S3 bucket."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError  # types only: defusedxml parses

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from binance_plugin.errors import ArchiveTooLarge, ArchiveUnavailable
from binance_plugin.pacing import Transient, with_retries
from binance_plugin.transport import Broken, TooLarge, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from binance_plugin.settings import BinanceSettings
    from binance_plugin.stats import RequestStats

log = logging.getLogger(__name__)

MAX_PAGE_BYTES = 16 << 20


@dataclass(frozen=True)
class ArchiveKey:
    """A file of the archive: its path, size in bytes, and time of its last change (UTC; None where not given)."""

    key: str
    size: int
    last_modified: datetime | None


@dataclass(frozen=True)
class _Page:
    folders: list[str]
    keys: list[ArchiveKey]
    next_marker: str | None


class ListingClient:
    """Lists one folder at a time, page by page."""

    def __init__(
        self,
        list_url: str,
        *,
        transport: Transport,
        stats: RequestStats,
        retries: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._list_url = list_url
        self._transport = transport
        self._stats = stats
        self._retries = retries
        self._sleep = sleep

    @classmethod
    def of(cls, settings: BinanceSettings, stats: RequestStats, sleep: Callable[[float], None]) -> ListingClient:
        """The part of one BinanceClient."""
        return cls(
            settings.archive_list_url,
            transport=Transport((settings.connect_timeout, settings.timeout)),
            stats=stats,
            retries=settings.retries,
            sleep=sleep,
        )

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly in `prefix` (which ends in /), in the listing's order."""
        for page in self._pages(prefix):
            for folder in page.folders:
                yield folder.removeprefix(prefix).rstrip("/")

    def keys(self, prefix: str) -> Iterator[ArchiveKey]:
        """Files directly in `prefix`, in the listing's order."""
        for page in self._pages(prefix):
            yield from page.keys

    def _pages(self, prefix: str) -> Iterator[_Page]:
        marker = ""
        while True:
            page = self._page(prefix, marker)
            yield page
            if page.next_marker is None:
                return
            if page.next_marker <= marker:
                raise ArchiveUnavailable(
                    f"the listing of {prefix} at {self._list_url} does not go on after {marker}.", url=self._list_url
                )
            marker = page.next_marker

    def _page(self, prefix: str, marker: str) -> _Page:
        params = {"delimiter": "/", "prefix": prefix} | ({"marker": marker} if marker else {})
        what = f"GET {self._list_url} prefix={prefix} marker={marker or '-'}"

        def unavailable(message: str) -> ArchiveUnavailable:
            return ArchiveUnavailable(message, url=self._list_url)

        def attempt() -> _Page:
            self._stats.add(requests=1)
            try:
                answer = self._transport.get(self._list_url, params, max_bytes=MAX_PAGE_BYTES)
            except Broken as broken:
                raise Transient(str(broken), unavailable) from None
            except TooLarge:
                raise ArchiveTooLarge(
                    f"{what}: the page is larger than {MAX_PAGE_BYTES >> 20} MB.", url=self._list_url
                ) from None
            self._stats.add(bytes=len(answer.body))
            if answer.status >= 500 or answer.status in {408, 429}:
                raise Transient(f"HTTP {answer.status}", unavailable)
            if answer.status != 200:
                raise unavailable(f"{what}: HTTP {answer.status}, the listing refuses the request.")
            try:
                return _parse(answer.body)
            except (ParseError, DefusedXmlException, ValueError) as error:
                raise Transient(f"the page is not a bucket listing ({error})", unavailable) from None

        return with_retries(attempt, what=what, retries=self._retries, sleep=self._sleep, stats=self._stats, log=log)


def _parse(body: bytes) -> _Page:
    root = fromstring(body)
    if _name(root) != "ListBucketResult":
        raise ValueError(f"its root is {_name(root)[:40]}")
    encoded = (_text(root, "EncodingType") or "").lower() == "url"

    def path(text: str | None) -> str:
        return unquote_plus(text or "") if encoded else text or ""

    folders = [path(_text(child, "Prefix")) for child in root if _name(child) == "CommonPrefixes"]
    keys = [_key(child, path(_text(child, "Key"))) for child in root if _name(child) == "Contents"]
    next_marker = None
    if (_text(root, "IsTruncated") or "").strip().lower() == "true":
        next_marker = path(_text(root, "NextMarker")) or max([*folders, *(key.key for key in keys)], default="")
    return _Page(folders, keys, next_marker)


def _key(contents: Element, key: str) -> ArchiveKey:
    changed = _text(contents, "LastModified")
    return ArchiveKey(key, int(_text(contents, "Size") or 0), datetime.fromisoformat(changed) if changed else None)


def _name(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _text(parent: Element, name: str) -> str | None:
    return next((child.text for child in parent if _name(child) == name), None)
