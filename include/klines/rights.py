"""What market_writer and backtester may do, looked at after every migration: a role may be younger than the tables."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from psycopg import errors as pg

from include.klines import sql

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

READER_SETTINGS = {
    "statement_timeout": "60s",
    # iter_chunks holds one transaction while a backtest works on what it was given: an hour for that is plenty, and a
    # notebook that was left open holds up migrations and vacuum until then, not for weeks
    "idle_in_transaction_session_timeout": "1h",
}
"""Bounds of every session of backtester, which a session may change for itself."""


def complete(conn: psycopg.Connection) -> list[str]:
    """Give the roles what they lack; returns what somebody with more rights has to run for that, and warns of it.

    `conn` is the owner's of the tables, in autocommit.
    """
    missing = [role for (role,) in conn.execute(sql.load("migrate/missing_roles").encode())]
    left = [f"CREATE ROLE {role} LOGIN PASSWORD '…'" for role in missing]
    if left:
        log.warning("Roles are missing. Run %s, then migrate again, which gives them their rights.", "; ".join(left))
    binds = {"settings": list(READER_SETTINGS), "values": list(READER_SETTINGS.values())}
    refused: list[str] = []
    with conn.transaction():
        conn.execute(sql.load("migrate/lock").encode())
        for (statement,) in conn.execute(sql.load("migrate/missing_rights").encode(), binds).fetchall():
            try:
                with conn.transaction():
                    conn.execute(statement.encode())
            except pg.InsufficientPrivilege:
                refused.append(statement)
    if refused:
        log.warning("%s may not run this, a superuser may: %s", conn.info.user, "; ".join(refused))
    return left + refused
