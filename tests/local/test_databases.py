from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from include.local import databases
from include.local.commands import explained
from include.local.errors import LocalRunError
from include.local.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import TestServer


def test_a_database_that_was_given_to_one_exchange_refuses_the_other(market_dsn: str, tmp_path: Path) -> None:
    databases.name_database(market_dsn, "simulated")
    databases.name_database(market_dsn, "simulated")
    with pytest.raises(LocalRunError, match="holds simulated candles"):
        databases.name_database(market_dsn, "binance")


@pytest.fixture
def given(postgres_server: TestServer, market_dsn: str) -> Iterator[str]:
    """The address of a market database as a role that may create others; the metadata beside it are dropped."""
    name = str(conninfo_to_dict(market_dsn)["dbname"])
    yield postgres_server.dsn(name, "postgres")
    with postgres_server.admin() as conn:
        beside = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (f"{name}_airflow",))
        found = [metadata for (metadata,) in beside]
    for metadata in found:
        postgres_server.drop(metadata)


def test_a_given_database_gets_metadata_beside_it_where_its_role_may_create_databases(
    given: str, tmp_path: Path
) -> None:
    state = State(tmp_path)
    stores = databases.prepare(state, given, simulated=False)
    name = conninfo_to_dict(given)["dbname"]
    assert stores.server is None
    assert conninfo_to_dict(stores.market)["dbname"] == name
    assert conninfo_to_dict(stores.metadata)["dbname"] == f"{name}_airflow_{state.secrets().runtime_id[:8]}"
    with psycopg.connect(stores.metadata) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_two_folders_share_a_given_database_and_never_the_metadata_beside_it(given: str, tmp_path: Path) -> None:
    first, second = (databases.prepare(folder(tmp_path / name), given, simulated=False) for name in ("a", "b"))
    assert first.market == second.market
    assert first.metadata != second.metadata
    assert databases.prepare(State(tmp_path / "a"), given, simulated=False) == first


def test_metadata_that_were_once_for_all_stay_with_the_folder_whose_key_they_are_encrypted_with(
    postgres_server: TestServer, given: str, tmp_path: Path
) -> None:
    owner, other = folder(tmp_path / "a"), folder(tmp_path / "b")
    once_for_all = f"{conninfo_to_dict(given)['dbname']}_airflow"
    with postgres_server.admin() as conn:
        conn.execute(f"CREATE DATABASE {once_for_all}")
    assert metadata_name(owner, given) != once_for_all, "it has no tables: nobody's"
    with postgres_server.admin(once_for_all) as conn:
        make_connections(conn, owner.secrets().fernet)
    assert metadata_name(owner, given) == once_for_all
    assert metadata_name(other, given) != once_for_all


def test_metadata_that_the_role_may_not_read_are_not_its_own(
    postgres_server: TestServer, given: str, tmp_path: Path
) -> None:
    state = folder(tmp_path / "a")
    name = str(conninfo_to_dict(given)["dbname"])
    with postgres_server.admin() as conn:
        conn.execute(f"CREATE DATABASE {name}_airflow")
    with postgres_server.admin(f"{name}_airflow") as conn:
        make_connections(conn, state.secrets().fernet)
    with psycopg.connect(postgres_server.dsn(name)) as conn:
        own = f"{name}_airflow_{state.secrets().runtime_id[:8]}"
        assert databases._metadata_name(state.secrets(), conn, postgres_server.dsn(name)) == own
        with postgres_server.admin() as admin:
            admin.execute(f"REVOKE CONNECT ON DATABASE {name}_airflow FROM public")
        assert databases._metadata_name(state.secrets(), conn, postgres_server.dsn(name)) == own


def folder(path: Path) -> State:
    state = State(path)
    state.prepare()
    return state


def metadata_name(state: State, given: str) -> object:
    return conninfo_to_dict(databases.prepare(state, given, simulated=False).metadata)["dbname"]


def make_connections(conn: psycopg.Connection, fernet: str) -> None:
    """Airflow's own table of connections, with one that was encrypted with that key."""
    from airflow.models.connection import Connection
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    table = CreateTable(Connection.__table__, include_foreign_key_constraints=[])
    conn.execute(str(table.compile(dialect=postgresql.dialect())).encode())
    secret = Fernet(fernet).encrypt(b"{}").decode()
    conn.execute(
        "INSERT INTO connection (conn_id, conn_type, is_encrypted, extra, is_extra_encrypted)"
        " VALUES ('binance_default', 'http', false, %s, true)",
        (secret,),
    )


def test_a_given_address_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalRunError, match="MARKET_DB_URL cannot be used"):
        databases.prepare(State(tmp_path), "postgresql://me:secret@127.0.0.1:9/market", simulated=False)


@pytest.mark.parametrize("servers", ["127.0.0.1:1,127.0.0.1:2", "127.0.0.1,localhost"])
def test_several_servers_are_refused_before_any_is_asked(servers: str, tmp_path: Path) -> None:
    with pytest.raises(LocalRunError, match=r"names several servers.*name the primary"):
        databases.prepare(State(tmp_path), f"postgresql://u:p@{servers}/db", simulated=False)


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
