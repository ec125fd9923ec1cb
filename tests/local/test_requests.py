from __future__ import annotations

from typing import Any

import pytest

from binance_plugin import hook
from binance_plugin.settings import MARKET_DATA_URL, BinanceSettings
from include.klines import settings
from include.klines.errors import InvalidRequest
from include.local import exchange_choice
from include.local.connections import PACING
from include.local.errors import LocalRunError
from include.local.load_request import parse


def params(*words: str) -> dict[str, Any]:
    return parse(list(words), {}).params


def test_with_nothing_said_it_loads_btc_and_eth_hourly_and_daily() -> None:
    assert params() == {"symbols": ["BTC", "ETH"], "timeframes": ["1h", "1d"]}


def test_words_become_params() -> None:
    words = ("SYMBOLS=btc, sol", "TIMEFRAMES=1d", "START=2021-01-01", "END=2021-12-31", "SOURCE=rest", "LIMIT=1")
    assert params(*words) == {
        "symbols": ["BTC", "SOL"],
        "timeframes": ["1d"],
        "start": "2021-01-01",
        "end": "2021-12-31",
        "source": "rest",
        "limit": 1,
    }


def test_a_tier_or_a_limit_replaces_the_default_symbols() -> None:
    assert "symbols" not in params("TIER=core")
    assert "symbols" not in params("LIMIT=10")


def test_an_empty_word_is_as_if_it_was_not_said() -> None:
    assert params("SYMBOLS=", "LIMIT= ") == params()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("SYMBOL=BTC", "did you mean SYMBOLS"),
        ("BTC", "known are SYMBOLS"),
        ("LIMIT=few", "limit is 'few'"),
        ("LIMIT=0", "from 1 to 10000"),
        ("LIMIT=²", "limit is '²'"),
        (f"LIMIT={'9' * 5000}", "from 1 to 10000"),
        ("START=yesterday", "start is 'yesterday'"),
        ("END=2019-01-01", "lies before start"),
        ("END=2999-01-01", "lies in the future"),
        ("TIMEFRAMES=7m", "7m"),
        ("SOURCE=ftp", "must be one of auto, archive, rest"),
        ("SYMBOLS=,", "SYMBOLS is ',', which names nothing"),
        ("TIMEFRAMES= , ,", "TIMEFRAMES is ', ,', which names nothing"),
        ("TIER=best", "must be one of core"),
    ],
)
def test_a_bad_word_gets_one_sentence(word: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        params(word)


def test_exchange_and_database_may_come_from_the_environment_and_words_go_first() -> None:
    environment = {"EXCHANGE": "binance", "MARKET_DB_URL": "postgresql://host/market"}
    request = parse([], environment)
    assert (request.exchange, request.market_url) == ("binance", "postgresql://host/market")
    assert parse(["EXCHANGE=simulated"], environment).exchange == "simulated"


def test_an_exchange_that_is_neither_a_name_nor_an_address_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="auto, binance, simulated"):
        exchange_choice.choose("kraken")


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(LocalRunError, match=r"127\.0\.0\.1:9"):
        exchange_choice.choose("http://127.0.0.1:9")


def test_auto_says_why_it_uses_the_simulated_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_choice, "why_unreachable", lambda: "the host answered 451 to a ping")
    chosen = exchange_choice.choose("auto")
    assert chosen.simulated
    assert "451" in chosen.reason


def test_auto_never_takes_a_system_of_real_candles_to_invented_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_choice, "why_unreachable", lambda: "no connection to the host")
    with pytest.raises(LocalRunError, match=r"no connection to the host\. Nothing was changed.* EXCHANGE=simulated"):
        exchange_choice.choose("auto", was_real=True)
    assert exchange_choice.choose("simulated", was_real=True).simulated


def test_binance_fails_where_it_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_choice, "why_unreachable", lambda: "no connection to the host")
    with pytest.raises(LocalRunError, match="no connection to the host"):
        exchange_choice.choose("binance")


@pytest.mark.parametrize("address", ["http://me:s3cret@host:1", "me:s3cret@host:1", "ftp://me:s3cret@host"])
def test_a_password_in_the_exchange_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(InvalidRequest, match="user name or password") as refused:
        parse([f"EXCHANGE={address}"], {})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://", "http://[::1", "http://host:port", "file:///etc"])
def test_an_address_that_is_none_is_refused_before_anything_starts(address: str) -> None:
    with pytest.raises(InvalidRequest, match="such as http://host:port"):
        parse([f"EXCHANGE={address}"], {})


def test_an_exchange_that_announces_invented_candles_is_a_simulated_one_by_any_address(exchange: Any) -> None:
    chosen = exchange_choice.choose(f"{exchange.url}/")
    assert chosen.simulated
    assert (chosen.rest_url, chosen.archive_url, chosen.archive_list_url) == (exchange.url,) * 3
    assert exchange.url.removeprefix("http://") in chosen.reason


def test_an_exchange_that_replays_recorded_candles_is_a_server(replayed_exchange: Any) -> None:
    chosen = exchange_choice.choose(replayed_exchange.url)
    assert (chosen.kind, chosen.archive_url) == ("server", replayed_exchange.url)


def test_a_new_connection_says_what_an_empty_one_means() -> None:
    binance = exchange_choice.BINANCE
    written = BinanceSettings(binance.rest_url, binance.archive_url, binance.archive_list_url, **PACING)
    assert written == BinanceSettings(MARKET_DATA_URL)


def test_the_hook_looks_for_the_connections_that_are_made() -> None:
    made = (settings.BINANCE_CONN_ID, settings.MARKET_CONN_ID)
    assert made == (hook.BINANCE_CONN_ID, hook.MARKET_CONN_ID)
