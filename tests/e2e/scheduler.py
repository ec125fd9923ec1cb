"""A whole Airflow as `make run` starts it (scheduler, dag-processor, api-server, triggerer) on given databases.

Its connections are those of a server: made through the API and kept in Airflow's own database. So whatever of Airflow
wants one (a task, a Dag callback, a deadline's callback in the triggerer) has to ask for it as it does in production.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import requests
import yaml

from include.klines.settings import ROOT
from include.local import airflow_home, components, connections
from include.local.airflow_api import AirflowApi
from include.local.databases import sqlalchemy_url
from include.local.exchange_choice import ExchangeChoice
from include.local.ports import free_port
from include.local.processes import Processes
from include.local.state import ADMIN, State
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENDED = ("success", "failed")


@dataclass(frozen=True)
class RunningAirflow:
    """Airflow's components, up and connected; `metadata` and `market` are addresses of databases."""

    api: AirflowApi
    metadata: str
    market: str
    environment: dict[str, str]
    processes: Processes
    password: str

    def unpause(self, dag_id: str, *, pause: bool = False) -> None:
        """Let a Dag be scheduled, or no longer."""
        self.api.patch(f"dags/{dag_id}", {"is_paused": pause}, update_mask=["is_paused"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a Dag, the oldest logical date first."""
        found = self.api.pages(f"dags/{dag_id}/dagRuns", "dag_runs")
        return sorted(found, key=lambda run: run["logical_date"] or run["run_after"])

    def trigger(self, dag_id: str, run_id: str, **params: Any) -> None:
        """Start a run by hand."""
        self.api.post(f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": params})

    def wait_for(self, dag_id: str, run_ids: Sequence[str], *, seconds: float = 120) -> dict[str, str]:
        """The states of these runs when all have ended; the newest words of the components where they do not."""
        states: dict[str, str] = {}

        def ended() -> bool:
            states.update({run["dag_run_id"]: run["state"] for run in self.runs(dag_id)})
            return all(states.get(run_id) in ENDED for run_id in run_ids)

        try:
            wait_until(ended, f"{', '.join(run_ids)} of {dag_id} to end", seconds=seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}: {states}\n{self.processes.tail('scheduler', 30)}") from late
        return {run_id: states[run_id] for run_id in run_ids}

    def deadlines(self) -> list[dict[str, Any]]:
        """What the UI lists as deadlines of all runs of all Dags."""
        login = {"username": ADMIN, "password": self.password}
        with requests.Session() as session:
            session.trust_env = False
            token = session.post(f"{self.api.url}/auth/token", json=login, timeout=30).json()["access_token"]
            answer = session.get(
                f"{self.api.url}/ui/dags/~/dagRuns/~/deadlines",
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
            )
        answer.raise_for_status()
        listed: list[dict[str, Any]] = answer.json()["deadlines"]
        return listed

    def ask_metadata(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of Airflow's own database, committed."""
        with psycopg.connect(self.metadata) as conn:
            cursor = conn.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def ask_market(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the market database."""
        with psycopg.connect(self.market) as conn:
            return conn.execute(statement.encode()).fetchall()

    def cli(self, *words: str) -> str:
        """What `airflow` prints, as an operator runs it on that machine."""
        command = [sys.executable, "-m", "airflow", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


@contextmanager
def running_airflow(
    metadata: str,
    market: str,
    exchange: str,
    *,
    channels: dict[str, dict[str, Any]] | None = None,
    core: Sequence[str] = (),
    pacing: dict[str, float] | None = None,
) -> Iterator[RunningAirflow]:
    """Start Airflow, wait until it knows every Dag, and stop it at the end.

    channels: more connections, by id. core: the universe's core tier is these symbols. pacing: extras of
    binance_default.
    """
    with tempfile.TemporaryDirectory(prefix="klines-airflow-", dir="/var/tmp") as folder:
        state = State(Path(folder) / "run")
        state.prepare()
        password, _ = state.ui_password()
        port = free_port(None)
        environment = airflow_home.environment(state, metadata_url=sqlalchemy_url(metadata), port=port, simulated=False)
        environment["KLINES_CONFIG_DIR"] = str(_configuration(Path(folder), core))
        api, processes = AirflowApi(port, password), Processes(state)
        started_at = time.time()
        try:
            components.migrate_metadata(processes, environment)
            components.start_airflow(processes, environment)
            components.wait_for_api(processes, api)
            choice = ExchangeChoice("server", exchange, exchange, exchange)
            connections.prepare(api, state, choice, market, chosen=True)
            if pacing:
                extra = {"archive_url": exchange, "archive_list_url": exchange} | connections.PACING | pacing
                _edit(api, connections.BINANCE_CONN_ID, extra)
            for conn_id, values in (channels or {}).items():
                body = values | {"connection_id": conn_id, "extra": json.dumps(values["extra"])}
                assert api.post("connections", body) is not None, f"{conn_id} exists already"
            for path in sorted((ROOT / "dags").glob("*.py")):
                components.wait_for_dag(processes, api, path.stem, started_at)
            yield RunningAirflow(api, metadata, market, environment, processes, password)
        finally:
            processes.stop()


def _edit(api: AirflowApi, conn_id: str, extra: dict[str, Any]) -> None:
    stored = api.get(f"connections/{conn_id}")
    body = {"connection_id": conn_id, "conn_type": stored["conn_type"], "extra": json.dumps(extra)}
    api.patch(f"connections/{conn_id}", body, update_mask=["extra"])


def _configuration(folder: Path, core: Sequence[str]) -> Path:
    """The project's configuration, with a core of its own where one is given."""
    config = folder / "config"
    config.mkdir()
    for path in (ROOT / "include" / "config").glob("*.yaml"):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "universe.yaml" and core:
            values |= {"core": list(core), "renames": []}
        (config / path.name).write_text(yaml.safe_dump(values), encoding="utf-8")
    return config
