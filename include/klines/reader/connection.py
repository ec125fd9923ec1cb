"""Where the database is, and the one snapshot that a read sees."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from include.klines.addresses import parse_address
from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES
from include.klines.reader.errors import DatabaseUnavailable, StaleSnapshot
from include.klines.reader.request import base_candidates
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.klines.reader.request import Length

DSN_VARIABLES = ("KLINES_DSN", "MARKET_DB_URL")
CONNECT_SECONDS = 10
UNKNOWN_THERE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
)


def find_dsn(dsn: str | None) -> str:
    """`dsn`, or the environment's KLINES_DSN or MARKET_DB_URL; DatabaseUnavailable where none is an address."""
    named = {"dsn": dsn} | {name: os.environ.get(name) for name in DSN_VARIABLES}
    for name, found in named.items():
        if found:
            try:
                parse_address(found, name)
            except InvalidRequest as error:
                raise DatabaseUnavailable(str(error)) from None
            return found
    raise DatabaseUnavailable(
        "no database is named: pass dsn='postgresql://user:password@host:port/market' or set KLINES_DSN."
    )


@contextmanager
def snapshot(
    dsn: str | psycopg.Connection | None, of: Length | None = None, *, write: bool = False
) -> Iterator[psycopg.Connection]:
    """A connection inside one repeatable-read transaction: every statement sees the same instant, also while loads run.

    `of` is the length of the candles to read, if any: while the transaction lasts no partition of theirs is replaced.
    An open connection may be given in place of an address; it stays open. If it is inside a transaction, that one
    is used as it is. Raises DatabaseUnavailable where the server, the database, the schema or the right to read is
    missing, and StaleSnapshot where a partition was replaced since the transaction has its snapshot.
    """
    try:
        if isinstance(dsn, psycopg.Connection):
            with _transaction(dsn, of, write=write):
                yield dsn
        else:
            with _connect(find_dsn(dsn)) as conn, _transaction(conn, of, write=write):
                yield conn
    except UNKNOWN_THERE as error:
        raise DatabaseUnavailable(
            f"this is not a market database of this version ({_first_line(error)}): migrate it."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        role = "market_writer" if write else "backtester"
        raise DatabaseUnavailable(
            f"the database refuses this user: {_first_line(error)}; use the role {role} of a migrated database."
        ) from error
    except psycopg.errors.QueryCanceled as error:
        raise DatabaseUnavailable(
            f"the database stopped the read ({_first_line(error)}): read less at once, or iter_chunks()."
        ) from error
    except psycopg.errors.SerializationFailure as error:
        raise StaleSnapshot(f"{_first_line(error)}: try again, in a new transaction.") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the connection to the database was lost: {_first_line(error)}.") from error


def _connect(dsn: str) -> psycopg.Connection:
    try:
        return psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS, application_name="klines reader")
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database at {_where(dsn)} cannot be reached: {_first_line(error)}.") from error


def refuse_rewritten(conn: psycopg.Connection, lengths: Sequence[Length]) -> None:
    """40001 where a partition of these lengths was replaced since the snapshot; ask with their tables locked."""
    conn.execute(statement("refuse_rewritten"), {"timeframes": [one.name for one in lengths]})


@contextmanager
def _transaction(conn: psycopg.Connection, of: Length | None, *, write: bool) -> Iterator[None]:
    if conn.info.transaction_status != TransactionStatus.IDLE:
        if of is not None:
            _hold(conn, of)
            if of.name in TIMEFRAMES:  # of the others find_base() asks when it knows which one
                refuse_rewritten(conn, [of])
        yield
        return
    before = conn.isolation_level, conn.read_only
    conn.isolation_level, conn.read_only = psycopg.IsolationLevel.REPEATABLE_READ, not write
    try:
        with conn.transaction():
            if of is not None:
                _hold(conn, of)
            yield
    finally:
        if not conn.closed:
            conn.isolation_level, conn.read_only = before


def _hold(conn: psycopg.Connection, of: Length) -> None:
    """Lock the table to read, or all that may be, so that no partition of it is replaced until the transaction ends.

    LOCK takes no snapshot. As the first statement it waits for whoever is replacing one, and the snapshot comes after.
    The parent is locked first, as every other statement does.
    """
    lengths = [of] if of.name in TIMEFRAMES else base_candidates(of)
    names = ["market_data", *(f"market_data_{one.name}" for one in lengths)]
    tables = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(name)) for name in names)
    conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))


def _where(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    return f"{parts.get('host', 'the local socket')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[0].rstrip(".")
