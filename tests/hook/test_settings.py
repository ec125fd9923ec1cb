from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from binance_plugin.errors import BadConnection
from binance_plugin.settings import ARCHIVE_LIST_URL, ARCHIVE_URL, BinanceSettings


def connection(host: str | None = "https://api.binance.com", **fields: Any) -> Any:
    extra = fields.pop("extra", None)
    values = {"schema": None, "port": None, "login": None, "password": None} | fields
    text = extra if extra is None or isinstance(extra, str) else json.dumps(extra)
    return SimpleNamespace(conn_id="binance_default", host=host, extra=text, **values)


def settings(host: str | None = "https://api.binance.com", **fields: Any) -> BinanceSettings:
    return BinanceSettings.from_connection(connection(host, **fields))


def test_a_bare_connection_has_the_documented_defaults() -> None:
    found = settings()
    assert (found.rest_url, found.archive_url, found.archive_list_url) == (
        "https://api.binance.com",
        ARCHIVE_URL,
        ARCHIVE_LIST_URL,
    )
    assert (found.request_interval, found.burst_size, found.burst_pause, found.retries) == (0.2, 20, 2.0, 3)
    assert found.weight_limit is None
    assert found.api_key is None


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "data-api.binance.vision"}, "https://data-api.binance.vision"),
        ({"host": "https://data-api.binance.vision/"}, "https://data-api.binance.vision"),
        ({"host": "127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "localhost:8080"}, "http://localhost:8080"),
        ({"host": "mirror.example", "schema": "http", "port": 81}, "http://mirror.example:81"),
        ({"host": "http://mirror.example/binance/"}, "http://mirror.example/binance"),
    ],
)
def test_the_rest_address_is_put_together_from_the_fields(fields: dict[str, Any], url: str) -> None:
    assert settings(**fields).rest_url == url


def test_an_exchange_of_another_name_serves_its_own_archive_unless_told_otherwise() -> None:
    simulated = settings("http://127.0.0.1:8080")
    assert simulated.archive_url == simulated.archive_list_url == "http://127.0.0.1:8080"
    mixed = settings("http://127.0.0.1:8080", extra={"archive_url": "https://data.binance.vision/"})
    assert mixed.archive_url == "https://data.binance.vision"


def test_extras_are_read_as_numbers_or_as_text() -> None:
    found = settings(
        extra={"request_interval": "0", "burst_size": "5", "burst_pause": 1, "retries": 0, "weight_limit": ""}
    )
    assert (found.request_interval, found.burst_size, found.burst_pause, found.retries) == (0.0, 5, 1.0, 0)
    assert found.weight_limit is None
    assert settings(extra={"weight_limit": 1200}).weight_limit == 1200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request_interval", "fast"),
        ("request_interval", -1),
        ("request_interval", "nan"),
        ("burst_pause", True),
        ("burst_size", 2.5),
        ("retries", "-1"),
        ("weight_limit", 0),
        ("timeout", 0),
        ("archive_parallel", 0),
        ("archive_url", "ftp://x"),
        ("archive_list_url", "https://user:secret@host/"),
        ("archive_url", "https://host:port"),
        ("retries", [1]),
    ],
)
def test_a_bad_extra_is_named_in_one_sentence(name: str, value: object) -> None:
    with pytest.raises(BadConnection) as caught:
        settings(extra={name: value})
    assert str(caught.value).startswith(f"connection binance_default: extra {name} is ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["", None, "  ", "ftp://host", "https://user:secret@host", "https://host?key=secret"])
def test_a_bad_host_is_refused_without_showing_what_it_holds(host: str | None) -> None:
    with pytest.raises(BadConnection, match="host is") as caught:
        settings(host)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("extra", ["{", "[]", "3"])
def test_an_extra_that_is_no_json_object_is_refused(extra: str) -> None:
    with pytest.raises(BadConnection, match="not a JSON object"):
        settings(extra=extra)


def test_a_misspelt_extra_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "binance_plugin.settings"):
        settings(extra={"request_intervall": 1})
    assert [record.args for record in caplog.records] == [
        ("binance_default", "request_intervall", ", is request_interval meant?")
    ]


def test_the_key_is_the_password_and_is_not_shown() -> None:
    found = settings(password="kEy-7f3a9c")
    assert found.api_key == "kEy-7f3a9c"
    assert "kEy" not in repr(found)
