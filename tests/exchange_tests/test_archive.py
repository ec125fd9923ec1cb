from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import requests

from tests.exchange_tests.ask import archive, as_archive, file_path, get, klines, ms

if TYPE_CHECKING:
    from tests.exchange import Exchange

MONTHLY = "data/spot/monthly/klines/"


def status(exchange: Exchange, symbol: str, interval: str, period: str) -> int:
    return get(exchange, file_path(symbol, interval, period)).status_code


@pytest.mark.parametrize("interval", ["1m", "1h", "1d"])
def test_files_equal_rest_in_milliseconds_and_from_2025_in_microseconds(exchange: Exchange, interval: str) -> None:
    december = klines(exchange, "ETHUSDT", interval, "2024-12-01", "2025-01-01")
    january = klines(exchange, "ETHUSDT", interval, "2025-01-01", "2025-02-01")
    assert archive(exchange, "ETHUSDT", interval, "2024-12") == as_archive(december)
    assert archive(exchange, "ETHUSDT", interval, "2025-01") == as_archive(january, microseconds=True)


def test_a_month_is_its_days(exchange: Exchange) -> None:
    days = [row for day in range(1, 30) for row in archive(exchange, "SOLUSDT", "1h", f"2024-02-{day:02d}")]
    assert archive(exchange, "SOLUSDT", "1h", "2024-02") == days


def test_a_file_is_the_same_bytes_each_time(exchange: Exchange) -> None:
    first, second = (get(exchange, file_path("BTCUSDT", "1h", "2021-05")) for _ in range(2))
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]


@pytest.mark.parametrize(
    ("symbol", "interval", "period"),
    [
        ("NOSUCHUSDT", "1h", "2024-01"),
        ("APTUSDT", "1h", "2022-09"),  # before its listing
        ("MATICUSDT", "1h", "2024-10"),  # after its end
        ("CVCUSDT", "1h", "2023-05-11"),  # a day it was suspended
        ("BTCUSDT", "1h", "2026-01"),  # not over yet
        ("BTCUSDT", "1h", "2024-13"),
        ("BTCUSDT", "7h", "2024-01"),
    ],
)
def test_what_is_not_published_is_404(exchange: Exchange, symbol: str, interval: str, period: str) -> None:
    assert status(exchange, symbol, interval, period) == 404
    assert get(exchange, f"{file_path(symbol, interval, period)}.CHECKSUM").status_code == 404


def test_days_appear_the_next_day_and_months_one_to_three_days_later(exchange: Exchange) -> None:
    def delay(period: str, over: str) -> timedelta:
        moment = datetime.fromisoformat(over)
        while True:
            exchange.set_clock(moment)
            if status(exchange, "BTCUSDT", "1d", period) == 200:
                return moment - datetime.fromisoformat(over)
            moment += timedelta(hours=1)

    for month in ("2025-03", "2025-04"):
        following = f"2025-{int(month[-2:]) + 1:02d}-01T00:00:00+00:00"
        assert timedelta(days=1) <= delay(month, following) <= timedelta(days=3)
    assert timedelta(hours=1) <= delay("2025-03-14", "2025-03-15T00:00:00+00:00") <= timedelta(hours=6)


def test_last_modified_is_the_publication(exchange: Exchange) -> None:
    answer = get(exchange, file_path("BTCUSDT", "1h", "2025-03"))
    assert re.fullmatch(r"\w{3}, 0[234] Apr 2025 \d\d:\d\d:\d\d GMT", answer.headers["Last-Modified"])


def test_only_the_archive_has_the_flat_hour_and_it_closes_before_it_opens(exchange: Exchange) -> None:
    hour = str(ms("2020-12-21T14:00"))
    for period in ("2020-12", "2020-12-21"):
        (row,) = [row for row in archive(exchange, "ADAUSDT", "1h", period) if row[0] == hour]
        assert row[1] == row[2] == row[3] == row[4]
        assert (row[5], row[8]) == ("0.00000000", "0")
        assert int(row[6]) < int(row[0])
    assert int(hour) not in {row[0] for row in klines(exchange, "ADAUSDT", "1h", "2020-12-21", "2020-12-22")}


