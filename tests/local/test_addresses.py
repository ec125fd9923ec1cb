"""An address that cannot be read is told by where it stands, and nothing of it is shown: it holds a password."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from include.klines import migrate, restore
from include.klines.addresses import parse_address
from include.klines.errors import InvalidRequest
from include.klines.reader import DatabaseUnavailable, load_ohlcv
from include.local import __main__ as local
from include.local import commands, databases
from include.local.load_request import parse
from include.local.state import State
from include.server import identity

if TYPE_CHECKING:
    from pathlib import Path

WRONG = {
    "a wrong scheme": "postgre://me:hunter2@host/market",
    "no scheme": "me:hunter2@host/market",
    "SQLAlchemy's scheme": "postgresql+psycopg2://me:hunter2@host/market",
    "an @ in the password": "postgresql://me:secret@hunter2@127.0.0.1:9/market",
    "a / in the password": "postgresql://me:hunter2/secret@127.0.0.1:9/market",
    "a / after digits": "postgresql://me:9/hunter2@127.0.0.1/market",
    "a % in the password": "postgresql://me:hunter2%zz@host/market",
    "a space in the password": "postgresql://me:hunter2 secret@host/market",
    "a bracket that stays open": "postgresql://me:hunter2@[::1/market",
    "a port that is none": "postgresql://me:secret@127.0.0.1:hunter2/market",
    "bytes that are no text": "postgresql://me:hunter2\udcff@host/market",
    "a password of two words": "host=host password=secret hunter2",
    "an unknown option": "host=host hunter2=secret",
}
each_wrong_address = pytest.mark.parametrize("address", WRONG.values(), ids=WRONG.keys())
SENTENCE = r"is no address of a PostgreSQL database: write postgresql://user:password@host:port/database"


@pytest.fixture(autouse=True)
def no_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLINES_DSN", raising=False)
    monkeypatch.delenv("MARKET_DB_URL", raising=False)


def shown(error: BaseException) -> str:
    """Everything that a program could print of an error and of those before it, suppressed ones too."""
    chain, found = [error], []
    while chain:
        one = chain.pop()
        found += [repr(one), str(one), *traceback.format_exception_only(one)]
        chain += [before for before in (one.__cause__, one.__context__) if before is not None]
    return "\n".join(found)


def assert_silent(text: str) -> None:
    assert "hunter2" not in text
    assert "secret" not in text


@each_wrong_address
def test_a_wrong_address_is_one_sentence_without_it(address: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^KLINES_DSN {SENTENCE}") as refused:
        parse_address(address, "KLINES_DSN")
    assert_silent(shown(refused.value))


@pytest.mark.parametrize(
    ("address", "options"),
    [
        (
            "postgresql://me:p%40s%2Fs@h1:1,h2/market?sslmode=require",
            {"host": "h1,h2", "port": "1,", "dbname": "market"},
        ),
        ("postgres:///market?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "market"}),
        ("host=db dbname=one@two user=me password='p@s/s'", {"host": "db", "dbname": "one@two", "password": "p@s/s"}),
        ("dbname=market user=market_writer", {"dbname": "market", "user": "market_writer"}),
        ("postgresql://me@%40socket/market", {"host": "@socket", "user": "me"}),
    ],
)
def test_what_libpq_understands_is_understood(address: str, options: dict[str, str]) -> None:
    assert parse_address(address, "KLINES_DSN").items() >= options.items()


@each_wrong_address
def test_the_reader_names_the_argument_or_the_variable(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    span = ("BTC", "1h", "2024-01-01", "2024-02-01")
    with pytest.raises(DatabaseUnavailable, match=f"^dsn {SENTENCE}") as refused:
        load_ohlcv(*span, dsn=address)
    assert_silent(shown(refused.value))
    monkeypatch.setenv("MARKET_DB_URL", address)
    with pytest.raises(DatabaseUnavailable, match=f"^MARKET_DB_URL {SENTENCE}") as refused:
        load_ohlcv(*span)
    assert_silent(shown(refused.value))


@each_wrong_address
def test_make_run_refuses_it_before_anything_starts(address: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=f"^MARKET_DB_URL {SENTENCE}") as refused:
        parse([], {"MARKET_DB_URL": address})
    assert_silent(shown(refused.value))
    with pytest.raises(InvalidRequest, match=f"^MARKET_DB_URL {SENTENCE}") as refused:
        databases.prepare(State(tmp_path), address, simulated=False)
    assert_silent(shown(refused.value))


@pytest.mark.parametrize("word", ["MARKET_DBURL=postgresql://me:hunter2@host/m", "postgresql://me:hunter2@host/m"])
def test_a_word_that_is_not_understood_shows_no_address(word: str) -> None:
    with pytest.raises(InvalidRequest, match="is not understood") as refused:
        parse([word], {})
    assert_silent(shown(refused.value))


@each_wrong_address
def test_make_report_refuses_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MARKET_DB_URL", address)
    monkeypatch.setenv("KLINES_STATE", str(tmp_path))
    with pytest.raises(InvalidRequest, match=f"^MARKET_DB_URL {SENTENCE}") as refused:
        commands.write_report(State(tmp_path), Console())
    assert_silent(shown(refused.value))
    assert local.main(["report"]) == 2
    out, err = capsys.readouterr()
    assert "MARKET_DB_URL is no address" in out
    assert_silent(out + err)


@each_wrong_address
def test_commands_on_a_database_refuse_it(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ["--start", "2020-01-01", "--end", "2020-12-31"]
    assert migrate.main([address]) == 1
    assert identity.main([address, "binance"]) == 1
    assert restore.main([*span, "--dsn", address]) == 1
    monkeypatch.setenv("KLINES_DSN", address)
    assert migrate.main([]) == 1
    assert restore.main(span) == 1
    out, err = capsys.readouterr()
    assert [line.partition(" is no address")[0] for line in err.splitlines()] == [
        *("the argument", "the argument", "--dsn", "KLINES_DSN", "KLINES_DSN"),
    ]  # fmt: skip
    assert_silent(out + err)
