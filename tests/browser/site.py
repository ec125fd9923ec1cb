"""A whole system for a browser: Airflow's components, the embedded PostgreSQL and the simulated exchange, as `make run`
starts them, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from include.local.databases import SIMULATED, embedded_server
from include.local.load_request import parse
from include.local.runtime import Runtime
from include.local.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.local.airflow_api import AirflowApi

DAG = "klines_initial_load"


@dataclass(frozen=True)
class Site:
    """A running system: where its pages are, who may log in, and what is in its database."""

    url: str
    user: str
    password: str
    api: AirflowApi
    market: str
    state: State

    def market_conn(self) -> psycopg.Connection:
        """A connection to the market database, as its owner, in autocommit."""
        return psycopg.connect(self.market, autocommit=True)

    def new_database(self, name: str) -> str:
        """The address of a new, empty database of the same server and owner."""
        server = embedded_server(self.state)
        server.pid()
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name} OWNER market_writer TEMPLATE template0")
        return psycopg.conninfo.make_conninfo(self.market, dbname=name)


@contextmanager
def running_site() -> Iterator[Site]:
    """Start the system, leave it up, stop it."""
    folder = Path(tempfile.mkdtemp(prefix="klines-browser-", dir="/tmp"))  # `nobody` may not enter pytest's folders
    folder.chmod(0o711)
    state = State(folder / "run")
    state.prepare()
    runtime = Runtime(state, lambda _: None)
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AIRFLOW")}
    try:
        running = runtime.up(parse(["EXCHANGE=simulated"], {}), DAG)
        password, _ = state.ui_password()
        assert SIMULATED in running.market
        yield Site(running.api.url, "admin", password, running.api, running.market, state)
    finally:
        runtime.down()
        os.environ.update(hidden)
        shutil.rmtree(folder, ignore_errors=True)
