"""Roles and databases of a server, made by its superuser: `python -m include.server.databases`.

The address comes from libpq's variables (PGHOST, PGPORT), the passwords from POSTGRES_PASSWORD (the superuser's),
AIRFLOW_DB_PASSWORD, MARKET_WRITER_PASSWORD and BACKTESTER_PASSWORD. A second run changes nothing but the passwords of
the three roles, which become what the variables say. Tables are the migrations' business.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import psycopg

from include.klines.errors import ConfigurationError, KlinesError
from include.server.cluster import METADATA, READER, WRITER, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
PASSWORDS = {METADATA: "AIRFLOW_DB_PASSWORD", WRITER: "MARKET_WRITER_PASSWORD", READER: "BACKTESTER_PASSWORD"}


def read_passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """The passwords of PASSWORDS by role; ConfigurationError names the variables that are missing or empty."""
    missing = [name for name in PASSWORDS.values() if not environment.get(name)]
    if missing:
        raise ConfigurationError(f"{', '.join(missing)} must be set: `docker/new-env` writes a .env with all of them.")
    return {role: environment[name] for role, name in PASSWORDS.items()}


def main() -> int:
    """Prepare the server; prints what was made."""
    try:
        passwords = read_passwords(os.environ)
        superuser_password = os.environ.get("POSTGRES_PASSWORD")
        with psycopg.connect(
            dbname="postgres", user=SUPERUSER, password=superuser_password, connect_timeout=30, autocommit=True
        ) as conn:
            made = prepare(conn, passwords)
    except (KlinesError, psycopg.Error) as error:
        sys.stderr.write(f"The database server cannot be prepared: {str(error).strip()}\n")
        return 1
    sys.stdout.write(f"made {', '.join(made)}\n" if made else "roles and databases are there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
