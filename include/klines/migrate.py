"""Brings a database to the schema of this checkout: `python -m include.klines.migrate postgresql://…`.

Migrations are the files include/sql/migrations/NNNN_name.sql, applied in order, forward only, each in one transaction
with its record in schema_migration, all under one advisory lock, so that two who start at once do not collide.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from include.klines import sql
from include.klines.errors import MigrationError
from include.klines.settings import SQL_DIR

if TYPE_CHECKING:
    from pathlib import Path

MIGRATIONS_DIR = SQL_DIR / "migrations"
OLDEST_POSTGRES = 15


@dataclass(frozen=True)
class Migration:
    """One numbered file; `checksum` is the SHA-256 of its bytes."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, as recorded when it is applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """The migrations of `folder` in order; MigrationError where numbers clash."""
    found = [
        Migration(int(path.stem.split("_")[0]), path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]
    if len({migration.number for migration in found}) != len(found):
        raise MigrationError(f"two migrations in {folder} share a number: rename the newer one.")
    return found


def migrate(conn: psycopg.Connection, folder: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply what is missing; returns the names applied, in order. A second call does nothing.

    Raises MigrationError where an applied file was edited, where the database is newer than this checkout, or where the
    server is older than PostgreSQL 15.
    """
    if conn.info.server_version < OLDEST_POSTGRES * 10_000:
        raise MigrationError(
            f"PostgreSQL {OLDEST_POSTGRES} or newer is needed, this server is {conn.info.server_version}."
        )
    applied: list[str] = []
    with conn.transaction():
        conn.execute(sql.load("migrate/lock").encode())
        conn.execute(sql.load("migrate/create_record").encode())
    while True:
        with conn.transaction():
            conn.execute(sql.load("migrate/lock").encode())
            migration = _next(conn, migrations(folder))
            if migration is None:
                return applied
            try:
                conn.execute(migration.text.encode())
            except psycopg.Error as error:
                raise MigrationError(f"{migration.name}.sql failed and was rolled back: {error}") from error
            conn.execute(
                sql.load("migrate/record").encode(),
                {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
            )
            applied.append(migration.name)


def _next(conn: psycopg.Connection, known: list[Migration]) -> Migration | None:
    recorded: dict[str, str] = dict(conn.execute(sql.load("migrate/applied").encode()).fetchall())
    by_name = {migration.name: migration for migration in known}
    for name, checksum in recorded.items():
        if name not in by_name:
            raise MigrationError(
                f"the database has migration {name}, which this checkout does not know: update the checkout."
            )
        if by_name[name].checksum != checksum:
            raise MigrationError(
                f"{name}.sql was edited after it was applied: restore it and add a new migration instead."
            )
    return next((migration for migration in known if migration.name not in recorded), None)


def main(argv: list[str]) -> int:
    """Migrate the database of the DSN given as the only argument; prints what was applied."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m include.klines.migrate postgresql://user:password@host:port/database\n")
        return 2
    try:
        with psycopg.connect(argv[0], autocommit=True) as conn:
            applied = migrate(conn)
    except (MigrationError, psycopg.OperationalError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"applied {', '.join(applied)}\n" if applied else "the schema is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