@pytest.mark.parametrize(("interval", "wrong_hours"), [("1h", {13}), ("1m", {13}), ("1d", set())])
def test_the_monthly_file_of_2020_12_21_is_wrong_where_the_daily_file_and_rest_agree(
    exchange: Exchange, interval: str, wrong_hours: set[int]
) -> None:
    flat = str(ms("2020-12-21T14:00"))
    daily = [row for row in archive(exchange, "BTCUSDT", interval, "2020-12-21") if row[0] != flat]
    assert daily == as_archive(klines(exchange, "BTCUSDT", interval, "2020-12-21", "2020-12-22"))
    monthly = {row[0]: row for row in archive(exchange, "BTCUSDT", interval, "2020-12")}
    wrong = {(int(row[0]) // 3_600_000) % 24 for row in daily if monthly[row[0]] != row}
    assert wrong == wrong_hours


def test_the_days_of_2025_04_22_were_cut_short_and_repaired(exchange: Exchange) -> None:
    exchange.set_clock("2025-04-25T00:00:00")
    early = get(exchange, file_path("BTCUSDT", "1h", "2025-04-22"))
    assert len(archive(exchange, "BTCUSDT", "1h", "2025-04-22")) == 15
    exchange.set_clock("2025-05-03T00:00:00")
    late = get(exchange, file_path("BTCUSDT", "1h", "2025-04-22"))
    assert len(archive(exchange, "BTCUSDT", "1h", "2025-04-22")) == 24
    assert early.headers["Last-Modified"] != late.headers["Last-Modified"]
    assert early.headers["ETag"] != late.headers["ETag"]


def test_a_revision_changes_rest_and_files_at_its_moment(exchange: Exchange) -> None:
    exchange.revise("LTCUSDT", "2025-06-10T09:00", at="2026-01-15T12:00", volume_percent=150)

    def volumes() -> tuple[str, str]:
        rest = klines(exchange, "LTCUSDT", "1h", "2025-06-10T09:00", limit=1)[0][5]
        return rest, archive(exchange, "LTCUSDT", "1h", "2025-06-10")[9][5]

    before = volumes()
    exchange.set_clock("2026-01-15T12:00:00")
    after = volumes()
    assert before[0] == before[1]
    assert after[0] == after[1]
    assert float(after[0]) == pytest.approx(1.5 * float(before[0]), rel=1e-3)
    assert "15 Jan 2026 12:00" in get(exchange, file_path("LTCUSDT", "1h", "2025-06")).headers["Last-Modified"]


def test_an_unchanged_file_need_not_be_sent_again(exchange: Exchange) -> None:
    path = exchange.url + file_path("BTCUSDT", "1d", "2024-01")
    etag = requests.get(path, timeout=20).headers["ETag"]
    again = requests.get(path, headers={"If-None-Match": etag}, timeout=20)
    assert (again.status_code, again.content) == (304, b"")


# the listing


def page(exchange: Exchange, **params: str | int) -> tuple[list[str], list[str], str | None, bool]:
    """Prefixes, keys, where to go on and whether there is more."""
    root = ElementTree.fromstring(get(exchange, "/", **params).content)
    space = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}
    prefixes = [found.text or "" for found in root.findall("s3:CommonPrefixes/s3:Prefix", space)]
    keys = [found.text or "" for found in root.findall("s3:Contents/s3:Key", space)]
    marker = root.findtext("s3:NextMarker", None, space)
    return prefixes, keys, marker, root.findtext("s3:IsTruncated", "", space) == "true"


def test_the_listing_knows_pairs_that_exchange_info_forgot(exchange: Exchange) -> None:
    prefixes, keys, _, more = page(exchange, prefix=MONTHLY, delimiter="/")
    assert {f"{MONTHLY}VENUSDT/", f"{MONTHLY}NPXSUSDT/", f"{MONTHLY}MATICUSDT/"} <= set(prefixes)
    assert prefixes == sorted(prefixes, key=str.encode)
    assert (keys, more) == ([], False)


def test_prefixes_come_in_pages_with_a_marker(exchange: Exchange) -> None:
    whole, _, _, _ = page(exchange, prefix=MONTHLY, delimiter="/")
    found: list[str] = []
    marker: str | None = ""
    while marker is not None:
        prefixes, _, marker, _ = page(exchange, prefix=MONTHLY, delimiter="/", marker=marker, **{"max-keys": 7})
        assert len(prefixes) <= 7
        found += prefixes
    assert found == whole


def test_keys_come_a_thousand_a_page_and_go_on_after_the_last_one(exchange: Exchange) -> None:
    prefix, found, marker = "data/spot/daily/klines/BTCUSDT/1h/", [], ""
    while True:
        _, keys, following, more = page(exchange, prefix=prefix, marker=marker)
        found += keys
        assert following is None  # S3 names it only where there is a delimiter
        if not more:
            break
        assert len(keys) == 1000
        marker = keys[-1]
    days = (datetime.fromisoformat("2026-01-14") - datetime.fromisoformat("2017-08-17")).days
    assert len(found) == 2 * days
    assert found == sorted(found, key=str.encode)
    assert found[0].endswith("BTCUSDT-1h-2017-08-17.zip")
    assert found[1] == f"{found[0]}.CHECKSUM"


def test_every_listed_key_can_be_fetched(exchange: Exchange) -> None:
    for symbol in ("MATICUSDT", "NPXSUSDT", "币安人生USDT"):
        kind = "daily" if symbol.isascii() is False else "monthly"
        _, keys, _, _ = page(exchange, prefix=f"data/spot/{kind}/klines/{symbol}/1d/")
        assert keys
        assert {get(exchange, f"/{quote(key)}").status_code for key in keys} == {200}


def test_the_bucket_may_stand_in_the_path(exchange: Exchange) -> None:
    answer = get(exchange, "/data.binance.vision", prefix=MONTHLY, delimiter="/")
    assert answer.content == get(exchange, "/", prefix=MONTHLY, delimiter="/").content
