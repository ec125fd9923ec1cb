"""The roles and databases that a PostgreSQL server needs, and who may connect to which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from include.klines.rights import READER_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

MARKET = "market"
METADATA = "airflow"
WRITER = "market_writer"
READER = "backtester"
OWNERS = {METADATA: METADATA, MARKET: WRITER}


def prepare(conn: psycopg.Connection, passwords: Mapping[str, str], owners: Mapping[str, str] = OWNERS) -> list[str]:
    """Make what is missing and return its names. `conn` is the superuser's, in autocommit.

    passwords: by role, set anew each time. owners: role by database; only the owner may connect, and to databases of
    market_writer the backtester.
    """
    made: list[str] = []
    known_roles = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles")}
    for role, password in passwords.items():
        if role not in known_roles:
            conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            made.append(role)
        statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
        conn.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
    for name, value in READER_SETTINGS.items():
        setting = sql.SQL("ALTER ROLE {} SET {} = {}")
        conn.execute(setting.format(sql.Identifier(READER), sql.Identifier(name), sql.Literal(value)))
    known_databases = {name for (name,) in conn.execute("SELECT datname FROM pg_database")}
    for database, owner in owners.items():
        if database not in known_databases:
            statement = sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0")
            conn.execute(statement.format(sql.Identifier(database), sql.Identifier(owner)))
            made.append(database)
        conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM public").format(sql.Identifier(database)))
        if owner == WRITER:
            statement = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
            conn.execute(statement.format(sql.Identifier(database), sql.Identifier(READER)))
    return made
