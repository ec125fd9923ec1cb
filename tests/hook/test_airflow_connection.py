"""The connection in a real Airflow API server: its form, its test, and the plugin loader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow.sdk._shared.module_loading import find_path_from_directory
from psycopg.conninfo import conninfo_to_dict

from binance_plugin.settings import BinanceSettings
from include.local.ports import free_port
from tests.hook.scripted import Reply, ScriptedServer
from tests.hook.test_budget import NOW, TIME, exchange_info, row

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
AIRFLOW = [sys.executable, "-m", "airflow"]
START_SECONDS = 120


@dataclass(frozen=True)
class ApiServer:
    url: str
    token: str

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        )
        assert answer.ok, answer.text
        return answer.json()

    def test(self, **connection: Any) -> tuple[bool, str]:
        """What the form's button does."""
        answer = self.call("POST", "/api/v2/connections/test", {"connection_id": "binance_default"} | connection)
        return answer["status"], answer["message"]


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Airflow's API server with a new SQLite metadata database and this checkout's plugins folder, not installed."""
    home = tmp_path_factory.mktemp("airflow")
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment = inherited | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__WORKERS": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    subprocess.run([*AIRFLOW, "db", "migrate"], env=environment, check=True, capture_output=True, timeout=START_SECONDS)
    with (home / "api-server.log").open("wb") as log:
        process = subprocess.Popen(
            [*AIRFLOW, "api-server", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield ApiServer(f"http://127.0.0.1:{port}", token(f"http://127.0.0.1:{port}", process, home / "api-server.log"))
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def token(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """A token, as soon as the server gives one."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            answer = requests.get(f"{url}/auth/token", timeout=5)
            if answer.ok:
                return str(answer.json()["access_token"])
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the API server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def answering(server: ScriptedServer) -> ScriptedServer:
    """A server with just what the test of a connection asks for."""
    server.answers(TIME, NOW)
    server.answers("/api/v3/exchangeInfo", exchange_info(1200))
    prefix = "<CommonPrefixes><Prefix>data/spot/monthly/klines/BTCUSDT/</Prefix></CommonPrefixes>"
    server.answers("/", Reply(body=f"<ListBucketResult>{prefix}</ListBucketResult>".encode()))
    return server


@pytest.fixture
def market_db(api_server: ApiServer, market_dsn: str) -> Iterator[None]:
    """The market database as a connection of that Airflow."""
    parts = conninfo_to_dict(market_dsn)
    body = {
        "connection_id": "market_db",
        "conn_type": "postgres",
        "host": parts["host"],
        "port": int(parts["port"] or 5432),
        "login": parts["user"],
        "password": parts["password"],
        "schema": parts["dbname"],
    }
    api_server.call("POST", "/api/v2/connections", body)
    yield
    requests.delete(
        f"{api_server.url}/api/v2/connections/market_db",
        headers={"Authorization": f"Bearer {api_server.token}"},
        timeout=60,
    ).raise_for_status()


@pytest.mark.parametrize("conn_type", ["http", "binance"])
def test_the_form_has_a_field_for_every_setting(api_server: ApiServer, conn_type: str) -> None:
    types = {entry["connection_type"]: entry for entry in api_server.call("GET", "/ui/connections/hook_meta")}
    form = types[conn_type]
    elsewhere = {"rest_url", "api_key"}
    assert set(form["extra_fields"]) == set(BinanceSettings.__dataclass_fields__) - elsewhere
    assert form["extra_fields"]["request_interval"]["value"] == 0.2
    assert form["extra_fields"]["burst_size"]["schema"] == {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 20,
        "title": "Burst size",
    }
    assert form["standard_fields"]["password"]["title"] == "API key (not needed)"
    assert form["standard_fields"]["login"]["hidden"] is True


@pytest.mark.parametrize("conn_type", ["http", "binance"])
@pytest.mark.usefixtures("market_db")
def test_the_test_of_a_good_connection_says_what_answered(
    api_server: ApiServer, answering: ScriptedServer, market_dsn: str, conn_type: str
) -> None:
    extra = json.dumps({"request_interval": 0.2, "retries": 3})
    works, message = api_server.test(conn_type=conn_type, host=answering.url, password="kEy-7f3a9c", extra=extra)
    assert works, message
    assert f"{answering.url} answers in" in message
    assert "weight limit is 1200 a minute" in message
    assert "names symbols" in message
    assert "budget" not in message
    assert "kEy" not in message
    assert answering.requests[0].headers["x-mbx-apikey"] == "kEy-7f3a9c"
    assert row(market_dsn)["used"] == 22
    assert row(market_dsn)["weight_limit"] == 1200


def test_the_test_works_without_the_market_database_and_says_so(
    api_server: ApiServer, answering: ScriptedServer
) -> None:
    works, message = api_server.test(conn_type="http", host=answering.url)
    assert works, message
    assert "connection market_db cannot be used" in message


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        ({"host": "", "extra": "{}"}, "host is empty"),
        ({"extra": '{"retries": "many"}'}, "extra retries is 'many', expected a whole number, 0 or more"),
        ({"host": "127.0.0.1", "port": 1}, "refused"),
    ],
    ids=["no host", "bad extra", "nobody there"],
)
@pytest.mark.usefixtures("market_db")
def test_the_test_of_a_bad_connection_says_what_to_change(
    api_server: ApiServer, answering: ScriptedServer, connection: dict[str, Any], says: str
) -> None:
    works, message = api_server.test(**({"conn_type": "http", "host": answering.url} | connection))
    assert not works
    assert says in message


@pytest.mark.usefixtures("market_db")
def test_the_test_of_a_connection_obeys_a_ban(api_server: ApiServer, answering: ScriptedServer) -> None:
    answering.answers(TIME, Reply(418, headers={"Retry-After": "3600"}))
    for _ in range(2):
        works, message = api_server.test(conn_type="http", host=answering.url)
        assert not works
        assert "bans" in message
    assert len(answering.requests) == 1


def test_the_plugin_loader_sees_only_modules_that_register_a_plugin() -> None:
    seen = [Path(path) for path in find_path_from_directory(str(PLUGINS), ".airflowignore")]
    modules = [path for path in seen if path.suffix == ".py"]
    assert not [path for path in modules if "AirflowPlugin" not in path.read_text()]
    assert not [path for path in modules if path.parent.name == "binance_plugin"]
    hidden = {path for path in PLUGINS.rglob("*.py") if "(AirflowPlugin)" in path.read_text()} - set(modules)
    assert not hidden, "name a module that registers an AirflowPlugin …_plugin.py, or .airflowignore hides it"
