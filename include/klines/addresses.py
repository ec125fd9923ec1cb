"""Addresses of databases that people write, read without showing them.

libpq's complaint about an address that it cannot read quotes it with its password. Where the password has an @ or a /
that is not encoded, libpq reads another host, port or database out of it, and names that when it cannot connect.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from include.klines.errors import InvalidRequest

URI = ("postgresql://", "postgres://")
FORM = "postgresql://user:password@host:port/database"


def parse_address(address: str, name: str) -> dict[str, Any]:
    """The libpq options of `address`, in either of libpq's forms; `name` says where it was written.

    Raises InvalidRequest, whose text and causes hold nothing of the address.
    """
    options: dict[str, Any] | None = None
    with suppress(psycopg.Error, UnicodeEncodeError):  # not raised from: these quote the address
        options = conninfo_to_dict(address)
    if options is None or _is_misread(address, options):
        raise InvalidRequest(
            f"{name} is no address of a PostgreSQL database: write {FORM}, "
            "with %40 for an @ in the password, %2F for a / and %25 for a %."
        )
    return options


def _is_misread(address: str, options: dict[str, Any]) -> bool:
    """Whether a part of the password was taken for the host, the port or the database."""
    host, port, database = (str(options.get(part) or "") for part in ("host", "port", "dbname"))
    if not all(one.strip().isdecimal() for one in port.split(",") if one):
        return True
    return address.startswith(URI) and "@" in f"{host[1:]}{database}"  # a host @name is a socket without a file
