from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.exchange import Exchange
from tests.exchange_tests.ask import get, klines, ms

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"interval": "1h"}, -1102),
        ({"symbol": "", "interval": "1h"}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "btcusdt", "interval": "1h"}, -1100),
        ({"symbol": "BTC/USDT", "interval": "1h"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1H"}, -1120),
        ({"symbol": "NOSUCHUSDT", "interval": "1h"}, -1121),
        ({"symbol": "VENUSDT", "interval": "1h"}, -1121),  # purged: only the archive remembers it
        ({"symbol": "BTCUSDT", "interval": "1h", "startTime": "2020-01-01"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1h", "limit": "-5"}, -1100),
    ],
)
def test_wrong_parameters_get_binances_code(exchange: Exchange, params: dict[str, str], code: int) -> None:
    answer = get(exchange, "/api/v3/klines", **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert set(answer.json()) == {"code", "msg"}


def test_rows_have_twelve_fields_of_binances_types(exchange: Exchange) -> None:
    row = klines(exchange, "BTCUSDT", "1h", "2024-06-01", limit=1)[0]
    assert [type(item) for item in row] == [int, *[str] * 5, int, str, int, str, str, str]
    assert all(len(row[i].split(".")[1]) == 8 for i in (1, 2, 3, 4, 5, 7, 9, 10))
    assert (row[0], row[6], row[11]) == (ms("2024-06-01"), ms("2024-06-01T01:00") - 1, "0")


def test_both_bounds_are_inclusive_and_off_grid_bounds_round_inwards(exchange: Exchange) -> None:
    def opens(start: int, end: int) -> list[int]:
        params = {"symbol": "ETHUSDT", "interval": "1h", "startTime": start, "endTime": end}
        return [row[0] for row in get(exchange, "/api/v3/klines", **params).json()]

    noon, hour = ms("2024-06-01T12:00"), 3_600_000
    assert opens(noon, noon + 2 * hour) == [noon, noon + hour, noon + 2 * hour]
    assert opens(noon + 1, noon + 2 * hour - 1) == [noon + hour]
    assert opens(noon + hour, noon) == []


def test_pages_are_500_rows_unless_asked_and_1000_at_most(exchange: Exchange) -> None:
    def count(**params: Any) -> int:
        return len(get(exchange, "/api/v3/klines", symbol="BTCUSDT", interval="1h", **params).json())

    assert (count(), count(limit=7), count(limit=5000), count(startTime=0, limit=1000)) == (500, 7, 1000, 1000)


def test_start_alone_is_oldest_first_and_end_alone_is_the_last_rows(exchange: Exchange) -> None:
    start = ms("2023-03-24T10:00")
    first = get(exchange, "/api/v3/klines", symbol="BTCUSDT", interval="1h", startTime=start, limit=4).json()
    last = get(exchange, "/api/v3/klines", symbol="BTCUSDT", interval="1h", endTime=first[-1][0], limit=4).json()
    assert [row[0] for row in first] == [ms(f"2023-03-24T{hour}:00") for hour in (10, 11, 12, 14)]
    assert last == first


def test_before_the_listing_there_is_nothing_or_the_first_candle(exchange: Exchange) -> None:
    assert klines(exchange, "APTUSDT", "1h", "2020-01-01", "2020-02-01") == []
    assert klines(exchange, "APTUSDT", "1h", "2020-01-01", limit=1)[0][0] == ms("2022-10-19T01:00")


def test_the_unfinished_candle_is_returned_and_differs_from_the_final_one(exchange: Exchange) -> None:
    def last(interval: str) -> list[Any]:
        row: list[Any] = get(exchange, "/api/v3/klines", symbol="BTCUSDT", interval=interval, limit=1).json()[0]
        return row

    forming = {interval: last(interval) for interval in ("1m", "1h", "1d")}
    assert forming["1h"][0] == ms("2026-01-15T00:00")
    assert forming["1h"][6] == ms("2026-01-15T01:00") - 1
    exchange.advance(timedelta(days=1))
    for interval, row in forming.items():
        start = {"1m": "2026-01-15T00:30"}.get(interval, "2026-01-15T00:00")
        final = klines(exchange, "BTCUSDT", interval, start, limit=1)[0]
        assert final[:2] == row[:2]
        assert float(final[5]) > float(row[5])


def test_a_delisted_pair_still_answers_and_shows_break(exchange: Exchange) -> None:
    assert klines(exchange, "MATICUSDT", "1h", "2024-09-10", "2026-01-01")[-1][0] == ms("2024-09-10T02:00")
    statuses = {entry["symbol"]: entry["status"] for entry in get(exchange, "/api/v3/exchangeInfo").json()["symbols"]}
    assert statuses["MATICUSDT"] == "BREAK"
    assert statuses["POLUSDT"] == statuses["LUNAUSDT"] == statuses["CVCUSDT"] == "TRADING"
    assert statuses["ZAMAUSDT"] == "POST_ONLY_AUCTION"
    assert "币安人生USDT" in statuses
    assert "VENUSDT" not in statuses


def test_a_pair_in_the_future_does_not_exist(exchange: Exchange) -> None:
    exchange.set_clock("2024-09-11T00:00:00")
    assert get(exchange, "/api/v3/klines", symbol="POLUSDT", interval="1h").json()["code"] == -1121
    names = {entry["symbol"] for entry in get(exchange, "/api/v3/exchangeInfo").json()["symbols"]}
    assert "MATICUSDT" in names
    assert "POLUSDT" not in names


def test_exchange_info_by_name_and_one_unknown_name_fails_all(exchange: Exchange) -> None:
    answer = get(exchange, "/api/v3/exchangeInfo", symbols='["ETHUSDT","BTCUSDT"]', showPermissionSets="false").json()
    assert [entry["symbol"] for entry in answer["symbols"]] == ["ETHUSDT", "BTCUSDT"]
    assert answer["symbols"][0]["permissionSets"] == answer["symbols"][0]["permissions"] == []
    assert {"REQUEST_WEIGHT": 6000}.items() <= {r["rateLimitType"]: r["limit"] for r in answer["rateLimits"]}.items()
    assert get(exchange, "/api/v3/exchangeInfo", symbols='["ETHUSDT","NOPE"]').json()["code"] == -1121


def test_one_entry_is_malformed(exchange: Exchange) -> None:
    entries = get(exchange, "/api/v3/exchangeInfo").json()["symbols"]
    assert [entry["symbol"] for entry in entries if "baseAsset" not in entry] == ["OLDXUSDT"]


def test_non_ascii_pairs_can_be_asked_for(exchange: Exchange) -> None:
    assert len(klines(exchange, "币安人生USDT", "1d", "2026-01-01", "2026-01-15")) == 8


def test_weight_is_counted_and_told(exchange: Exchange) -> None:
    before = exchange.weight(used=100)["used"]
    klines(exchange, "BTCUSDT", "1h", "2024-01-01", limit=1)
    get(exchange, "/api/v3/exchangeInfo")
    answer = get(exchange, "/api/v3/ping")
    assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) in (before + 23, 23, 21, 1)  # or a minute began meanwhile


@pytest.fixture
def virtual() -> Iterator[Exchange]:
    """An exchange whose minutes are those of its own, standing clock."""
    with Exchange(now="2026-01-15T00:30:20Z", weight_clock="virtual", weight_limit=100) as exchange:
        yield exchange


def test_over_the_limit_is_429_until_the_minute_is_over(virtual: Exchange) -> None:
    virtual.weight(used=99)
    refused = get(virtual, "/api/v3/klines", symbol="BTCUSDT", interval="1h")
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["code"]) == (429, "40", -1003)
    virtual.advance(timedelta(seconds=40))
    assert get(virtual, "/api/v3/ping").headers["x-mbx-used-weight-1m"] == "1"


def test_going_on_after_429_is_418_and_bans_grow(virtual: Exchange) -> None:
    def go_on() -> list[int]:
        virtual.weight(used=100)
        return [get(virtual, "/api/v3/ping").status_code for _ in range(5)]

    assert go_on() == [429, 429, 429, 418, 418]
    banned = get(virtual, "/api/v3/ping")
    assert (banned.status_code, banned.headers["Retry-After"]) == (418, "120")
    assert virtual.weight()["sent_while_banned"] == 2
    virtual.advance(timedelta(seconds=121))
    assert get(virtual, "/api/v3/ping").status_code == 200
    go_on()
    assert get(virtual, "/api/v3/ping").headers["Retry-After"] == "240"


def test_archive_and_control_cost_no_weight(virtual: Exchange) -> None:
    get(virtual, "/data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2024-01.zip")
    get(virtual, "/", prefix="data/spot/monthly/klines/", delimiter="/")
    assert virtual.weight()["used"] == 0


def test_pairs_and_outages_can_change_while_it_runs(exchange: Exchange) -> None:
    exchange.change_pair("NEWUSDT", listed="2026-01-14T06:00", price="3")
    exchange.change_pair("ETHUSDT", holes=[["2026-01-14T02:00", "2026-01-14T05:00"]])
    exchange.change_pair("XRPUSDT", delisted="2026-01-14T09:00", relisted="2026-01-14T20:00", price="40")
    exchange.add_outage("2026-01-14T12:00", "2026-01-14T13:00")

    def hours(symbol: str) -> list[int]:
        rows = klines(exchange, symbol, "1h", "2026-01-14", "2026-01-15")
        return [(row[0] - ms("2026-01-14")) // 3_600_000 for row in rows]

    day = [hour for hour in range(24) if hour != 12]
    assert hours("NEWUSDT") == [hour for hour in day if hour >= 6]
    assert hours("ETHUSDT") == [hour for hour in day if not 2 <= hour < 5]
    assert hours("XRPUSDT") == [hour for hour in day if not 9 <= hour < 20]
    exchange.reset()
    assert hours("XRPUSDT") == list(range(24))


def test_hundreds_of_further_pairs_on_demand() -> None:
    with Exchange(now="2026-01-15T00:30:00Z", extended=420) as exchange:
        entries = get(exchange, "/api/v3/exchangeInfo").json()["symbols"]
        usdt = [entry for entry in entries if entry.get("quoteAsset") == "USDT"]
        assert len(usdt) > 450
        assert len({entry["symbol"] for entry in entries}) == len(entries)
        assert 20 < sum(entry["status"] == "BREAK" for entry in entries) < 100
