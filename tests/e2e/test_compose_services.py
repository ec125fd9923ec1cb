"""The commands of docker-compose.yaml, run on this machine as they stand there: init step, services, health checks.

Only addresses and folders differ from the containers: the hosts postgres and api-server become 127.0.0.1 with free
ports, /opt/klines becomes this checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests
from psycopg.conninfo import conninfo_to_dict

from include.klines.settings import ROOT
from include.local.ports import free_port
from include.local.postgres import PostgresServer
from tests.compose import compose, read_env
from tests.polling import wait_until
from tests.postgres import FAST_AND_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass(frozen=True)
class Deployment:
    """A server as Compose would make it: its services, secrets, PostgreSQL and a folder for logs."""

    services: dict[str, Any]
    secrets: dict[str, str]
    postgres: PostgresServer
    folder: Path
    ui_port: int
    health_port: int

    def local(self, value: str) -> str:
        """A value of the file with the containers' addresses and folders replaced by this machine's."""
        for there, here in (
            ("@postgres:5432", f"@127.0.0.1:{self.postgres.port}"),
            ("http://api-server:8080", f"http://127.0.0.1:{self.ui_port}"),
            ("127.0.0.1:8080", f"127.0.0.1:{self.ui_port}"),
            ("127.0.0.1:8974", f"127.0.0.1:{self.health_port}"),
            ("/opt/klines-config", str(ROOT / "include/config")),
            ("/opt/klines", str(ROOT)),
        ):
            value = value.replace(there, here)
        return value

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service, with nothing of the caller's Airflow in it."""
        own = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PG", "PYTHON"))}
        given = {key: self.local(str(value)) for key, value in self.services[service]["environment"].items()}
        here = {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__API__PORT": str(self.ui_port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.health_port),
            "NO_PROXY": "127.0.0.1,localhost",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        if "PGHOST" in given:
            here |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port)}
        return own | given | here

    def command(self, service: str) -> list[str]:
        """What the container of a service runs."""
        described = self.services[service]
        return [self.local(word) for word in [*described.get("entrypoint", []), *described.get("command", [])]]

    def initialise(self) -> subprocess.CompletedProcess[str]:
        """Run the init step."""
        return subprocess.run(
            self.command("init"), env=self.environment("init"), check=False, capture_output=True, text=True, timeout=240
        )

    def is_healthy(self, service: str) -> bool:
        """Whether the service's own health check passes."""
        test = self.services[service]["healthcheck"]["test"]
        words = [self.local(word) for word in test[1:]]
        if test[0] == "CMD-SHELL":
            words = ["sh", "-c", *words]
        return subprocess.run(words, env=self.environment(service), check=False, capture_output=True).returncode == 0

    def dsn(self, database: str, role: str, variable: str) -> str:
        """The address of a database as `role`, whose password stands in `variable` of .env."""
        return self.postgres.dsn(database, role, self.secrets[variable])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("compose")
    subprocess.run(["sh", str(ROOT / "docker/new-env"), str(folder / ".env")], check=True, capture_output=True)
    secrets = read_env(folder / ".env")
    services = compose(secrets)["services"]
    flags = (word.removeprefix("-c").split("=") for word in services["postgres"]["command"][1:])
    settings = FAST_AND_UNSAFE | {name: value for name, value in flags if name != "shared_buffers"}
    data = Path(_postgres_folder(folder))
    server = PostgresServer(data / "postgres", secrets["POSTGRES_PASSWORD"], settings=settings)
    try:
        data.chmod(0o711)
        server.start()
        yield Deployment(services, secrets, server, folder, free_port(), free_port())
    finally:
        server.stop("immediate")
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="module")
def initialised(deployment: Deployment) -> Deployment:
    done = deployment.initialise()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("ready")
    return deployment


