"""Who gets in, over a real socket: every route of the page, each kind of caller, and what nobody can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.coverage.content import HOSTILE

if TYPE_CHECKING:
    from tests.coverage.site import Site

ROUTES = {
    "/": "/",
    "/static/{path:path}": "/static/icon.svg",
    "/api/overview": "/api/overview",
    "/api/heatmap": "/api/heatmap",
    "/api/series/{symbol}/{timeframe}": "/api/series/BTC/1h",
    "/api/series/{symbol}/{timeframe}/candles": "/api/series/BTC/1h/candles",
    "/api/health": "/api/health",
    "/api/metrics": "/api/metrics",
    "/api/runs": "/api/runs",
    "/api/{name}": "/api/gaps",
}
"""Every route of the page, and an address of it."""
each_path = pytest.mark.parametrize("path", ROUTES.values())


def test_every_route_only_reads_asks_for_a_login_and_is_tried_here() -> None:
    from fastapi.routing import APIRoute

    from coverage_page.access import may_read_dags
    from coverage_page.app import make_app

    routes = make_app().routes
    assert {route.path for route in routes} == set(ROUTES)
    for route in routes:
        assert isinstance(route, APIRoute), f"{route} would not ask for a login"
        assert route.methods == {"GET"}
        assert may_read_dags.dependency in [each.call for each in route.dependant.dependencies]


@each_path
def test_without_a_token_nobody_gets_in(coverage_site: Site, path: str) -> None:
    assert coverage_site.get(path, user=None).status_code == 401


@each_path
def test_who_may_not_read_dags_is_refused(coverage_site: Site, path: str) -> None:
    assert coverage_site.get(path, user="nobody").status_code == 403
    assert coverage_site.get(path, user="nobody", dag_id="another").status_code == 403


@each_path
def test_who_may_read_dags_gets_an_answer(coverage_site: Site, path: str) -> None:
    answer = coverage_site.get(path, user="viewer")
    assert answer.status_code == (503 if path == "/api/health" else 200), answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


@each_path
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_sent(coverage_site: Site, path: str, method: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {coverage_site.token('admin')}"
        assert session.request(method, f"{coverage_site.url}/coverage{path}", timeout=60).status_code == 405


def test_a_token_that_is_none_is_refused(coverage_site: Site) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer invented"
        assert session.get(f"{coverage_site.url}/coverage/api/overview", timeout=60).status_code in (401, 403)


@pytest.mark.parametrize(
    "path",
    ["../app.py", "..%2fapp.py", "%2e%2e/coverage_plugin.py", "....//app.py", "%2fetc%2fpasswd", "nothing.js", ""],
)
def test_only_files_of_the_static_folder_are_served(coverage_site: Site, path: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {coverage_site.token('viewer')}"
        wanted = requests.Request("GET", f"{coverage_site.url}/coverage/static/x").prepare()
        wanted.url = f"{coverage_site.url}/coverage/static/{path}"  # as it is: requests would tidy the dots away
        wanted.headers.update(session.headers)
        answer = session.send(wanted, timeout=60)
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/api/heatmap", {"timeframe": "7h"}, "timeframe must be one of"),
        ("/api/heatmap", {"timeframe": "1h' OR '1'='1"}, "timeframe must be one of"),
        ("/api/heatmap", {"tier": "core,secret"}, "tier must be one or more of"),
        ("/api/heatmap", {"q": "x" * 41}, "q must be a part of a symbol"),
        ("/api/heatmap", {"q": "a\0b"}, "q must be a part of a symbol"),
        ("/api/heatmap", {"problems": "maybe"}, "problems must be true or false"),
        ("/api/gaps", {"format": "exe"}, "format must be csv or json"),
        ("/api/runs", {"format": "exe"}, "format must be csv or json"),
        ("/api/series/BTC/1h", {"start": "yesterday"}, "start must be a date"),
        ("/api/series/BTC/1h", {"start": "9999-01-01"}, "start must lie between"),
        ("/api/series/BTC/1h", {"start": "2025-08-01", "end": "2025-07-01"}, "start must lie before end"),
        ("/api/series/BTC/1h/candles", {"points": "0"}, "points must be a whole number"),
        ("/api/series/BTC/1h/candles", {"points": "1e9"}, "points must be a whole number"),
        (f"/api/series/{'X' * 41}/1h", {}, "a symbol has 1 to 40 characters"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_sentence(
    coverage_site: Site, path: str, query: dict[str, str], said: str
) -> None:
    answer = coverage_site.get(path, **query)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/series/NOPE/1h", "/api/series/BTC/5m/candles", "/api/secrets", "/api/"])
def test_what_there_is_not_is_not_found(coverage_site: Site, path: str) -> None:
    assert coverage_site.get(path).status_code == 404


def test_a_hostile_symbol_is_text_and_nothing_else(coverage_site: Site) -> None:
    heatmap = coverage_site.get("/api/heatmap", q="<SCRIPT")
    assert [series["symbol"] for series in heatmap.json()["series"]] == [HOSTILE]
    for answer in (heatmap, coverage_site.get(f"/api/series/{requests.utils.quote(HOSTILE)}/1h")):
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert HOSTILE in answer.text
    series = coverage_site.get(f"/api/series/{requests.utils.quote(HOSTILE)}/1h").json()
    assert series["symbol"] == HOSTILE
    assert series["exchange_symbol"] == "<img src=x onerror=alert(2)>"


def test_a_text_from_the_address_never_comes_back_as_a_page(coverage_site: Site) -> None:
    answer = coverage_site.get("/api/series/%3Cscript%3Ealert(1)/4h")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"


def test_the_navigation_names_the_page(coverage_site: Site) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {coverage_site.token('admin')}"
        plugins = session.get(f"{coverage_site.url}/api/v2/plugins", timeout=60).json()["plugins"]
        errors = session.get(f"{coverage_site.url}/api/v2/plugins/importErrors", timeout=60).json()
    assert errors["import_errors"] == []
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "coverage_page"]
    assert ours["external_views"][0]["href"] == "/coverage/"
    assert (ours["external_views"][0]["name"], ours["external_views"][0]["destination"]) == ("Coverage", "nav")
    assert ours["fastapi_apps"][0]["url_prefix"] == "/coverage"
