"""Migrations: applied once, in order, by one at a time, and never edited."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from include.klines import migrate as runner
from include.klines.errors import MigrationError
from include.klines.migrate import MIGRATIONS_DIR, main, migrate, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_second_migration_does_nothing(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        assert migrate(conn) == [migration.name for migration in migrations()]
        assert migrate(conn) == []


def test_two_who_start_at_once_apply_each_migration_once(empty_dsn: str) -> None:
    def work(_: int) -> list[str]:
        with psycopg.connect(empty_dsn, autocommit=True) as conn:
            return migrate(conn)

    with ThreadPoolExecutor(3) as pool:
        applied = [name for names in pool.map(work, range(3)) for name in names]
    assert sorted(applied) == [migration.name for migration in migrations()]


def test_an_edited_migration_is_named(empty_dsn: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS_DIR, folder)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        migrate(conn, folder)
        edited = folder / "0002_symbol_listing.sql"
        edited.write_text(edited.read_text() + "-- one more word\n")
        with pytest.raises(MigrationError, match=r"0002_symbol_listing\.sql was edited after it was applied"):
            migrate(conn, folder)


def test_a_failing_migration_leaves_nothing_behind(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_half.sql").write_text("CREATE TABLE half_done (a integer);\nSELECT 1 / 0;\n")
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        with pytest.raises(MigrationError, match=r"0001_half\.sql failed and was rolled back"):
            migrate(conn, tmp_path)
        assert conn.execute("SELECT to_regclass('half_done'), count(*) FROM schema_migration").fetchone() == (None, 0)


@pytest.fixture
def notebook(postgres_server: Any, empty_dsn: str, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """A backtester's session that has read a table and not ended its transaction; tmp_path has two migrations."""
    (tmp_path / "0001_table.sql").write_text(
        "CREATE TABLE read_by_all (a int); GRANT SELECT ON read_by_all TO backtester"
    )
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        migrate(conn, tmp_path)
    (tmp_path / "0002_column.sql").write_text("ALTER TABLE read_by_all ADD COLUMN b int")
    address = postgres_server.dsn(conninfo_to_dict(empty_dsn)["dbname"], "backtester")
    with psycopg.connect(address, application_name="a notebook") as reader:
        reader.execute("SELECT * FROM read_by_all")
        yield reader


def test_a_migration_says_who_is_in_its_way_and_lets_readers_through(
    notebook: psycopg.Connection, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE", "50ms")
    pauses: list[float] = []

    def read_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        with psycopg.connect(empty_dsn, options="-c lock_timeout=1s") as another:
            another.execute("SELECT * FROM read_by_all")

    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        with pytest.raises(MigrationError, match=f"pid {notebook.info.backend_pid}, backtester, a notebook.*again"):
            migrate(conn, tmp_path, sleep=read_meanwhile)
        assert conn.execute("SELECT max(name) FROM schema_migration").fetchone() == ("0001_table",)
    assert pauses == [runner.PAUSE] * (runner.TRIES - 1)


def test_a_migration_is_applied_once_nobody_is_in_its_way(
    notebook: psycopg.Connection, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE", "50ms")
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        assert migrate(conn, tmp_path, sleep=lambda seconds: notebook.rollback()) == ["0002_column"]


def test_a_database_that_is_ahead_of_the_checkout_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        migrate(conn)
        with pytest.raises(MigrationError, match="which this checkout does not know"):
            migrate(conn, tmp_path)


@pytest.mark.parametrize("made", ["TABLE shop (a int)", "FUNCTION shop() RETURNS int LANGUAGE sql RETURN 1"])
def test_a_database_of_something_else_is_refused_and_left_as_it_was(empty_dsn: str, made: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(f"CREATE {made}".encode())
        with pytest.raises(MigrationError, match=r"holds other things .*shop.*CREATE DATABASE market OWNER"):
            migrate(conn)
        assert conn.execute("SELECT to_regclass('schema_migration')").fetchone() == (None,)


def test_extensions_and_what_came_after_the_first_migration_do_not_matter(postgres_server: Any, empty_dsn: str) -> None:
    with postgres_server.admin(conninfo_to_dict(empty_dsn)["dbname"]) as superuser:
        superuser.execute("CREATE FUNCTION of_an_extension() RETURNS int LANGUAGE sql RETURN 1")
        superuser.execute("ALTER EXTENSION plpgsql ADD FUNCTION of_an_extension()")
        assert migrate(superuser) != []
        superuser.execute("CREATE TABLE notes (a int)")
        assert migrate(superuser) == []


def test_two_migrations_with_one_number_are_refused(tmp_path: Path) -> None:
    for name in ("0001_one.sql", "0001_other.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="share a number"):
        migrations(tmp_path)


def test_a_revision_of_before_0035_was_recorded_when_it_was_made(empty_dsn: str, tmp_path: Path) -> None:
    for path in MIGRATIONS_DIR.glob("*.sql"):
        if path.name < "0035":
            shutil.copy(path, tmp_path)
    values = ", ".join(["1"] * 18)
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        migrate(conn, tmp_path)
        revision = f"VALUES ('BTC', '1h', '2024-02-29Z', {values}, 'rest', '2024-03-02Z')"  # all of the same value
        conn.execute(f"INSERT INTO market_data_revision {revision}".encode())
        migrate(conn)
        same = conn.execute("SELECT recorded_at = revised_at FROM market_data_revision").fetchone()
        assert same == (True,)


def test_the_command_says_what_it_did(empty_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([empty_dsn]) == 0
    assert "applied 0001_market_data" in capsys.readouterr().out
    assert main([empty_dsn]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main(["postgresql://nobody@127.0.0.1:1/none"]) == 1


def test_the_command_takes_the_database_of_the_environment(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2
    assert "KLINES_DSN" in capsys.readouterr().err
    monkeypatch.setenv("MARKET_DB_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert main([]) == 1
    monkeypatch.setenv("KLINES_DSN", empty_dsn)
    assert main([]) == 0
    assert "applied 0001_market_data" in capsys.readouterr().out
