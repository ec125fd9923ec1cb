"""Brings a database to the schema of this checkout: `python -m include.klines.migrate`, for the one in KLINES_DSN.

Migrations are the files include/sql/migrations/NNNN_name.sql, applied in order, forward only, each in one transaction
with its record in schema_migration, all under one advisory lock, so that two who start at once do not collide. A
migration gives way to whoever uses its tables, some times, and then says who that is.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg

from include.klines import rights, sql
from include.klines.addresses import parse_address
from include.klines.errors import KlinesError, MigrationError
from include.klines.settings import SQL_DIR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

MIGRATIONS_DIR = SQL_DIR / "migrations"
OLDEST_POSTGRES = 15
DSN_VARIABLES = ("KLINES_DSN", "MARKET_DB_URL")
USAGE = """usage: python -m include.klines.migrate [postgresql://user:password@host:port/database]
Without an argument KLINES_DSN names the database, else MARKET_DB_URL: other users of this machine see the arguments."""
PATIENCE = "5s"
TRIES, PAUSE = 10, 5.0
"""A migration waits so long for a lock, in which every reader waits behind it; then it lets them through for 5 s."""
IN_THE_WAY = (pg.LockNotAvailable, pg.DeadlockDetected)


class _GaveWay(MigrationError):
    """The migration of this name was rolled back: somebody holds what it needs."""


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


def migrate(
    conn: psycopg.Connection, folder: Path = MIGRATIONS_DIR, *, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Apply what is missing; returns the names applied, in order. A second call does nothing, unless a role is new.

    Raises MigrationError where an applied file was edited, where the database is newer than this checkout, where it
    belongs to something else, where somebody holds a table that a migration needs, or where the server is older than
    PostgreSQL 15.
    """
    if conn.info.server_version < OLDEST_POSTGRES * 10_000:
        raise MigrationError(
            f"PostgreSQL {OLDEST_POSTGRES} or newer is needed, this server is {conn.info.server_version}."
        )
    applied: list[str] = []
    with conn.transaction():
        conn.execute(sql.load("migrate/lock").encode())
        conn.execute(sql.load("migrate/create_record").encode())
        _refuse_anothers(conn)
    while (name := _apply_next(conn, folder, sleep)) is not None:
        applied.append(name)
    rights.complete(conn)
    return applied


def _refuse_anothers(conn: psycopg.Connection) -> None:
    """MigrationError where no migration was applied and others' things are there: 0007 takes rights to all of them."""
    others = [name for (name,) in conn.execute(sql.load("migrate/others").encode())]
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise MigrationError(
            f"the database {conn.info.dbname} holds other things in its schema public ({', '.join(others[:3])}{more}), "
            "whose rights the migrations would change: give the project a database of its own, as with "
            f'CREATE DATABASE market OWNER "{conn.info.user}".'
        )


def _apply_next(conn: psycopg.Connection, folder: Path, sleep: Callable[[float], None]) -> str | None:
    """Apply the first migration that is missing, once nobody is in its way; its name, or None where there is none."""
    why = ""
    for tried in range(TRIES):
        if tried:
            sleep(PAUSE)
        try:
            with conn.transaction():
                return _try_next(conn, folder)
        except _GaveWay as error:
            why = f"{error}.sql was rolled back, because others use what it changes: {_who_uses(conn)}"
            log.warning("%s (try %s of %s)", why, tried + 1, TRIES)
    raise MigrationError(f"{why} End what they do, or SELECT pg_terminate_backend(…) of their pid, and migrate again.")


def _try_next(conn: psycopg.Connection, folder: Path) -> str | None:
    conn.execute(sql.load("migrate/lock").encode())
    migration = _next(conn, migrations(folder))
    if migration is None:
        return None
    conn.execute(sql.load("migrate/be_brief").encode(), {"patience": PATIENCE})
    try:
        conn.execute(migration.text.encode())
    except IN_THE_WAY as error:
        raise _GaveWay(migration.name) from error
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}.sql failed and was rolled back: {error}") from error
    conn.execute(
        sql.load("migrate/record").encode(),
        {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
    )
    return migration.name


def _who_uses(conn: psycopg.Connection) -> str:
    found = conn.execute(sql.load("migrate/in_the_way").encode()).fetchall()
    names = [f"pid {pid}, {role}, {application}" for pid, role, application in found]
    return f"{'; '.join(names) or 'whoever it was has ended'}."


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
    """Migrate the database of the DSN given as the only argument, or of the environment; prints what was applied."""
    name = "the argument" if argv else next(filter(os.environ.get, DSN_VARIABLES), "")
    dsn = argv[0] if argv else os.environ.get(name, "")
    if len(argv) > 1 or not dsn:
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        parse_address(dsn, name)
        with psycopg.connect(dsn, autocommit=True) as conn:
            applied = migrate(conn)
    except (KlinesError, psycopg.Error) as error:
        sys.stderr.write(f"{str(error).strip()}\n")
        return 1
    sys.stdout.write(f"applied {', '.join(applied)}\n" if applied else "the schema is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
