from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from include.local import databases
from include.local.commands import explained
from include.local.errors import LocalRunError
from include.local.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import TestServer


def test_a_database_that_was_given_to_one_exchange_refuses_the_other(market_dsn: str, tmp_path: Path) -> None:
    databases.name_database(market_dsn, "simulated")
    databases.name_database(market_dsn, "simulated")
    with pytest.raises(LocalRunError, match="holds simulated candles"):
        databases.name_database(market_dsn, "binance")


def test_a_given_database_gets_metadata_beside_it_where_its_role_may_create_databases(
    postgres_server: TestServer, market_dsn: str, tmp_path: Path
) -> None:
    name = str(conninfo_to_dict(market_dsn)["dbname"])
    as_owner = postgres_server.dsn(name, "postgres")
    stores = databases.prepare(State(tmp_path), as_owner, simulated=False)
    try:
        assert stores.server is None
        assert conninfo_to_dict(stores.market)["dbname"] == name
        assert conninfo_to_dict(stores.metadata)["dbname"] == f"{name}_airflow"
        with psycopg.connect(stores.metadata) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres_server.drop(f"{name}_airflow")


def test_a_given_address_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalRunError, match="MARKET_DB_URL cannot be used"):
        databases.prepare(State(tmp_path), "postgresql://me:secret@127.0.0.1:9/market", simulated=False)


def test_an_address_with_an_awkward_password_reaches_sqlalchemy_unharmed() -> None:
    from sqlalchemy.engine import make_url

    url = make_url(
        databases.sqlalchemy_url(
            make_conninfo(host="db", port="5433", user="a b", password="p@ss:/%?", dbname="x", sslmode="require")
        )
    )
    assert (url.username, url.password, url.host, url.port, url.database) == ("a b", "p@ss:/%?", "db", 5433, "x")
    assert dict(url.query) == {"sslmode": "require"}


@pytest.mark.parametrize("error", [LocalRunError("Airflow answered 500"), psycopg.OperationalError("no connection")])
def test_what_follows_from_the_end_of_the_embedded_server_is_told_as_its_end(tmp_path: Path, error: Exception) -> None:
    state = State(tmp_path / "run")
    state.prepare()
    state.write("postgres-folder", {"path": str(tmp_path / "postgres")})
    state.write("runtime", {"embedded": True})
    with pytest.raises(LocalRunError, match=r"PostgreSQL has ended, see .*server\.log"), explained(state):
        raise error


def test_a_failure_of_a_server_of_your_own_is_told_as_it_is(tmp_path: Path) -> None:
    state = State(tmp_path / "run")
    state.prepare()
    state.write("postgres-folder", {"path": str(tmp_path / "postgres")})
    state.write("runtime", {"embedded": False})
    with pytest.raises(LocalRunError, match="The market database failed: no connection"), explained(state):
        raise psycopg.OperationalError("no connection")
    with pytest.raises(LocalRunError, match="Airflow answered 500"), explained(state):
        raise LocalRunError("Airflow answered 500")


def test_the_page_reads_as_the_backtester_where_the_login_may_take_that_role(
    postgres_server: TestServer, market_dsn: str
) -> None:
    name = str(conninfo_to_dict(market_dsn)["dbname"])
    superuser = databases._as_reader(postgres_server.dsn(name, "postgres"))
    with psycopg.connect(superuser) as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("backtester",)
    assert databases._as_reader(market_dsn) == market_dsn, "the writer may not become the backtester"
