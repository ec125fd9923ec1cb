"""Airflow's api-server (or all of Airflow) with the Coverage page, on loopback, over a database with content."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from include.klines.settings import READ_CONN_ID
from include.local import airflow_home, components
from include.local.airflow_api import AirflowApi
from include.local.databases import sqlalchemy_url
from include.local.ports import LOOPBACK, free_port
from include.local.processes import Processes
from include.local.state import State, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

USERS = {"admin": "ADMIN", "viewer": "VIEWER", "nobody": ""}
"""Users by role: nobody may log in, and may read nothing."""


@dataclass(frozen=True)
class Site:
    """A running Airflow: its address, each user's password, and its processes."""

    url: str
    passwords: dict[str, str]
    processes: Processes
    environment: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: str) -> str:
        """A token of a user."""
        if user not in self.tokens:
            self.tokens[user] = self._log_in(user)
        return self.tokens[user]

    def _log_in(self, user: str) -> str:
        login = {"username": user, "password": self.passwords[user]}
        with _session() as session:
            answer = session.post(f"{self.url}/auth/token", json=login, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def get(self, path: str, user: str | None = "viewer", **query: Any) -> requests.Response:
        """GET of a path below /coverage, as a user (None: without a token)."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        with _session() as session:
            return session.get(f"{self.url}/coverage{path}", params=query, headers=headers, timeout=60)


def start(
    folder: Path,
    metadata: str,
    connections: Mapping[str, str],
    *,
    names: Sequence[str] = (components.API_SERVER,),
    prefix: str = "",
    settings: Mapping[str, str] | None = None,
) -> Site:
    """Start Airflow's components over a fresh metadata database; `prefix` is the path of its base_url.

    connections: Airflow connections as URIs or JSON by id; settings: more of Airflow's, as SECTION__OPTION.
    """
    state = State(folder)
    state.prepare()
    processes, port = Processes(state), free_port()
    passwords = {user: secrets.token_urlsafe(12) for user in USERS}
    write_private(state.password_file, json.dumps(passwords) + "\n")
    environment = airflow_home.environment(
        state, metadata_url=sqlalchemy_url(metadata), port=port, simulated=True
    )  # fmt: skip
    more = {
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "API__BASE_URL": f"http://{LOOPBACK}:{port}{prefix}",
        "CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}{prefix}/execution/",
    } | dict(settings or {})
    environment |= {f"AIRFLOW__{name}": value for name, value in more.items()}
    environment |= {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
    airflow_home.write_local_settings(state, simulated=True)
    components.migrate_metadata(processes, environment)
    components.start_airflow(processes, environment, names)
    components.wait_until(lambda: _answers(f"http://{LOOPBACK}:{port}"), "the api-server", processes, names)
    return Site(f"http://{LOOPBACK}:{port}{prefix}", passwords, processes, environment)


def market_connections(writer: str, reader: str, exchange: str) -> dict[str, str]:
    """The project's connections: market_db and market_db_read as addresses, the exchange without pacing."""
    quick = {"request_interval": 0, "burst_pause": 0}
    binance = json.dumps({"conn_type": "http", "host": exchange, "extra": quick})
    return {"market_db": writer, READ_CONN_ID: reader, "binance_default": binance}


def api(site: Site) -> AirflowApi:
    """Airflow's REST API as admin."""
    port = int(site.url.rsplit(":", 1)[1].split("/")[0])
    return AirflowApi(port, site.passwords["admin"])


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _answers(url: str) -> bool:
    with _session() as session:
        try:
            return session.get(f"{url}/api/v2/monitor/health", timeout=5).ok
        except requests.RequestException:
            return False
