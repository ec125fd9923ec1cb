from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.exchange import ExchangeError, rows
from tests.exchange_tests.ask import archive, file_path, get, klines, ms, rows_of

if TYPE_CHECKING:
    from tests.exchange import Exchange

FILE = file_path("BTCUSDT", "1h", "2024-03")
CHECKSUM = f"{FILE}.CHECKSUM"
HOUR = {"symbol": "BTCUSDT", "interval": "1h", "startTime": ms("2024-03-01"), "limit": 10}


def checksum_fits(exchange: Exchange, body: bytes) -> bool:
    return get(exchange, CHECKSUM).text.split()[0] == hashlib.sha256(body).hexdigest()


def test_a_rule_strikes_what_it_matches_after_and_times(exchange: Exchange) -> None:
    exchange.fault("status", status=503, kind="klines", symbol="BTCUSDT", after=1, times=2)
    got = [get(exchange, "/api/v3/klines", **HOUR).status_code for _ in range(5)]
    other = get(exchange, "/api/v3/klines", **{**HOUR, "symbol": "ETHUSDT"}).status_code
    assert (got, other) == ([200, 503, 503, 200, 200], 200)
    assert exchange.faults() == [{"id": 1, "action": "status", "seen": 3, "hits": 2, "spent": True}]
    assert exchange.count(kind="klines", status=503, fault="status") == 2


def test_rules_match_by_path_period_and_interval_and_can_be_removed(exchange: Exchange) -> None:
    exchange.fault("status", status=500, path=r"startTime=\d+&limit=10$")
    number = exchange.fault("missing", period="2024-03", interval="1h")
    assert get(exchange, "/api/v3/klines", **HOUR).status_code == 500
    assert get(exchange, "/api/v3/ping").status_code == 200
    assert get(exchange, FILE).status_code == get(exchange, CHECKSUM).status_code == 404
    assert FILE not in get(exchange, "/", prefix=f"{FILE[1:].rsplit('/', 1)[0]}/").text
    assert get(exchange, file_path("BTCUSDT", "1h", "2024-04")).status_code == 200
    exchange.clear_faults(number)
    assert get(exchange, FILE).status_code == 200


def test_a_rule_that_nothing_would_follow_is_refused(exchange: Exchange) -> None:
    for wrong in ({"action": "explode"}, {"action": "status", "kind": "soup"}, {"action": "rows", "defect": "rust"}):
        with pytest.raises(ExchangeError, match="one of"):
            exchange.fault(**wrong)


