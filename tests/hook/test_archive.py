from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from binance_plugin.client import BinanceClient
from binance_plugin.errors import (
    ArchiveChecksumMismatch,
    ArchiveChecksumMissing,
    ArchiveError,
    ArchiveNotFound,
    ArchiveTooLarge,
    ArchiveUnavailable,
)
from binance_plugin.transport import Answer, Transport
from tests.hook.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from tests.hook.conftest import Sleeps

NAME = "BTCUSDT-1h-2024-03.zip"
PATH = f"/data/spot/monthly/klines/BTCUSDT/1h/{NAME}"
ZIP = b"PK-not-opened-by-the-client" * 100
MODIFIED = {"Last-Modified": "Mon, 01 Apr 2024 09:30:00 GMT"}


def checksum(body: bytes = ZIP, name: str = NAME) -> Reply:
    return Reply(body=f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode())


def asked(server: ScriptedServer) -> list[str]:
    """The files that were asked for; a checksum is asked for at the same time, and not waited for behind an error."""
    return [request.path for request in server.requests if not request.path.endswith(".CHECKSUM")]


def test_a_file_and_its_checksum_are_asked_for_at_the_same_time(client: BinanceClient) -> None:
    both = threading.Barrier(2, timeout=20)  # neither is answered before the other is asked for
    archive = client._archive()
    body = {PATH: ZIP, f"{PATH}.CHECKSUM": checksum().body}

    def answer(url: str, *_: object) -> Answer:
        both.wait()
        return Answer(200, {}, body[url.removeprefix(archive._base_url)])

    archive._get = answer  # type: ignore[method-assign,assignment]  # a server that both have to reach
    assert client.archive_file("BTCUSDT", "1h", "2024-03").zip_bytes == ZIP


def test_a_file_comes_with_its_checksum_and_its_time(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(PATH, Reply(body=ZIP, headers=MODIFIED))
    server.answers(f"{PATH}.CHECKSUM", checksum())
    download = client.archive_file("BTCUSDT", "1h", "2024-03")
    assert download.zip_bytes == ZIP
    assert download.sha256 == hashlib.sha256(ZIP).hexdigest()
    assert download.last_modified == datetime(2024, 4, 1, 9, 30, tzinfo=UTC)
    assert download.url == server.url + PATH


def test_days_months_and_symbols_of_any_script_have_their_addresses(
    server: ScriptedServer, client: BinanceClient
) -> None:
    for symbol, interval, period, path in [
        ("ETHUSDT", "1d", "2024-03-05", "/data/spot/daily/klines/ETHUSDT/1d/ETHUSDT-1d-2024-03-05.zip"),
        ("ETHUSDT", "1M", "2024-03", "/data/spot/monthly/klines/ETHUSDT/1mo/ETHUSDT-1mo-2024-03.zip"),
        ("币安人生USDT", "1h", "2025-12", "/data/spot/monthly/klines/币安人生USDT/1h/币安人生USDT-1h-2025-12.zip"),
    ]:
        server.answers(path, Reply(body=ZIP))
        server.answers(f"{path}.CHECKSUM", checksum(name=path.rpartition("/")[2]))
        assert client.archive_file(symbol, interval, period).zip_bytes == ZIP


@pytest.mark.parametrize("period", ["2024", "2024-13", "2024-1", "2024-01-32", "../x"])
def test_a_period_that_is_no_month_and_no_day_is_refused(client: BinanceClient, period: str) -> None:
    with pytest.raises(ValueError, match="expected a month"):
        client.archive_file("BTCUSDT", "1h", period)


def test_a_missing_file_and_a_missing_checksum_are_told_apart_and_not_tried_again(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps
) -> None:
    with pytest.raises(ArchiveNotFound, match="HTTP 404"):
        client.archive_file("BTCUSDT", "1h", "2024-03")
    assert asked(server) == [PATH]
    server.answers(PATH, Reply(body=ZIP))
    with pytest.raises(ArchiveChecksumMissing) as caught:
        client.archive_file("BTCUSDT", "1h", "2024-03")
    assert caught.value.url.endswith(".CHECKSUM")
    assert asked(server) == [PATH, PATH]
    assert sleeps == []


def test_a_file_that_is_replaced_while_it_is_fetched_is_fetched_again(
    server: ScriptedServer, client: BinanceClient
) -> None:
    server.answers(PATH, Reply(body=b"old"), Reply(body=ZIP))
    server.answers(f"{PATH}.CHECKSUM", checksum())
    assert client.archive_file("BTCUSDT", "1h", "2024-03").zip_bytes == ZIP
    assert client.stats.retries == 1


@pytest.mark.parametrize(
    "answer",
    [
        checksum(b"another"),
        checksum(name="ETHUSDT-1h-2024-03.zip"),
        Reply(body=b"<html>"),
        Reply(body=b""),
        Reply(body=b"\xff\xfe"),
    ],
    ids=["other bytes", "other name", "html", "empty", "binary"],
)
def test_a_checksum_that_never_fits_is_a_mismatch(server: ScriptedServer, client: BinanceClient, answer: Reply) -> None:
    server.answers(PATH, Reply(body=ZIP))
    server.answers(f"{PATH}.CHECKSUM", answer)
    with pytest.raises(ArchiveChecksumMismatch, match=NAME):
        client.archive_file("BTCUSDT", "1h", "2024-03")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "bad", [Reply(503), Reply(body=ZIP, fault="cut"), Reply(fault="reset")], ids=["503", "cut", "reset"]
)
def test_a_passing_failure_is_tried_again(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps, bad: Reply
) -> None:
    server.answers(PATH, bad, bad, bad, Reply(body=ZIP))
    server.answers(f"{PATH}.CHECKSUM", checksum())
    assert client.archive_file("BTCUSDT", "1h", "2024-03").zip_bytes == ZIP
    assert sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("bad", "tries"), [(Reply(503), 4), (Reply(body=ZIP, fault="cut"), 4), (Reply(403), 1)], ids=["503", "cut", "403"]
)
def test_a_failure_that_stays_is_unavailable_and_never_taken_for_missing(
    server: ScriptedServer, client: BinanceClient, bad: Reply, tries: int
) -> None:
    server.answers(PATH, bad)
    with pytest.raises(ArchiveUnavailable, match=NAME):
        client.archive_file("BTCUSDT", "1h", "2024-03")
    assert asked(server) == [PATH] * tries


