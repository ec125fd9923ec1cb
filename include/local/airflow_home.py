"""Airflow's configuration for one machine, as the environment of its components."""

from __future__ import annotations

import hashlib
import json
import os

from include.klines.settings import CONFIG_DIR, ROOT
from include.local.ports import LOOPBACK
from include.local.state import ADMIN, STATE_VARIABLE, State, write_private

FOREIGN = ("AIRFLOW", "PG", "PYTHON", "KLINES_")
OURS = ("AIRFLOW", "PYTHON", "KLINES_")
SETTINGS = "airflow-settings"
BUNDLE = "klines"
SIMULATED_BANNER = "SIMULATED exchange: these candles are not real"


def parallelism() -> int:
    """Tasks at once: two streams fill two cores, two more keep them busy while others wait for the network."""
    return max(4, min(2 * (os.cpu_count() or 1), 16))


def plain_environment() -> dict[str, str]:
    """The caller's environment without its Airflow, Python and libpq settings, with ours for path, time and text."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    fixed = {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "plugins"))),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",  # no task multiplies matrices, and a process that forks shall have no threads
        "TZ": "UTC",
        "LC_ALL": "C",
    }
    for name in ("no_proxy", "NO_PROXY"):  # the components talk to each other on loopback, never through a proxy
        fixed[name] = ",".join(filter(None, (os.environ.get(name), LOOPBACK, "localhost")))
    return inherited | fixed


def environment(state: State, *, metadata_url: str, port: int, simulated: bool) -> dict[str, str]:
    """The whole environment of Airflow's components."""
    secrets = state.secrets()
    bundles = [
        {
            "name": BUNDLE,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(ROOT)},
        }
    ]
    options = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(parallelism()),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__FERNET_KEY": secrets.fernet,
        "CORE__DEFAULT_TIMEZONE": "utc",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": str(parallelism()),
        "CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}/execution/",
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:ADMIN",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(state.password_file),
        "DATABASE__SQL_ALCHEMY_CONN": metadata_url,
        "API__HOST": LOOPBACK,
        "API__PORT": str(port),
        "API__BASE_URL": f"http://{LOOPBACK}:{port}",
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets.session,
        "API__INSTANCE_NAME": SIMULATED_BANNER if simulated else "klines",
        "API_AUTH__JWT_SECRET": secrets.jwt,
        "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",  # a run waits up to so long between two of its tasks
        "LOGGING__BASE_LOG_FOLDER": str(state.airflow_home / "logs"),
    }
    home = {"AIRFLOW_HOME": str(state.airflow_home)}
    return (
        plain_environment() | _of_klines(state) | home | {f"AIRFLOW__{name}": value for name, value in options.items()}
    )


def _of_klines(state: State) -> dict[str, str]:
    """The caller's choice of configuration and storage; what it does not name lies in the state's folder."""
    stores = {name: os.environ[name] for name in ("KLINES_COLD_STORAGE", "KLINES_REPORTS") if os.environ.get(name)}
    return {STATE_VARIABLE: str(state.folder), "KLINES_CONFIG_DIR": str(CONFIG_DIR.resolve())} | stores


def write_settings(state: State, environment: dict[str, str]) -> None:
    """Keep what `environment` adds to the caller's, secrets included, for `command_environment`."""
    state.write(SETTINGS, {name: value for name, value in environment.items() if name.startswith(OURS)})


def command_environment(state: State) -> dict[str, str] | None:
    """The environment for one of Airflow's commands beside the components; None where they were never started."""
    settings = state.read(SETTINGS)
    return plain_environment() | settings if settings else None


def write_local_settings(state: State, *, simulated: bool) -> None:
    """What Airflow's processes import as they start: the banner on the UI's dashboard while the exchange is simulated.

    And what every task needs: it is forked from the scheduler, and finds imported what that has imported. It would
    spend a quarter of a second on it.
    """
    folder = state.airflow_home / "config"
    folder.mkdir(exist_ok=True)
    alerts = f"[UIAlert(text={SIMULATED_BANNER!r}, category='warning')]" if simulated else "[]"
    text = (
        "import numpy, psycopg, psycopg2, requests\n\n"
        "from airflow.api_fastapi.common.types import UIAlert\n\n"
        '__all__ = ["DASHBOARD_UIALERTS"]\n'
        f"DASHBOARD_UIALERTS = {alerts}\n"
    )
    write_private(folder / "airflow_local_settings.py", text)


def fingerprint(values: dict[str, str]) -> str:
    """What running components were started with; when it changes, they are started anew."""
    settings = {name: value for name, value in values.items() if name.startswith(OURS)}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in sorted([*(ROOT / "plugins").rglob("*.py"), ROOT / "requirements.txt", ROOT / "constraints.txt"]):
        if path.exists():
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()
