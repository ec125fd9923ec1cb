"""Whole Dag runs in a real Airflow: metadata in PostgreSQL, tasks through the Task SDK, one process a run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.settings import ROOT
from include.local.airflow_home import plain_environment

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class DagRun:
    """How a run ended: its state, each task's state (mapped ones by their name in the UI), its note and its log."""

    state: str
    tasks: dict[str, str]
    note: str
    log: str = field(repr=False)


@dataclass(frozen=True)
class Airflow:
    """An Airflow home with a migrated metadata database."""

    environment: dict[str, str]

    def run(self, dag_id: str, *, market: str, exchange: str, at: str = "", **params: Any) -> DagRun:
        """Run a Dag to its end against a market database and an exchange; retries are off, so that nothing waits.

        `at` (ISO with zone) is the logical date: a scheduled Dag's data interval is the last one that ended by then.
        """
        quick = {"request_interval": 0, "burst_pause": 0}
        connections = {
            "AIRFLOW_CONN_MARKET_DB": market,
            "AIRFLOW_CONN_BINANCE_DEFAULT": json.dumps({"conn_type": "http", "host": exchange, "extra": quick}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.dags.run_once", dag_id, json.dumps(params), at],
            env=self.environment | connections,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        last = done.stdout.strip().rpartition("\n")[2]
        if not last.startswith("{"):
            pytest.fail(f"the run of {dag_id} did not end:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return DagRun(**json.loads(last), log=done.stdout)


@pytest.fixture(scope="session")
def airflow(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """One Airflow for the session."""
    home: Path = tmp_path_factory.mktemp("airflow")
    metadata = postgres_server.dsn(postgres_server.create(template=None))
    bundle = {
        "name": "klines",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(ROOT)},
    }
    options = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__UNIT_TEST_MODE": "False",
        "DATABASE__SQL_ALCHEMY_CONN": metadata,
        "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
    }
    settings = {"AIRFLOW_HOME": str(home), "KLINES_REPORTS": (home / "reports").as_uri()} | {
        f"AIRFLOW__{name}": value for name, value in options.items()
    }
    environment = plain_environment() | settings
    migrated = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode:
        pytest.fail(f"airflow db migrate failed:\n{migrated.stdout[-2000:]}\n{migrated.stderr[-2000:]}")
    return Airflow(environment)
