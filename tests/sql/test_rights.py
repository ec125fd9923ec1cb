"""Roles that are made after the tables get the same rights, and nobody is left without a word."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines import rights
from include.klines.migrate import migrate
from include.local.postgres import PostgresServer
from tests.postgres import FAST_AND_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "alice"
RIGHTS = """
    SELECT role, thing, may FROM (
        SELECT role, oid::regclass::text AS thing, may, has_table_privilege(role, oid, may) AS has
        FROM pg_class CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS may
        CROSS JOIN unnest(%(roles)s::text[]) AS role
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
        UNION ALL
        SELECT role, oid::regclass::text, may, has_sequence_privilege(role, oid, may)
        FROM pg_class CROSS JOIN unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS may
        CROSS JOIN unnest(%(roles)s::text[]) AS role
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
        UNION ALL
        SELECT role, oid::regprocedure::text, 'EXECUTE', has_function_privilege(role, oid, 'EXECUTE')
        FROM pg_proc CROSS JOIN unnest(%(roles)s::text[]) AS role
        WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT role, 'the schema', may, has_schema_privilege(role, 'public', may)
        FROM unnest(ARRAY['USAGE', 'CREATE']) AS may CROSS JOIN unnest(%(roles)s::text[]) AS role
        UNION ALL
        SELECT role, 'the database', may, has_database_privilege(role, current_database(), may)
        FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS may CROSS JOIN unnest(%(roles)s::text[]) AS role
    ) AS every WHERE has
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own, which has no role but a superuser and the owner of two databases, who may make no role."""
    folder = Path(tempfile.mkdtemp(prefix="klines-rights-", dir="/tmp"))  # `nobody` may not enter pytest's
    folder.chmod(0o711)
    server = PostgresServer(folder / "postgres", "password", settings=FAST_AND_UNSAFE)
    server.start()
    with as_superuser(server) as conn:
        conn.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD 'alice'")
        for name in ("early", "late"):
            conn.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


def as_superuser(server: PostgresServer) -> psycopg.Connection:
    return psycopg.connect(server.dsn("postgres"), autocommit=True)


def as_owner(server: PostgresServer, database: str) -> psycopg.Connection:
    return psycopg.connect(server.dsn(database, OWNER, OWNER), autocommit=True)


def held(conn: psycopg.Connection) -> set[Any]:
    return set(conn.execute(RIGHTS, {"roles": ["market_writer", "backtester"]}).fetchall())


def test_roles_made_after_the_tables_get_the_rights_of_those_made_before(server: PostgresServer) -> None:
    with as_owner(server, "late") as late, as_owner(server, "early") as early, as_superuser(server) as superuser:
        migrate(late)
        missing = rights.complete(late)
        assert missing == [f"CREATE ROLE {role} LOGIN PASSWORD '…'" for role in ("backtester", "market_writer")]
        for statement in missing:
            superuser.execute(statement.encode())
        assert ("backtester", "ohlcv_1h", "SELECT") not in held(late)

        assert migrate(late) == []
        migrate(early)

        assert held(early) - held(late) == set(), "what a migration grants stands in migrate/missing_rights.sql too"
        assert held(late) - held(early) == set(), "no migration grants this"
        with psycopg.connect(server.dsn("late", "backtester", "…")) as reader:
            reader.execute("SELECT FROM market_data, request_budget")
            with pytest.raises(psycopg.DatabaseError, match="'BTC' is not in this database"):
                reader.execute("SELECT FROM ohlcv('BTC', '1h', '2024-01-01', '2024-02-01')")

        left = rights.complete(late)
        assert left == [
            "ALTER ROLE backtester SET idle_in_transaction_session_timeout = '1h'",
            "ALTER ROLE backtester SET statement_timeout = '60s'",
        ]
        superuser.execute("ALTER ROLE backtester SET statement_timeout = '5min'")
        superuser.execute(left[0].encode())
        assert rights.complete(late) == [], "what somebody chose stays"
