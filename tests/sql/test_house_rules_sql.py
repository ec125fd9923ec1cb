"""What every SQL file and every object of the migrated database must be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.settings import ROOT, SQL_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = sorted(SQL_DIR.rglob("*.sql"))
MIGRATIONS = [path for path in FILES if path.parent.name == "migrations"]
STATEMENTS = [path for path in FILES if path.parent.name != "migrations"]
FOUND_BY_FOLDER = {"quality/anomalies"}
"""Each file of these folders is a check that include/klines/quality/anomalies.py runs by itself."""
TAKE_A_STEM = {
    "coverage": ("coverage", "rows|text|_listed"),
    "health": ("health", "_rows|_run"),
    "quality": ("quality", "_run"),
    "read": ("reader", "statement|_since"),
}
"""To these functions of these packages a folder's statement is named by its stem; all others name its folder too."""
TEMPORARY = "load/create_staging"

each_statement = pytest.mark.parametrize("name", [str(p.relative_to(SQL_DIR).with_suffix("")) for p in STATEMENTS])
each_migration = pytest.mark.parametrize("name", [path.stem for path in MIGRATIONS])


def _text(name: str) -> str:
    return (SQL_DIR / f"{name}.sql").read_text()


def _header(text: str) -> str:
    return text[: len(text) - len(re.sub(r"\A(--[^\n]*\n)+", "", text))]


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


def _binds(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"%\((\w+)\)s", _without_comments(text))))


@pytest.fixture(scope="module")
def catalog(postgres_server: object, market_template: str) -> Iterator[psycopg.Connection]:
    """A connection to one migrated database for the whole module, in which nothing is kept."""
    database = postgres_server.create(template=market_template)  # type: ignore[attr-defined]  # tests.conftest.TestServer
    with psycopg.connect(postgres_server.dsn(database)) as conn:  # type: ignore[attr-defined]  # the same
        conn.execute(_text(TEMPORARY).encode())
        yield conn
    postgres_server.drop(database)  # type: ignore[attr-defined]  # the same


@each_statement
def test_a_statement_says_its_purpose_its_binds_and_whether_to_run_it_again(name: str) -> None:
    text = _text(name)
    header = _header(text)
    assert header, "a file begins with its header comment"
    assert re.search(r"(?i)second run|run again|reads only|run twice", header), "say whether a second run is safe"
    if re.search(r"Binds:.*\bcolumns?\b", header):  # "the columns of the table"
        return
    for bind in _binds(text):
        assert re.search(rf"\b{bind}\b", header), f"the header does not name the bind {bind}"


@each_statement
def test_binds_are_cast_and_nothing_else_is_interpolated(name: str) -> None:
    text = _text(name)
    assert re.findall(r"%\(\w+\)s(?!::)", _without_comments(text)) == []
    assert re.findall(r"%(?!\(\w+\)s|%)", text) == [], "a bare % breaks binds, also in a comment"
    assert "{{" not in text
    assert "{%" not in text


@each_statement
def test_a_statement_is_one_that_todays_database_understands(name: str, catalog: psycopg.Connection) -> None:
    text = _text(name)
    for number, bind in enumerate(_binds(text), start=1):
        text = text.replace(f"%({bind})s", f"${number}")
    with catalog.transaction(force_rollback=True):
        prepared = catalog.pgconn.prepare(b"", text.replace("%%", "%").encode())
        assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, prepared.error_message.decode()


@each_statement
def test_a_statement_is_run_by_some_module(name: str) -> None:
    folder, _, stem = name.rpartition("/")
    if folder in FOUND_BY_FOLDER:
        return
    if any(f'"{name}"' in path.read_text() for path in (ROOT / "include").rglob("*.py")):
        return
    package, functions = TAKE_A_STEM[folder]
    call = rf'\b(?:{functions})\((?:\s*conn,\s*)?"{stem}"'
    assert any(re.search(call, path.read_text()) for path in (ROOT / "include" / "klines" / package).rglob("*.py"))


@each_migration
def test_a_migration_says_what_an_operator_will_notice(name: str) -> None:
    text = _text(f"migrations/{name}")
    assert "What an operator notices:" in _header(text)
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+", name)
    assert not re.search(r"(?im)^\s*(BEGIN|COMMIT)\s*;", text), "the runner opens the transaction"


def test_every_table_and_view_has_a_comment(catalog: psycopg.Connection) -> None:
    found = catalog.execute("""
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
            AND obj_description(oid, 'pg_class') IS NULL
        ORDER BY relname
    """).fetchall()
    assert found == []


def test_every_column_has_a_comment(catalog: psycopg.Connection) -> None:
    found = catalog.execute("""
        SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
            AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
        ORDER BY relname, attnum
    """).fetchall()
    assert found == []


def test_every_function_has_a_comment(catalog: psycopg.Connection) -> None:
    found = catalog.execute("""
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
        ORDER BY 1
    """).fetchall()
    assert found == []


def test_every_check_is_named_as_a_sentence(catalog: psycopg.Connection) -> None:
    found = catalog.execute("""
        SELECT conrelid::regclass::text, conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype = 'c' AND conname ~ '_check\\d*$'
    """).fetchall()
    assert found == []
