"""Pool, connections and the first user: `python -m include.server.airflow_setup`, after `airflow db migrate`.

Runs Airflow's own commands in one process, because each `airflow` costs seconds to start. A second run changes nothing:
a pool, a connection to Binance and a user that exist belong to whoever edits them in the UI. Only market_db and
market_db_read follow the environment: PGHOST, PGPORT, MARKET_WRITER_PASSWORD and BACKTESTER_PASSWORD. ADMIN_PASSWORD is
the first user's password.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.cli.cli_parser import get_parser
from airflow.models.pool import Pool

from binance_plugin.settings import MARKET_DATA_URL, BinanceSettings
from include.klines.settings import BINANCE_CONN_ID, MARKET_CONN_ID, POOL, POOL_SLOTS, READ_CONN_ID
from include.server.cluster import MARKET, READER, WRITER

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = ("archive_url", "archive_list_url", "request_interval", "burst_size", "burst_pause", "retries")
"""Extras of `binance_default` for its form to show; an empty one would mean the same."""
PASSWORDS = ("MARKET_WRITER_PASSWORD", "BACKTESTER_PASSWORD", "ADMIN_PASSWORD")


def binance() -> dict[str, Any]:
    """`binance_default`: Binance's public hosts, with the pacing of the design."""
    settings = BinanceSettings(MARKET_DATA_URL)
    return {
        "conn_type": "http",
        "host": settings.rest_url,
        "description": "Binance market data",
        "extra": {name: getattr(settings, name) for name in SHOWN},
    }


def market(environment: Mapping[str, str]) -> dict[str, Any]:
    """`market_db`: the market database, as the role that loads it."""
    return {
        "conn_type": "postgres",
        "host": environment.get("PGHOST", "localhost"),
        "port": int(environment.get("PGPORT", "5432")),
        "schema": MARKET,
        "login": WRITER,
        "password": environment["MARKET_WRITER_PASSWORD"],
        "description": "The market database",
    }


def market_to_read(environment: Mapping[str, str]) -> dict[str, Any]:
    """`market_db_read`: the same database, as the role that only reads: the Coverage page."""
    return market(environment) | {
        "login": READER,
        "password": environment["BACKTESTER_PASSWORD"],
        "description": "The market database for the Coverage page, as a role that reads",
    }


def airflow(*words: str) -> None:
    """Run an Airflow command in this process."""
    arguments = get_parser().parse_args(words)
    arguments.func(arguments)


def main() -> int:
    """Make what is missing. Airflow's commands print what they did, and exit with their own code where they fail."""
    missing = [name for name in PASSWORDS if not os.environ.get(name)]
    if missing:
        sys.stderr.write(f"{', '.join(missing)} must be set: `docker/new-env` writes a .env with all of them.\n")
        return 1
    if Pool.get_pool(POOL) is None:
        airflow("pools", "set", POOL, str(POOL_SLOTS), "Tasks that ask Binance")
    with tempfile.TemporaryDirectory() as folder:  # only its owner can enter it
        wanted = {
            BINANCE_CONN_ID: binance(),
            MARKET_CONN_ID: market(os.environ),
            READ_CONN_ID: market_to_read(os.environ),
        }
        for conn_id, connection in wanted.items():
            path = Path(folder) / f"{conn_id}.json"
            path.write_text(json.dumps({conn_id: connection}), encoding="utf-8")
            airflow("connections", "import", *(["--overwrite"] if conn_id != BINANCE_CONN_ID else []), str(path))
    name = ["--username", "admin", "--firstname", "klines", "--lastname", "admin", "--email", "admin@localhost"]
    airflow("users", "create", *name, "--role", "Admin", "--password", os.environ["ADMIN_PASSWORD"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
