"""Registers the Coverage page: an app of the api-server, and an entry in the navigation.

Every component of Airflow loads its plugins, tasks included, and FastAPI with Airflow's security takes a second to
import: the app is made when the api-server asks for it.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/coverage"


class _Apps:
    """The plugin's list of apps, made at first sight."""

    def __init__(self) -> None:
        self._made: list[dict[str, Any]] = []

    def __get__(self, instance: object, owner: type | None = None) -> list[dict[str, Any]]:
        if not self._made:
            from coverage_page.app import make_app

            self._made = [{"app": make_app(), "url_prefix": PREFIX, "name": "Coverage"}]
        return self._made


class CoveragePlugin(AirflowPlugin):
    """The page at /coverage/, shown by the UI at /plugin/coverage."""

    name = "coverage_page"
    fastapi_apps = _Apps()
    external_views = [  # noqa: RUF012 – the base class declares it so
        {
            "name": "Coverage",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "coverage",
            "icon": f"{PREFIX}/static/icon.svg",
        }
    ]
