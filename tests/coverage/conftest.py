from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.database import prepare
from tests.coverage import content, site
from tests.exchange.fixtures import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.exchange import Exchange

START = "2025-06-01"


@pytest.fixture(scope="session")
def stored(postgres_server: Any, market_template: str, exchange_server: Exchange) -> Iterator[str]:
    """The name of a market database with content, as of the simulated exchange's clock; nobody changes it."""
    name = postgres_server.create(template=market_template)
    exchange_server.reset()
    with psycopg.connect(postgres_server.dsn(name)) as conn:
        content.fill(postgres_server.dsn(name), prepare(conn), exchange_server, start=START, now=clock())
    exchange_server.reset()
    yield name
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def coverage_site(postgres_server: Any, stored: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Site]:
    """Airflow's api-server with the page, behind a path of its base_url, over `stored`."""
    connections = site.market_connections(
        postgres_server.dsn(stored), postgres_server.dsn(stored, "backtester"), "http://127.0.0.1:9"
    )
    metadata = postgres_server.dsn(postgres_server.create(template=None))
    running = site.start(tmp_path_factory.mktemp("coverage"), metadata, connections, prefix="/data/airflow")
    yield running
    running.processes.stop()


@pytest.fixture
def reader(postgres_server: Any, stored: str) -> str:
    """The address of `stored` as the role backtester."""
    return str(postgres_server.dsn(stored, "backtester"))


def clock() -> datetime:
    """The simulated exchange's time."""
    return content.moment(NOW)
