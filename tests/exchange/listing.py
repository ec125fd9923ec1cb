"""The archive's listing as S3 gives it: XML, 1000 entries a page, `marker` to go on, prefixes with a delimiter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tests.exchange.answers import Response
from tests.exchange.archive import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.exchange.archive import Archive, Edition

PAGE = 1000


def answer(params: dict[str, str], archive: Archive, now: int) -> Response:
    """One page of the listing."""
    prefix, delimiter, marker = params.get("prefix", ""), params.get("delimiter", ""), params.get("marker", "")
    size = min(int(params.get("max-keys", PAGE)), PAGE)
    entries: list[str] = []
    last, truncated = "", False
    for kind, name, edition in _entries(archive, prefix, delimiter, marker, now):
        if len(entries) == size:
            truncated = True
            break
        entries.append(
            _prefix_xml(name) if kind == "prefix" or edition is None else _contents_xml(name, edition, archive)
        )
        last = name
    head = f"<Name>data.binance.vision</Name><Prefix>{escape(prefix)}</Prefix><Marker>{escape(marker)}</Marker>"
    if truncated and delimiter:
        head += f"<NextMarker>{escape(last)}</NextMarker>"
    head += f"<MaxKeys>{size}</MaxKeys>"
    head += f"<Delimiter>{escape(delimiter)}</Delimiter>" if delimiter else ""
    head += f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        + head
        + "".join(entries)
        + "</ListBucketResult>"
    )
    return Response(200, body.encode(), "application/xml")


def _prefix_xml(name: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"


def _contents_xml(key: str, edition: Edition, archive: Archive) -> str:
    checksum = key.endswith(".CHECKSUM")
    modified = datetime.fromtimestamp(edition.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    size = 64 + 2 + len(edition.name.stem) + 5 if checksum else archive.size(edition)
    etag = edition.etag[::-1] if checksum else edition.etag
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
        f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _entries(
    archive: Archive, prefix: str, delimiter: str, marker: str, now: int
) -> Iterator[tuple[str, str, Edition | None]]:
    """Prefixes and keys after `marker`, in the order of their bytes."""
    seen = ""
    for key, edition in _keys(archive, prefix, delimiter, marker, now):
        if not key.startswith(prefix):
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if cut < 0 else key[: cut + len(delimiter)]
        if name == seen or name.encode() <= marker.encode():
            continue
        seen = name
        yield ("key", name, edition) if cut < 0 else ("prefix", name, None)


def _keys(archive: Archive, prefix: str, delimiter: str, marker: str, now: int) -> Iterator[tuple[str, Edition | None]]:
    """Every key under `prefix` that may come after `marker`; a folder that a delimiter folds up is one key."""
    for kind in ("daily", "monthly"):
        top = f"{ROOT}{kind}/klines/"
        if _outside(top, prefix, marker):
            continue
        symbols = archive.symbols(now, monthly=kind == "monthly")
        for symbol in symbols:
            folder = f"{top}{symbol}/"
            if _outside(folder, prefix, marker):
                continue
            if _folded(folder, prefix, delimiter):
                yield folder, None
                continue
            for interval in archive.intervals(symbol):
                inner = f"{folder}{interval}/"
                if _outside(inner, prefix, marker):
                    continue
                if _folded(inner, prefix, delimiter):
                    yield inner, None
                    continue
                yield from _files(archive, inner, symbol, interval, kind == "monthly", marker, now)


def _files(
    archive: Archive, folder: str, symbol: str, interval: str, monthly: bool, marker: str, now: int
) -> Iterator[tuple[str, Edition | None]]:
    stem = f"{folder}{symbol}-{interval}-"
    after = marker[len(stem) :].split(".")[0] if marker.startswith(stem) else ""
    for edition in archive.editions(symbol, interval, monthly=monthly, after=after, now=now):
        key = f"{stem}{edition.name.period}.zip"
        yield key, edition
        yield f"{key}.CHECKSUM", edition


def _outside(folder: str, prefix: str, marker: str) -> bool:
    """Nothing below `folder` can be listed: it does not share the prefix, or the marker lies behind all of it."""
    shared = folder.startswith(prefix) or prefix.startswith(folder)
    return not shared or (not marker.startswith(folder) and marker.encode() > folder.encode())


def _folded(folder: str, prefix: str, delimiter: str) -> bool:
    return delimiter == "/" and folder.startswith(prefix) and folder != prefix
