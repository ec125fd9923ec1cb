"""The few calls of Airflow's REST API that the runtime needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from include.local.errors import LocalRunError
from include.local.ports import LOOPBACK
from include.local.state import ADMIN

TIMEOUT = 30
PAGE = 100


class AirflowApi:
    """A client of the api-server on 127.0.0.1, logged in as `admin`."""

    def __init__(self, port: int, password: str) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc

    def healthy(self) -> bool:
        """Whether the api-server answers and reaches its database."""
        try:
            answer = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            return bool(answer.ok and answer.json()["metadatabase"]["status"] == "healthy")
        except (requests.RequestException, ValueError, KeyError):
            return False

    def answers_tasks(self) -> bool:
        """Whether the part of the server that tasks talk to answers.

        It is built at its first request, which takes seconds: unasked, the first task of the first run waits for it.
        """
        try:
            with requests.Session() as session:  # one of its own: it is asked while others use the client
                session.trust_env = False
                return session.get(f"{self.url}/execution/health", timeout=TIMEOUT).ok
        except requests.RequestException:
            return False

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer of GET /api/v2/`path`, or None where there is no such thing."""
        return self._call("GET", path, query=query, missing_ok=True)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of POST /api/v2/`path`, or None where the thing exists already."""
        return self._call("POST", path, body=body, conflict_ok=True)

    def patch(self, path: str, body: dict[str, Any], **query: Any) -> Any:
        """The JSON answer of PATCH /api/v2/`path`."""
        return self._call("PATCH", path, body=body, query=query)

    def pages(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        """All entries of a list that the API gives in pages."""
        entries: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=PAGE, offset=len(entries), **query) or {key: []}
            entries += page[key]
            if len(page[key]) < PAGE:
                return entries

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        missing_ok: bool = False,
        conflict_ok: bool = False,
    ) -> Any:
        answer = self._send(method, path, body, query)
        if answer.status_code == 401:
            self._log_in()
            answer = self._send(method, path, body, query)
        if (missing_ok and answer.status_code == 404) or (conflict_ok and answer.status_code == 409):
            return None
        if not answer.ok:
            raise LocalRunError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        return answer.json() if answer.content else {}

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, query: dict[str, Any] | None
    ) -> requests.Response:
        url = f"{self.url}/api/v2/{quote(path, safe='/~')}"
        try:
            return self._session.request(method, url, json=body, params=query, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise LocalRunError(f"Airflow's api-server at {self.url} does not answer: {error}") from error

    def _log_in(self) -> None:
        try:
            answer = self._session.post(
                f"{self.url}/auth/token", json={"username": ADMIN, "password": self._password}, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise LocalRunError(f"Airflow's api-server at {self.url} does not answer: {error}") from error
        if not answer.ok:
            raise LocalRunError(
                f"Airflow refuses the password of {ADMIN} ({answer.status_code}): run `make stop` and again."
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
