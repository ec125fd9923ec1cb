"""The client against the simulated exchange, whose limits, refusals and faults are Binance's."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from binance_plugin.client import BinanceClient
from binance_plugin.errors import (
    ArchiveChecksumMismatch,
    ArchiveNotFound,
    BadSymbol,
    Banned,
    BinanceError,
    ExchangeUnavailable,
    Forbidden,
    GeoBlocked,
    MalformedAnswer,
)
from tests.exchange import Exchange
from tests.hook.budgets import elapse, row, shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hook.conftest import Sleeps

START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def visitor(exchange: Exchange, sleeps: Sleeps) -> BinanceClient:
    """A client on the simulated exchange without pacing and without a shared budget."""
    return BinanceClient.from_url(exchange.url, sleep=sleeps, request_interval=0.0, burst_size=0)


def test_candles_of_a_window_come_whole_and_in_order(visitor: BinanceClient) -> None:
    end = START + timedelta(hours=2500)
    pages = list(visitor.iter_klines("BTCUSDT", "1h", START, end))
    opens = [candle[0] for page in pages for candle in page]
    first = int(START.timestamp() * 1000)
    assert opens == [first + hour * 3_600_000 for hour in range(2500)]
    assert [len(page) for page in pages] == [1000, 1000, 500]


def test_clock_symbols_and_files_agree_with_the_exchange(visitor: BinanceClient, exchange: Exchange) -> None:
    assert visitor.server_time() == datetime(2026, 1, 15, 0, 30, tzinfo=UTC)
    names = {entry["symbol"] for entry in visitor.exchange_info()["symbols"]}
    listed = set(visitor.archive_symbols())
    assert "BTCUSDT" in names & listed
    month = visitor.archive_file("BTCUSDT", "1h", "2024-03")
    day = visitor.archive_file("BTCUSDT", "1h", "2024-03-05")
    assert zipfile.ZipFile(io.BytesIO(month.zip_bytes)).namelist() == ["BTCUSDT-1h-2024-03.csv"]
    assert hashlib.sha256(day.zip_bytes).hexdigest() == day.sha256
    assert month.last_modified is not None
    keys = [key.key for key in visitor.archive_keys("data/spot/monthly/klines/BTCUSDT/1h/")]
    assert "data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-03.zip" in keys


def test_what_the_archive_does_not_have_is_not_found(visitor: BinanceClient) -> None:
    for symbol, period in [("BTCUSDT", "2026-02"), ("NOSUCHUSDT", "2024-03")]:
        with pytest.raises(ArchiveNotFound):
            visitor.archive_file(symbol, "1h", period)


@pytest.mark.parametrize("fault", ["reset", "cut", "malformed"])
def test_the_exchange_may_stumble_three_times(
    visitor: BinanceClient, exchange: Exchange, sleeps: Sleeps, fault: str
) -> None:
    exchange.fault(fault, kind="klines", times=3)
    assert len(visitor.klines("BTCUSDT", "1h", start=START, limit=5)) == 5
    assert sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("fault", "options", "error"),
    [
        ("status", {"status": 503}, ExchangeUnavailable),
        ("malformed", {}, MalformedAnswer),
        ("forbidden", {}, Forbidden),
        ("geo", {}, GeoBlocked),
        ("ban", {"seconds": 600}, Banned),
    ],
)
def test_a_lasting_fault_has_its_own_error(
    visitor: BinanceClient, exchange: Exchange, fault: str, options: dict[str, int], error: type[BinanceError]
) -> None:
    exchange.fault(fault, kind="klines", **options)
    with pytest.raises(error):
        visitor.klines("BTCUSDT", "1h", start=START)


def test_an_unknown_symbol_is_named_as_such(visitor: BinanceClient) -> None:
    with pytest.raises(BadSymbol, match="NOSUCHUSDT"):
        visitor.klines("NOSUCHUSDT", "1h")
    with pytest.raises(BadSymbol):
        visitor.exchange_info(["BTCUSDT", "NOSUCHUSDT"])


@pytest.mark.parametrize("fault", ["corrupt", "wrong_checksum", "cut_zip"])
def test_a_file_that_does_not_fit_its_checksum_is_never_returned(
    visitor: BinanceClient, exchange: Exchange, fault: str
) -> None:
    exchange.fault(fault, times=1)
    assert visitor.archive_file("BTCUSDT", "1h", "2024-03").zip_bytes[:2] == b"PK"
    exchange.fault(fault)
    with pytest.raises(ArchiveChecksumMismatch):
        visitor.archive_file("BTCUSDT", "1h", "2024-04")


@pytest.fixture
def limited() -> Iterator[Exchange]:
    """An exchange whose minutes are those of its own clock, which stands still."""
    with Exchange(now="2026-01-15T00:30:40Z", weight_limit=300, weight_clock="virtual") as exchange:
        yield exchange


def test_a_load_beyond_the_quota_takes_minutes_but_meets_no_429(
    limited: Exchange, still_dsn: str, sleeps: Sleeps
) -> None:
    def sleep(seconds: float) -> None:
        sleeps(seconds)
        pass_time(seconds)

    def pass_time(seconds: float) -> None:
        elapse(still_dsn, seconds)
        limited.advance(timedelta(seconds=seconds))

    budget = shared(still_dsn, limited.url, sleep=sleep)
    client = BinanceClient.from_url(limited.url, budget=budget, request_interval=0.0, burst_size=0)
    for number in range(400):
        client.klines("BTCUSDT", "1h", start=START, limit=1)
        if number % 20 == 0:
            pass_time(1)
    weight = limited.weight()
    assert weight["refused"] == 0
    assert weight["peak"] <= 240
    assert row(still_dsn)["weight_limit"] == 300
    assert 3 * 60 <= sum(sleeps) + 20 <= 4 * 63
    budget.close()


def test_weight_that_another_program_spends_behind_the_same_ip_is_respected(
    limited: Exchange, still_dsn: str, sleeps: Sleeps
) -> None:
    def sleep(seconds: float) -> None:
        sleeps(seconds)
        elapse(still_dsn, seconds)
        limited.advance(timedelta(seconds=seconds))

    budget = shared(still_dsn, limited.url, sleep=sleep)
    client = BinanceClient.from_url(limited.url, budget=budget, request_interval=0.0, burst_size=0)
    client.klines("BTCUSDT", "1h", limit=1)
    limited.weight(used=235)
    client.klines("BTCUSDT", "1h", limit=1)
    assert sleeps == []
    client.klines("BTCUSDT", "1h", limit=1)
    client.klines("BTCUSDT", "1h", limit=1)
    assert sleeps == [62.75]
    assert limited.weight()["refused"] == 0
    budget.close()
