"""The page on a server, where the FAB auth manager has the users and roles."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.settings import ROOT
from tests.coverage import site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.coverage.site import Site

ROLES = {"viewer": "Viewer", "public": "Public", "other": "other"}
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@pytest.fixture(scope="module")
def fab_site(postgres_server: Any, stored: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The api-server with FAB and a user of each of ROLES."""
    reader = postgres_server.dsn(stored, "backtester")
    running = site.start(
        tmp_path_factory.mktemp("fab"),
        postgres_server.dsn(postgres_server.create(template=None)),
        site.market_connections(postgres_server.dsn(stored), reader, "http://127.0.0.1:9"),
        settings={"CORE__AUTH_MANAGER": FAB},
    )
    try:
        users = {name: [f"{name}-password", role] for name, role in ROLES.items()}
        made = subprocess.run(
            [sys.executable, "-m", "tests.coverage.fab_users", json.dumps(users)],
            env=running.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
        running.passwords.update({name: password for name, (password, _) in users.items()})
        yield running
    finally:
        running.processes.stop()


def test_a_viewer_gets_in_and_nobody_without_a_login(fab_site: Site) -> None:
    for path in ("/", "/static/icon.svg", "/api/overview", "/api/heatmap", "/api/metrics"):
        assert fab_site.get(path, user="viewer").status_code == 200
        assert fab_site.get(path, user=None).status_code == 401


@pytest.mark.parametrize("user", ["public", "other"])
def test_a_role_that_may_not_read_these_dags_is_refused(fab_site: Site, user: str) -> None:
    for path in ("/", "/api/overview", "/api/heatmap", "/api/series/BTC/1h", "/api/health"):
        assert fab_site.get(path, user=user).status_code == 403
        assert fab_site.get(path, user=user, dag_id="another").status_code == 403