def test_the_init_step_makes_both_databases_and_lets_each_role_into_its_own(initialised: Deployment) -> None:
    with psycopg.connect(initialised.dsn("market", "market_writer", "MARKET_WRITER_PASSWORD")) as conn:
        assert conn.execute("SELECT exchange FROM database_identity").fetchall() == [("binance",)]
    with psycopg.connect(initialised.dsn("market", "backtester", "BACKTESTER_PASSWORD")) as conn:
        assert conn.execute("SELECT count(*) FROM market_data").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM market_data")
    for role, variable in (("market_writer", "MARKET_WRITER_PASSWORD"), ("backtester", "BACKTESTER_PASSWORD")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(initialised.dsn("airflow", role, variable))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(initialised.dsn("market", "airflow", "AIRFLOW_DB_PASSWORD"))


def test_a_second_init_step_keeps_what_people_changed_and_follows_new_passwords(initialised: Deployment) -> None:
    with psycopg.connect(initialised.dsn("airflow", "airflow", "AIRFLOW_DB_PASSWORD"), autocommit=True) as conn:
        conn.execute("UPDATE connection SET host = 'https://mirror.example' WHERE conn_id = 'binance_default'")
        conn.execute("UPDATE slot_pool SET slots = 3 WHERE pool = 'binance_api'")
        initialised.secrets["BACKTESTER_PASSWORD"] = "a-new-one"
        initialised.services["init"]["environment"]["BACKTESTER_PASSWORD"] = "a-new-one"
        done = initialised.initialise()
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "roles and databases are there" in done.stdout
        assert "the schema is up to date" in done.stdout
        kept = conn.execute("SELECT host FROM connection WHERE conn_id = 'binance_default'").fetchall()
        assert kept == [("https://mirror.example",)]
        assert conn.execute("SELECT slots FROM slot_pool WHERE pool = 'binance_api'").fetchone() == (3,)
    with psycopg.connect(initialised.dsn("market", "backtester", "BACKTESTER_PASSWORD")) as conn:
        assert conn.info.dbname == "market"


def test_the_services_become_healthy_and_the_ui_knows_the_dags(initialised: Deployment) -> None:
    with _running(initialised):
        url = f"http://127.0.0.1:{initialised.ui_port}"
        for service in COMPONENTS:
            wait_until(lambda service=service: initialised.is_healthy(service), f"{service} to be healthy", seconds=150)
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(f"{url}/api/v2/dags").status_code == 401
            wrong = session.post(f"{url}/auth/token", json={"username": "admin", "password": "admin"})
            assert wrong.status_code == 401
            login = {"username": "admin", "password": initialised.secrets["ADMIN_PASSWORD"]}
            token = session.post(f"{url}/auth/token", json=login).json()["access_token"]
            session.headers["Authorization"] = f"Bearer {token}"

            def known() -> bool:
                dags = session.get(f"{url}/api/v2/dags").json()["dags"]
                return "klines_initial_load" in {dag["dag_id"] for dag in dags}

            wait_until(known, "the Dags to be known", seconds=90)
            assert session.get(f"{url}/api/v2/importErrors").json()["import_errors"] == []
            market = session.get(f"{url}/api/v2/connections/market_db").json()
            there = conninfo_to_dict(initialised.dsn("market", "market_writer", "MARKET_WRITER_PASSWORD"))
            assert (market["host"], market["port"]) == (there["host"], int(str(there["port"])))
            assert (market["schema"], market["login"]) == (there["dbname"], there["user"])
            to_read = session.get(f"{url}/api/v2/connections/market_db_read").json()
            assert (to_read["schema"], to_read["login"]) == (there["dbname"], "backtester")
            assert session.get(f"{url}/coverage/api/overview").json()["totals"]["series"] == 0
            assert requests.get(f"{url}/coverage/api/overview", timeout=60).status_code == 401


@contextmanager
def _running(deployment: Deployment) -> Iterator[None]:
    processes = []
    try:
        for service in COMPONENTS:
            log = (deployment.folder / f"{service}.log").open("wb")
            with log:
                processes.append(
                    subprocess.Popen(
                        deployment.command(service),
                        env=deployment.environment(service),
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, 15)
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def _postgres_folder(folder: Path) -> str:
    """A folder that the server's user may enter: pytest's own are closed to it when the tests run as root."""
    if os.geteuid() != 0:
        return str(folder)
    import tempfile

    return tempfile.mkdtemp(prefix="klines-compose-")