def test_hangs_resets_and_cuts_break_the_connection(exchange: Exchange) -> None:
    exchange.fault("hang", kind="ping", seconds=30, times=1)
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{exchange.url}/api/v3/ping", timeout=(5, 0.2))
    exchange.fault("reset", kind="time", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        get(exchange, "/api/v3/time")
    exchange.fault("cut", kind="archive", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        get(exchange, FILE)
    assert [get(exchange, path).status_code for path in ("/api/v3/ping", "/api/v3/time", FILE)] == [200, 200, 200]


def test_a_slow_body_takes_its_time_and_is_whole(exchange: Exchange) -> None:
    whole = get(exchange, FILE).content
    exchange.fault("slow", kind="archive", seconds=0.3)
    answer = requests.get(exchange.url + FILE, timeout=20, stream=True)
    assert answer.content == whole
    # requests has two names for a time-out, before the headers and within the body
    with pytest.raises((requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError), match="Read timed out"):
        requests.get(f"{exchange.url}{FILE}", timeout=(5, 0.001))


@pytest.mark.parametrize("checksum_first", [False, True])
@pytest.mark.parametrize("good", [False, True])
@pytest.mark.parametrize("action", ["cut_zip", "corrupt"])
def test_broken_zips_come_with_a_wrong_or_a_good_checksum(
    exchange: Exchange, action: str, good: bool, checksum_first: bool
) -> None:
    exchange.fault(action, good_checksum=good, times=1)
    if checksum_first:
        expected = get(exchange, CHECKSUM).text.split()[0]
        assert (hashlib.sha256(get(exchange, FILE).content).hexdigest() == expected) == good
    else:
        body = get(exchange, FILE).content
        with pytest.raises((zipfile.BadZipFile, zlib.error)):
            rows_of(body)
        assert checksum_fits(exchange, body) == good
    assert len(archive(exchange, "BTCUSDT", "1h", "2024-03")) == 744


def test_a_wrong_checksum_leaves_the_zip_alone(exchange: Exchange) -> None:
    exchange.fault("wrong_checksum", times=1)
    body = get(exchange, FILE).content
    assert not checksum_fits(exchange, body)
    assert checksum_fits(exchange, body)


def test_walls_answer_as_binance_does(exchange: Exchange) -> None:
    exchange.fault("forbidden", times=1)
    wall = get(exchange, "/api/v3/klines", **HOUR)
    assert (wall.status_code, wall.headers["Content-Type"], wall.text[:6]) == (403, "text/html", "<html>")
    exchange.fault("geo", times=1)
    geo = get(exchange, "/api/v3/klines", **HOUR)
    assert (geo.status_code, geo.json()["code"]) == (451, 0)
    assert geo.json()["msg"].startswith("Service unavailable from a restricted location")


def test_limits_and_bans_for_one_request_or_for_all(exchange: Exchange) -> None:
    exchange.fault("limit", retry_after=7, times=1)
    refused = get(exchange, "/api/v3/klines", **HOUR)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
    assert get(exchange, "/api/v3/ping").status_code == 200
    exchange.fault("ban", seconds=3600, for_all=True, times=1)
    assert get(exchange, "/api/v3/klines", **HOUR).status_code == 418
    assert get(exchange, "/api/v3/ping").status_code == 418
    assert exchange.weight()["sent_while_banned"] == 1
    exchange.weight(next_minute=60)
    assert get(exchange, "/api/v3/ping").status_code == 200


def test_a_skewed_clock_lies_in_time_only(exchange: Exchange) -> None:
    right = get(exchange, "/api/v3/time").json()["serverTime"]
    exchange.fault("clock_skew", seconds=-90)
    assert get(exchange, "/api/v3/time").json()["serverTime"] == right - 90_000
    assert get(exchange, "/api/v3/exchangeInfo", symbol="BTCUSDT").json()["serverTime"] == right - 90_000


def test_malformed_and_empty_answers(exchange: Exchange) -> None:
    exchange.fault("malformed", kind="klines", times=1)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        get(exchange, "/api/v3/klines", **HOUR).json()
    exchange.fault("empty", times=1)
    assert get(exchange, "/api/v3/klines", **HOUR).json() == []


@pytest.mark.parametrize("defect", sorted(rows.DEFECTS))
def test_each_defect_changes_the_rows_and_the_checksum_vouches_for_them(exchange: Exchange, defect: str) -> None:
    good = archive(exchange, "BTCUSDT", "1h", "2024-03")
    page = get(exchange, "/api/v3/klines", **HOUR).json()
    exchange.fault("rows", defect=defect)
    assert archive(exchange, "BTCUSDT", "1h", "2024-03") != good
    if defect not in ("wrong_symbol", "header"):
        assert get(exchange, "/api/v3/klines", **HOUR).json() != page


def test_a_file_with_another_pairs_rows_says_so_in_its_member(exchange: Exchange) -> None:
    exchange.fault("rows", defect="wrong_symbol", times=1)
    with zipfile.ZipFile(io.BytesIO(get(exchange, FILE).content)) as file:
        assert file.namelist() == ["ETHUSDT-1h-2024-03.csv"]


def test_rows_can_be_hidden_everywhere_until_the_fault_is_removed(exchange: Exchange) -> None:
    hidden: dict[str, Any] = {"start": "2024-03-05T00:00:00+00:00", "end": "2024-03-06T12:00:00+00:00"}
    exchange.fault("hide", symbol="BTCUSDT", **hidden)
    assert len(archive(exchange, "BTCUSDT", "1h", "2024-03")) == 744 - 36
    assert len(klines(exchange, "BTCUSDT", "1h", "2024-03-05", "2024-03-07")) == 12
    exchange.clear_faults()
    assert len(klines(exchange, "BTCUSDT", "1h", "2024-03-05", "2024-03-07")) == 48
