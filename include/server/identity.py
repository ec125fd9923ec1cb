"""Gives a migrated market database to one exchange: `python -m include.server.identity CONNINFO binance`.

A database that already belongs to another exchange is refused, so that simulated and real candles never mix.
"""

from __future__ import annotations

import sys

import psycopg

from include.klines import sql
from include.klines.addresses import parse_address
from include.klines.errors import InvalidRequest


def name_database(conn: psycopg.Connection, exchange: str) -> str:
    """Name an unnamed market database after `exchange` (binance or simulated); returns whose it is now."""
    conn.execute(sql.load("local/name_database").encode(), {"exchange": exchange})
    row = conn.execute(sql.load("local/database_exchange").encode()).fetchone()
    return row[0] if row else "no"


def main(argv: list[str]) -> int:
    """Name the database of the address `argv[0]` after the exchange `argv[1]`, unless it has that name."""
    if len(argv) != 2:
        sys.stderr.write("usage: python -m include.server.identity CONNINFO EXCHANGE\n")
        return 2
    try:
        parse_address(argv[0], "the argument")
        with psycopg.connect(argv[0], autocommit=True) as conn:
            held = name_database(conn, argv[1])
    except InvalidRequest as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except psycopg.Error as error:
        sys.stderr.write(f"The market database cannot be read: {str(error).strip()}\n")
        return 1
    if held != argv[1]:
        sys.stderr.write(f"The database holds {held} candles, and this server would add {argv[1]} ones: use another.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
