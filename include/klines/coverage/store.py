"""Reads for people who look: read-only, bounded in time, so that no look at the data can hold up a load.

Times that go out are ISO 8601 in UTC with a Z; everything that is measured comes from what the loads left in
data_quality and data_gap, no candle is counted.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from include.klines import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

STATEMENT_SECONDS = 5
"""No read of the page takes longer; a load that holds a lock is not waited for longer than a second."""
CONNECT_SECONDS = 5
BOUNDS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds; ignored where the system has none
}
"""statement_timeout is the server's: where the way to it is gone, the socket has to give up by itself."""
SESSION = {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
    "jit": "off",
    "enable_nestloop": "off",
}
"""The last one: right after a first big load there are no statistics, and a plan of nested loops takes minutes."""


@contextmanager
def read_connection(conninfo: str) -> Iterator[psycopg.Connection]:
    """A connection inside one read-only snapshot, closed at the end. psycopg.Error where that cannot be had."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(conninfo).get("options")
    options = " ".join([*([str(given)] if given else []), *(f"-c {name}={value}" for name, value in SESSION.items())])
    address = make_conninfo(conninfo, options=options, application_name="klines coverage", **BOUNDS)
    with psycopg.connect(address) as conn:
        conn.read_only = True
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield conn


def rows(conn: psycopg.Connection, name: str, **binds: Any) -> list[dict[str, Any]]:
    """The rows of include/sql/coverage/<name>.sql."""
    from psycopg.rows import dict_row

    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.load(f"coverage/{name}").encode(), binds or None).fetchall()


def text(conn: psycopg.Connection, name: str, **binds: Any) -> str:
    """The one text that a statement builds: JSON, made where the rows are."""
    (found,) = rows(conn, name, **binds)
    return str(found["answer"])


def to_json(value: Any) -> bytes:
    """JSON as UTF-8 bytes: times as ISO 8601 with Z, decimals as numbers."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """`2025-10-01T00:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
