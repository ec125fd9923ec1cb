"""`python -m tests.year [30]`: a year, or a month of it, of the real Dags against the simulated exchange.

Sets up PostgreSQL and Airflow's metadata, in memory where there is enough, and plays it in a process whose environment
is set up (see play). Exits with 1 where anything is not as the calendar says.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from include.klines.migrate import migrate
from include.klines.settings import ROOT
from include.local.airflow_home import plain_environment
from include.local.postgres import PostgresServer
from tests.postgres import FAST_AND_UNSAFE
from tests.year.calendar import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
WRITER = "market_writer"


def main(days: str = "365") -> int:
    """Set up, play, and leave nothing behind."""
    if days not in map(str, FORMS):
        sys.exit(f"there is no year of {days} days: use one of {', '.join(map(str, FORMS))}.")
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    with tempfile.TemporaryDirectory(prefix="klines-year-", dir=memory if roomy else None) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running_server(folder) as server:
            settings = environment(folder, database(server, "metadata")) | {
                "AIRFLOW_CONN_MARKET_DB": market_database(server, "market"),
                "YEAR_UNDISTURBED": market_database(server, "undisturbed"),
            }
            airflow = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(airflow, env=settings, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            return run_and_end([sys.executable, "-m", "tests.year.play", days], settings)


def run_and_end(command: list[str], settings: dict[str, str]) -> int:
    """Run it in a process group of its own, of which nothing is left however this ends."""
    child = subprocess.Popen(command, env=settings, cwd=ROOT, process_group=0)
    try:
        return child.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


@contextmanager
def running_server(folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL with the project's roles, whose password is the superuser's."""
    server = PostgresServer(folder / "postgres", secrets.token_urlsafe(12), settings=FAST_AND_UNSAFE)
    server.start()
    try:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            for role in (WRITER, "backtester"):
                conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        yield server
    finally:
        server.stop("immediate")


def database(server: PostgresServer, name: str) -> str:
    """The address of a new, empty database."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} OWNER {WRITER}")
    return server.dsn(name, WRITER, server.password)


def market_database(server: PostgresServer, name: str) -> str:
    """The address of a new, migrated market database whose clock is the simulated one."""
    address = database(server, name)
    with psycopg.connect(server.dsn(name), autocommit=True) as conn:
        conn.execute((HERE / "clock.sql").read_text().encode())
        conn.execute(f"ALTER DATABASE {name} SET search_path = public, simulated, pg_catalog")
    with psycopg.connect(address, autocommit=True) as conn:
        migrate(conn)
    return address


def environment(folder: Path, metadata: str) -> dict[str, str]:
    """Airflow's environment, and the project's with the universe and timeframes of the year."""
    home = folder / "airflow"
    home.mkdir()
    bundle = {
        "name": "klines",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT)},
    }
    options = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "DATABASE__SQL_ALCHEMY_CONN": metadata,
        "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "LOGGING__LOGGING_LEVEL": os.environ.get("YEAR_LOG", "CRITICAL"),
    }
    project = {
        "AIRFLOW_HOME": str(home),
        "KLINES_CONFIG_DIR": str(HERE / "config"),
        "KLINES_COLD_STORAGE": (folder / "cold").as_uri(),
    }
    return plain_environment() | project | {f"AIRFLOW__{name}": value for name, value in options.items()}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    sys.exit(main(*sys.argv[1:]))
