from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.exchange import Exchange, ExchangeError
from tests.exchange_tests.ask import archive, file_path, get, klines, ms

if TYPE_CHECKING:
    from pathlib import Path

UNFINISHED = "2022-10-11T10:00"


def recorded(folder: Path, name: str) -> list[list[str]]:
    """The data rows of a recording."""
    with gzip.open(folder / "klines" / name, "rt", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize("symbol", ["BTC", "ETH", "SOL", "MATIC", "AVAX", "DOGE"])
@pytest.mark.parametrize("interval", ["1h", "1d"])
def test_rest_answers_every_recorded_candle_to_the_character(
    replayed_exchange: Exchange, recordings: Path, symbol: str, interval: str
) -> None:
    expected = recorded(recordings, f"{symbol}USDT-{interval}.csv.gz")
    rows = klines(replayed_exchange, f"{symbol}USDT", interval, "2017-01-01", "2022-11-01")
    assert [[str(row[0]), *row[1:6]] for row in rows] == expected[:-1]  # all but the unfinished last one
    assert all(row[7:] == ["0", 0, "0", "0", "0"] for row in rows)


def test_the_unfinished_row_is_there_while_it_is_unfinished(replayed_exchange: Exchange, recordings: Path) -> None:
    last = recorded(recordings, "BTCUSDT-1h.csv.gz")[-1]
    replayed_exchange.set_clock("2022-10-11T10:30:00")
    assert klines(replayed_exchange, "BTCUSDT", "1h", UNFINISHED, limit=1)[0][5] == last[5]
    replayed_exchange.set_clock("2022-10-11T11:00:00")
    assert klines(replayed_exchange, "BTCUSDT", "1h", UNFINISHED, limit=1) == []


def test_both_lunas_are_there_and_nothing_between(replayed_exchange: Exchange, recordings: Path) -> None:
    rows = klines(replayed_exchange, "LUNAUSDT", "1h", "2020-01-01", "2024-06-01")
    assert [[str(row[0]), *row[1:6]] for row in rows] == recorded(recordings, "LUNAUSDT-1h.csv.gz")
    hole = klines(replayed_exchange, "LUNAUSDT", "1h", "2022-05-13T00:00", limit=2)
    assert [row[0] for row in hole] == [ms("2022-05-13T00:00"), ms("2022-05-31T06:00")]


def test_in_2020_the_values_of_before_the_revision_are_served_with_all_fields(
    replayed_exchange: Exchange, recordings: Path
) -> None:
    before = recorded(recordings, "BTCUSDT-1h-2020-raw12.csv.gz")
    replayed_exchange.set_clock("2020-11-28T08:30:00")
    rows = klines(replayed_exchange, "BTCUSDT", "1h", "2020-01-01", "2020-12-01")
    assert [row[1:6] for row in rows] == [row[1:6] for row in before]
    assert [(row[6], row[7], row[8]) for row in rows] == [(int(float(r[6])), r[7], int(float(r[8]))) for r in before]
    assert klines(replayed_exchange, "BTCUSDT", "1h", "2020-02-19T11:00", limit=1)[0][6] == 1_582_112_132_286


@pytest.mark.parametrize("period", ["2024-11", "2024-12", "2025-01", "2025-02", "2025-03", "2025-04", "2025-05"])
def test_original_archive_files_come_byte_for_byte(replayed_exchange: Exchange, recordings: Path, period: str) -> None:
    body = get(replayed_exchange, file_path("BTCUSDT", "1h", period)).content
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        original = (recordings / "archive_csv" / f"BTCUSDT-1h-{period}.csv").read_bytes()
        assert file.read(f"BTCUSDT-1h-{period}.csv") == original
    archive(replayed_exchange, "BTCUSDT", "1h", period)


def test_months_that_were_recorded_whole_have_files_and_others_have_days_or_nothing(
    replayed_exchange: Exchange, recordings: Path
) -> None:
    def status(symbol: str, period: str) -> int:
        return get(replayed_exchange, file_path(symbol, "1h", period)).status_code

    assert len(archive(replayed_exchange, "BTCUSDT", "1h", "2020-02")) == 29 * 24 - 6
    assert status("SOLUSDT", "2020-08") == 404  # the recording begins inside the month
    assert (status("SOLUSDT", "2020-08-11"), status("SOLUSDT", "2020-08-12"), status("SOLUSDT", "2020-09")) == (
        404,
        200,
        200,
    )
    assert (status("BTCUSDT", "2022-10"), status("BTCUSDT", "2022-10-10"), status("BTCUSDT", "2022-10-11")) == (
        404,
        200,
        404,
    )
    assert status("BTCUSDT", "2023-05") == 404  # nobody recorded it
    assert status("ETHUSDT", "2024-11") == 404


def test_files_of_recordings_hold_the_recorded_numbers(replayed_exchange: Exchange, recordings: Path) -> None:
    rows = archive(replayed_exchange, "DOGEUSDT", "1d", "2021-05")
    expected = [
        row for row in recorded(recordings, "DOGEUSDT-1d.csv.gz") if ms("2021-05-01") <= int(row[0]) < ms("2021-06-01")
    ]
    assert [row[:6] for row in rows] == expected


def test_recorded_pairs_are_listed(replayed_exchange: Exchange, recordings: Path) -> None:
    entries = get(replayed_exchange, "/api/v3/exchangeInfo").json()["symbols"]
    assert {entry["symbol"] for entry in entries} == {
        f"{base}USDT" for base in ("BTC", "ETH", "SOL", "MATIC", "AVAX", "DOGE", "LUNA")
    }
    assert all(entry["baseAsset"] + entry["quoteAsset"] == entry["symbol"] for entry in entries)
    listing = get(replayed_exchange, "/", prefix="data/spot/monthly/klines/", delimiter="/").text
    assert listing.count("<CommonPrefixes>") == 7


def test_a_recorded_exchange_info_can_be_shown_as_a_whole(replayed_exchange: Exchange, recordings: Path) -> None:
    replayed_exchange.show_recorded_info("live_2022-12-03")
    recorded_info = json.loads(gzip.decompress((recordings / "exchange_info" / "live_2022-12-03.json.gz").read_bytes()))
    shown = get(replayed_exchange, "/api/v3/exchangeInfo").json()["symbols"]
    assert [entry["symbol"] for entry in shown] == [entry["symbol"] for entry in recorded_info["symbols"]]


def test_recordings_are_never_changed(replayed_exchange: Exchange) -> None:
    with pytest.raises(ExchangeError, match="changes nothing that was recorded"):
        replayed_exchange.revise("BTCUSDT", "2021-01-01T00:00")


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="Nothing to replay"):
        Exchange(replay=tmp_path).start()
