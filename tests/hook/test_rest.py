from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from binance_plugin.client import BinanceClient
from binance_plugin.errors import (
    BadRequest,
    BadSymbol,
    Banned,
    BinanceError,
    ExchangeUnavailable,
    Forbidden,
    GeoBlocked,
    MalformedAnswer,
    RateLimited,
)
from binance_plugin.paging import PAGES_AHEAD
from tests.hook.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from tests.hook.conftest import Sleeps

KLINES = "/api/v3/klines"
TIME = "/api/v3/time"
HOUR_MS = 3_600_000
START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = 1_704_067_200_000


def row(open_time: int) -> list[Any]:
    return [open_time, "1.0", "2.0", "0.5", "1.5", "10.0", open_time + HOUR_MS - 1, "15.0", 3, "4.0", "6.0", "0"]


def rows(first: int, count: int) -> Reply:
    return as_json([row(first + i * HOUR_MS) for i in range(count)])


def as_json(value: object, **headers: str) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers=headers)


def refusal(status: int, code: int, msg: str) -> Reply:
    return Reply(status, json.dumps({"code": code, "msg": msg}).encode())


def test_a_window_is_asked_for_with_its_end_excluded(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(KLINES, rows(START_MS, 24))
    page = client.klines("BTCUSDT", "1h", start=START, end=datetime(2024, 1, 2, tzinfo=UTC))
    assert page[0] == row(START_MS)
    assert len(page) == 24
    assert server.requests[0].query == {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "limit": "1000",
        "startTime": str(START_MS),
        "endTime": str(START_MS + 24 * HOUR_MS - 1),
    }


def test_pages_follow_each_other_without_overlap_until_one_is_short(
    server: ScriptedServer, client: BinanceClient
) -> None:
    server.answers(KLINES, rows(START_MS, 1000), rows(START_MS + 1000 * HOUR_MS, 10))
    end = datetime.fromtimestamp((START_MS + 2100 * HOUR_MS) / 1000, UTC)
    pages = list(client.iter_klines("BTCUSDT", "1h", START, end))
    assert [len(page) for page in pages] == [1000, 10]
    first, *ahead = [int(request.query["startTime"]) for request in server.requests]
    assert first == START_MS
    assert ahead.count(START_MS + 1000 * HOUR_MS) == 1
    assert ahead.count(START_MS + 2000 * HOUR_MS) == len(ahead) - 1 <= 1, (
        "the third page, unless the short one came first"
    )
    assert {request.query["endTime"] for request in server.requests} == {str(START_MS + 2100 * HOUR_MS - 1)}


def test_no_page_is_asked_for_behind_a_full_last_one(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(KLINES, rows(START_MS, 1000))
    end = datetime.fromtimestamp((START_MS + 1000 * HOUR_MS) / 1000, UTC)
    assert len(list(client.iter_klines("BTCUSDT", "1h", START, end))) == 1
    assert len(server.requests) == 1


def test_a_page_that_does_not_advance_is_malformed_and_not_an_endless_loop(
    server: ScriptedServer, client: BinanceClient
) -> None:
    server.answers(KLINES, rows(START_MS, 1000))
    with pytest.raises(MalformedAnswer, match=r"BTCUSDT 1h: the page from 2024-02-11 16:00 UTC ends before it"):
        list(client.iter_klines("BTCUSDT", "1h", START, datetime(2025, 1, 1, tzinfo=UTC)))
    assert len(server.requests) <= 1 + PAGES_AHEAD


def test_no_rows_are_no_page(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(KLINES, as_json([]))
    assert list(client.iter_klines("BTCUSDT", "1h", START, datetime(2025, 1, 1, tzinfo=UTC))) == []


def test_a_time_without_zone_is_refused(client: BinanceClient) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        client.klines("BTCUSDT", "1h", start=datetime(2024, 1, 1))  # noqa: DTZ001  (that is the point)


def test_server_time_is_utc_to_the_millisecond(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(TIME, as_json({"serverTime": START_MS + 123}))
    assert client.server_time() == datetime(2024, 1, 1, microsecond=123_000, tzinfo=UTC)


def test_requests_share_one_connection_and_name_the_project(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(TIME, as_json({"serverTime": START_MS}))
    for _ in range(3):
        client.server_time()
    assert len({request.connection for request in server.requests}) == 1
    assert "klines" in server.requests[0].headers["user-agent"]


def test_symbols_of_any_script_reach_the_exchange_unharmed(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(KLINES, as_json([]))
    server.answers("/api/v3/exchangeInfo", as_json({"symbols": []}))
    client.klines("币安人生USDT", "1h")
    client.exchange_info(["币安人生USDT", "BTCUSDT"])
    assert server.requests[0].query["symbol"] == "币安人生USDT"
    assert json.loads(server.requests[1].query["symbols"]) == ["币安人生USDT", "BTCUSDT"]
    assert server.requests[1].query["showPermissionSets"] == "false"


@pytest.mark.parametrize(
    "bad",
    [
        Reply(503),
        Reply(500, b"<html>"),
        Reply(408),
        Reply(fault="reset"),
        Reply(body=b'{"serverTime": 1704067200000}', fault="cut"),
        Reply(body=b'{"serverTi', headers={"Connection": "close"}),
    ],
    ids=["503", "500", "408", "reset", "cut", "half json"],
)
def test_a_passing_failure_is_tried_again_after_growing_waits(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps, bad: Reply
) -> None:
    server.answers(TIME, bad, bad, bad, as_json({"serverTime": START_MS}))
    assert client.server_time() == START
    assert sleeps == [0.5, 1.0, 2.0]
    stats = client.take_stats()
    assert (stats.requests, stats.retries, stats.errors) == (4, 3, 3)
    assert client.take_stats().requests == 0


def test_a_failure_that_stays_ends_after_the_tries_with_what_and_where(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps
) -> None:
    server.answers(TIME, Reply(502))
    with pytest.raises(ExchangeUnavailable) as caught:
        client.server_time()
    assert str(caught.value) == f"GET {server.url}/api/v3/time: HTTP 502 (4 tries)"
    assert len(server.requests) == 4
    assert sleeps == [0.5, 1.0, 2.0]


def test_silence_and_a_closed_port_are_unavailable(server: ScriptedServer, sleeps: Sleeps) -> None:
    server.answers(TIME, Reply(fault="hang"))
    silent = BinanceClient.from_url(server.url, sleep=sleeps, retries=0, timeout=0.1)
    with pytest.raises(ExchangeUnavailable, match=r"no answer within 0\.1 s"):
        silent.server_time()
    closed = BinanceClient.from_url("http://127.0.0.1:1", sleep=sleeps, retries=1)
    with pytest.raises(ExchangeUnavailable, match="refused"):
        closed.server_time()


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (refusal(400, -1121, "Invalid symbol."), BadSymbol, "does not know the symbol"),
        (refusal(400, -1120, "Invalid interval."), BadRequest, "code -1120"),
        (Reply(404, b"<html>"), BadRequest, "HTTP 404"),
        (Reply(403, b"<html>select from</html>"), Forbidden, "firewall"),
        (refusal(451, 0, "Service unavailable from a restricted location"), GeoBlocked, "data-api.binance.vision"),
        (Reply(302, headers={"Location": "http://elsewhere.example/"}), MalformedAnswer, "elsewhere.example"),
    ],
    ids=["-1121", "-1120", "404", "403", "451", "302"],
)
def test_a_lasting_refusal_is_not_tried_again(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps, reply: Reply, error: type[BinanceError], says: str
) -> None:
    server.answers(KLINES, reply)
    with pytest.raises(error, match=says):
        client.klines("BTCUSDT", "1h")
    assert len(server.requests) == 1
    assert sleeps == []


def test_the_code_of_a_refusal_can_be_read(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(KLINES, refusal(400, -1120, "Invalid interval."))
    with pytest.raises(BadRequest) as caught:
        client.klines("BTCUSDT", "1h")
    assert (caught.value.code, caught.value.msg) == (-1120, "Invalid interval.")


@pytest.mark.parametrize("body", [b"{}", b"[[1, 2]]", b'["x"]', b"null", b"7"])
def test_rows_of_another_shape_are_malformed(server: ScriptedServer, client: BinanceClient, body: bytes) -> None:
    server.answers(KLINES, Reply(body=body))
    with pytest.raises(MalformedAnswer, match="rows of 12 items"):
        client.klines("BTCUSDT", "1h")


def test_an_answer_without_end_is_given_up_at_the_size_limit(
    server: ScriptedServer, client: BinanceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binance_plugin.rest.MAX_BODY_BYTES", 1 << 20)
    server.answers(KLINES, Reply(body=b" " * ((1 << 20) + 1)))
    with pytest.raises(MalformedAnswer, match="larger than 1 MB"):
        client.klines("BTCUSDT", "1h")


def test_429_waits_its_retry_after_and_goes_on(server: ScriptedServer, client: BinanceClient, sleeps: Sleeps) -> None:
    server.answers(TIME, Reply(429, headers={"Retry-After": "7"}), as_json({"serverTime": START_MS}))
    assert client.server_time() == START
    assert sleeps == [7.0]
    assert client.stats.rate_limited == 1


def test_429_without_retry_after_waits_a_minute_and_a_long_one_is_handed_to_the_caller(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps
) -> None:
    server.answers(TIME, Reply(429), Reply(429, headers={"Retry-After": "600"}))
    with pytest.raises(RateLimited) as caught:
        client.server_time()
    assert sleeps == [60.0]
    assert caught.value.retry_after == pytest.approx(600, abs=1)


def test_a_ban_stops_the_hook_at_once_and_sends_nothing_more(
    server: ScriptedServer, client: BinanceClient, sleeps: Sleeps
) -> None:
    server.answers(TIME, Reply(418, headers={"Retry-After": "300"}))
    for _ in range(3):
        with pytest.raises(Banned) as caught:
            client.server_time()
        assert caught.value.retry_after == pytest.approx(300, abs=1)
        assert caught.value.until.tzinfo is UTC
    assert len(server.requests) == 1
    assert sleeps == []


def test_the_key_goes_to_rest_only_and_is_never_shown(
    server: ScriptedServer, sleeps: Sleeps, caplog: pytest.LogCaptureFixture
) -> None:
    key = "kEy-7f3a9c"
    client = BinanceClient.from_url(server.url, sleep=sleeps, api_key=key, retries=1, request_interval=0.0)
    server.answers(TIME, Reply(503), refusal(400, -2014, f"API-key {key} format invalid."))
    with pytest.raises(BadRequest) as caught:
        client.server_time()
    server.answers("/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", Reply(500))
    with pytest.raises(BinanceError):
        client.archive_file("BTCUSDT", "1h", "2024-01")
    assert server.requests[0].headers["x-mbx-apikey"] == key
    assert all("x-mbx-apikey" not in request.headers for request in server.requests if "/data/" in request.path)
    shown = f"{caught.value!s} {caught.value!r} {caught.value.msg} {client.settings!r} {client!r} {client.stats!r}"
    assert key not in shown + caplog.text
    assert b"kEy" not in pickle.dumps(caught.value)
