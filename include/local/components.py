"""Airflow's components on this machine: scheduler, dag-processor, api-server, triggerer, and the simulated exchange."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import requests

from include.local.airflow_home import plain_environment
from include.local.errors import LocalRunError
from include.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from include.local.airflow_api import AirflowApi
    from include.local.processes import Processes

API_SERVER = "api-server"
AIRFLOW = {
    API_SERVER: [API_SERVER],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
NEEDED_FIRST = tuple(name for name in AIRFLOW if name != "triggerer")
"""The triggerer starts when the others are up: a first task does not wait for it, and starting is work for the CPU."""
EXCHANGE = "simulated-exchange"
START_SECONDS = 180


def start_airflow(processes: Processes, environment: Mapping[str, str], names: Sequence[str] = tuple(AIRFLOW)) -> None:
    """Start the named components that do not run yet."""
    for name in names:
        if processes.find(name) is None:
            processes.start(name, [sys.executable, "-m", "airflow", *AIRFLOW[name]], environment)


def migrate_metadata(processes: Processes, environment: Mapping[str, str]) -> None:
    """Bring Airflow's own database to the schema of the installed version."""
    name = "db-migrate"
    processes.start(name, [sys.executable, "-m", "airflow", "db", "migrate"], environment)
    if processes.wait(name) != 0:
        raise LocalRunError(f"`airflow db migrate` failed; the end of its log says:\n{processes.tail(name, 30)}")


def start_exchange(processes: Processes, port: int, cache: Path) -> str:
    """Start the simulated exchange on `port` unless it runs already; returns its address when it answers."""
    url = f"http://{LOOPBACK}:{port}"
    if processes.find(EXCHANGE) is None:
        command = [sys.executable, "-m", "tests.exchange", "--port", str(port), "--cache", str(cache)]
        processes.start(EXCHANGE, command, plain_environment())
    with requests.Session() as session:
        session.trust_env = False
        wait_until(lambda: _answers(session, f"{url}/api/v3/ping"), "the simulated exchange", processes, (EXCHANGE,))
    return url


def wait_for_api(processes: Processes, api: AirflowApi) -> None:
    """Wait until the api-server answers; a component that dies meanwhile is an error with the end of its log."""
    wait_until(api.healthy, "the api-server to answer", processes)


def wait_for_dag(processes: Processes, api: AirflowApi, dag_id: str, parsed_after: float | None) -> None:
    """Wait until the Dag is known and, if given, was parsed after `parsed_after` (seconds since 1970).

    Raises LocalRunError with its import error, if it has one.
    """

    def known() -> bool:
        dag = api.get(f"dags/{dag_id}")
        if dag is not None and not dag.get("is_stale") and _parsed_after(dag, parsed_after):
            return True
        for error in (api.get("importErrors") or {}).get("import_errors", []):
            if error["filename"].endswith(f"{dag_id}.py"):
                raise LocalRunError(f"{error['filename']} cannot be imported:\n{error['stack_trace'].strip()[-2000:]}")
        return False

    wait_until(known, f"the Dag {dag_id} to be parsed", processes)


def wait_until(
    condition: Callable[[], bool], what: str, processes: Processes, names: Sequence[str] = tuple(AIRFLOW)
) -> None:
    """Poll `condition` while the named components live. Raises LocalRunError after three minutes or when one dies."""
    deadline = time.monotonic() + START_SECONDS
    started = [name for name in names if processes.was_started(name)]
    while not condition():
        processes.check(started)
        if time.monotonic() > deadline:
            raise LocalRunError(f"waited {START_SECONDS} s for {what}; the logs in {processes.state.logs} may say why.")
        time.sleep(0.2)


def _parsed_after(dag: dict[str, Any], moment: float | None) -> bool:
    parsed = dag.get("last_parsed_time")
    return moment is None or (parsed is not None and datetime.fromisoformat(parsed).timestamp() >= moment)


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=2).ok
    except requests.RequestException:
        return False
