from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.database import prepare
from tests.honesty import assert_no_lie
from tests.load.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.exchange import Exchange


@pytest.fixture
def upkeep(market_dsn: str, exchange: Exchange) -> Iterator[Upkeep]:
    """The scheduled Dags against the simulated exchange and an empty database, which at the end may hold no lie."""
    with psycopg.connect(market_dsn) as conn:
        yield Upkeep(prepare(conn), exchange)
        assert_no_lie(conn, deleted=None)


@pytest.fixture
def another(postgres_server: Any, exchange: Exchange) -> Any:
    """A second empty database at the same exchange."""
    name = postgres_server.create()
    with psycopg.connect(postgres_server.dsn(name)) as conn:
        yield Upkeep(prepare(conn), exchange)
        assert_no_lie(conn, deleted=None)
    postgres_server.drop(name)
