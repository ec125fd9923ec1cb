"""Where the database is, and the one snapshot that a read sees."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from include.klines.reader.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

DSN_VARIABLES = ("KLINES_DSN", "MARKET_DB_URL")
CONNECT_SECONDS = 10


def find_dsn(dsn: str | None) -> str:
    """`dsn`, or the environment's KLINES_DSN or MARKET_DB_URL; DatabaseUnavailable where there is none."""
    found = dsn or next((os.environ[name] for name in DSN_VARIABLES if os.environ.get(name)), None)
    if not found:
        raise DatabaseUnavailable(
            "no database is named: pass dsn='postgresql://user:password@host:port/market' or set KLINES_DSN."
        )
    return found


@contextmanager
def snapshot(dsn: str | psycopg.Connection | None, *, write: bool = False) -> Iterator[psycopg.Connection]:
    """A connection inside one repeatable-read transaction: every statement sees the same instant, also while loads run.

    An open connection may be given in place of an address; it stays open. If it is inside a transaction, that one
    is used as it is. Raises DatabaseUnavailable where the server, the database, the schema or the right to read is
    missing.
    """
    try:
        if isinstance(dsn, psycopg.Connection):
            with _transaction(dsn, write=write):
                yield dsn
        else:
            with _connect(find_dsn(dsn)) as conn, _transaction(conn, write=write):
                yield conn
    except psycopg.errors.UndefinedTable as error:
        raise DatabaseUnavailable(
            f"this is not a market database of this version ({_first_line(error)}): migrate it."
        ) from error
    except psycopg.errors.UndefinedFunction as error:
        raise DatabaseUnavailable(
            f"this is not a market database of this version ({_first_line(error)}): migrate it."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        role = "market_writer" if write else "backtester"
        raise DatabaseUnavailable(
            f"the database refuses this user: {_first_line(error)}; use the role {role}."
        ) from error
    except psycopg.errors.QueryCanceled as error:
        raise DatabaseUnavailable(
            f"the database stopped the read ({_first_line(error)}): read less at once, or iter_chunks()."
        ) from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the connection to the database was lost: {_first_line(error)}.") from error


def _connect(dsn: str) -> psycopg.Connection:
    try:
        return psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS, application_name="klines reader")
    except psycopg.ProgrammingError as error:
        raise DatabaseUnavailable(f"the database address cannot be read: {_first_line(error)}.") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database at {_where(dsn)} cannot be reached: {_first_line(error)}.") from error


@contextmanager
def _transaction(conn: psycopg.Connection, *, write: bool) -> Iterator[None]:
    if conn.info.transaction_status != TransactionStatus.IDLE:
        yield
        return
    before = conn.isolation_level, conn.read_only
    conn.isolation_level, conn.read_only = psycopg.IsolationLevel.REPEATABLE_READ, not write
    try:
        with conn.transaction():
            yield
    finally:
        if not conn.closed:
            conn.isolation_level, conn.read_only = before


def _where(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    return f"{parts.get('host', 'the local socket')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[0].rstrip(".")