def test_a_body_above_the_limit_is_not_read(
    server: ScriptedServer, client: BinanceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binance_plugin.archive.MAX_FILE_BYTES", 100)
    server.answers(PATH, Reply(body=ZIP))
    with pytest.raises(ArchiveTooLarge, match="100 bytes"):
        client.archive_file("BTCUSDT", "1h", "2024-03")


def test_a_body_that_trickles_is_given_up(server: ScriptedServer) -> None:
    clock = iter(range(0, 100_000, 100))
    transport = Transport((1.0, 5.0), monotonic=lambda: float(next(clock)))
    server.answers(PATH, Reply(body=ZIP))
    with pytest.raises(Exception, match="longer than 50 s"):
        transport.get(server.url + PATH, max_bytes=1 << 20)


def test_downloads_at_once_are_bounded_and_pacing_does_not_touch_them(server: ScriptedServer, sleeps: Sleeps) -> None:
    client = BinanceClient.from_url(server.url, sleep=sleeps, archive_parallel=2)
    server.answers(PATH, Reply(body=ZIP))
    server.answers(f"{PATH}.CHECKSUM", checksum())
    running, most, lock = 0, 0, threading.Lock()
    archive = client._archive()
    verified = archive._verified

    def counted(url: str, name: str) -> object:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return verified(url, name)
        finally:
            with lock:
                running -= 1

    archive._verified = counted  # type: ignore[method-assign,assignment]  # watched, not replaced
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.archive_file("BTCUSDT", "1h", "2024-03"), range(16)))
    assert most <= 2
    assert len({request.connection for request in server.requests}) <= 8 + 2, "a thread has one, a checksum's too"
    assert len(server.requests) == 32
    assert sleeps == []


LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name>{inner}
<IsTruncated>{more}</IsTruncated></ListBucketResult>"""
PREFIX = "data/spot/monthly/klines/"


def listing(*inner: str, more: bool = False) -> Reply:
    return Reply(body=LISTING.format(inner="".join(inner), more=str(more).lower()).encode())


def folder(symbol: str) -> str:
    return f"<CommonPrefixes><Prefix>{PREFIX}{symbol}/</Prefix></CommonPrefixes>"


def test_symbols_are_listed_over_all_pages(server: ScriptedServer, client: BinanceClient) -> None:
    marker = f"<NextMarker>{PREFIX}ETHUSDT/</NextMarker>"
    server.answers(
        "/", listing(folder("BTCUSDT"), folder("ETHUSDT"), marker, more=True), listing(folder("币安人生USDT"))
    )
    assert list(client.archive_symbols()) == ["BTCUSDT", "ETHUSDT", "币安人生USDT"]
    assert server.requests[0].query == {"delimiter": "/", "prefix": PREFIX}
    assert server.requests[1].query["marker"] == f"{PREFIX}ETHUSDT/"


def test_keys_go_on_after_the_last_one_where_no_next_marker_is_given(
    server: ScriptedServer, client: BinanceClient
) -> None:
    def file(key: str) -> str:
        return (
            f"<Contents><Key>{key}</Key><LastModified>2024-04-01T09:30:00.000Z</LastModified><Size>42</Size></Contents>"
        )

    server.answers("/", listing(file("p/a.zip"), file("p/b.zip"), more=True), listing(file("p/c.zip")))
    keys = list(client.archive_keys("p/"))
    assert [key.key for key in keys] == ["p/a.zip", "p/b.zip", "p/c.zip"]
    assert (keys[0].size, keys[0].last_modified) == (42, datetime(2024, 4, 1, 9, 30, tzinfo=UTC))
    assert server.requests[1].query["marker"] == "p/b.zip"


def test_encoded_keys_are_decoded(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers("/", listing("<EncodingType>url</EncodingType>", folder("%E5%B8%81USDT")))
    assert list(client.archive_symbols()) == ["币USDT"]


def test_a_listing_that_does_not_go_on_is_an_error_and_not_an_endless_loop(
    server: ScriptedServer, client: BinanceClient
) -> None:
    server.answers("/", listing(folder("BTCUSDT"), more=True))
    with pytest.raises(ArchiveUnavailable, match="does not go on"):
        list(client.archive_symbols())


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><ListBucketResult>&y;</ListBucketResult>"""


@pytest.mark.parametrize("body", [b"<html>", b"<html></html>", b"", BOMB], ids=["cut", "html", "empty", "entities"])
def test_a_page_that_is_no_listing_is_refused(server: ScriptedServer, client: BinanceClient, body: bytes) -> None:
    server.answers("/", Reply(body=body))
    with pytest.raises(ArchiveError, match="not a bucket listing"):
        list(client.archive_symbols())
