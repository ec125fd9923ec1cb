"""Fixtures of all tests: an isolated Airflow configuration and a real PostgreSQL.

One embedded server serves the session. `market_dsn` is a fresh database for each test, cloned from a template that the
real migrations made once; KLINES_POSTGRES=system or wheel chooses the server's programs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from include.klines.migrate import migrate
from include.local.postgres import PostgresServer
from tests.postgres import FAST_AND_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
pytest_plugins = ["tests.exchange.fixtures", "tests.dags.airflow_runs", "tests.no_silent_skips"]
WRITER = "market_writer"
READER = "backtester"
TEMPLATE = "market_template"
SERVER_PREFIX = "klines-test-postgres-"
LONG_FIRST = ("year", "e2e", "browser", "dags", "load")
"""Folders of tests that take minutes: started last, one of them would run alone on one core at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests away from this machine's Airflow and databases, before anything imports Airflow."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "PG", "KLINES_DSN", "MARKET_DB_URL"))]:
        del os.environ[name]
    home = tempfile.TemporaryDirectory(prefix="klines-test-airflow-")
    config.add_cleanup(home.cleanup)
    os.environ["AIRFLOW_HOME"] = home.name
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
    # with CI set, hypothesis has chosen its profile of that name; what is chosen stays, but for the wall clock
    settings.register_profile("without deadline", settings(), deadline=None)
    settings.load_profile("without deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders of LONG_FIRST come first, in that order; --no-loadscope-reorder hands files to workers as they come."""
    folders = {ROOT / "tests" / name: place for place, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: folders.get(item.path.parent, len(folders)))


@dataclass(frozen=True)
class TestServer:
    """The session's server: addresses of its databases, new ones and their removal."""

    __test__ = False
    server: PostgresServer
    passwords: dict[str, str]

    def dsn(self, database: str, user: str = WRITER) -> str:
        return self.server.dsn(database, user, self.passwords[user])

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.dsn(database, "postgres"), autocommit=True)

    def create(self, *, template: str | None = TEMPLATE) -> str:
        name = f"test_{secrets.token_hex(6)}"
        with self.admin() as connection:
            statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(WRITER), sql.Identifier(template or "template0")
            )
            connection.execute(statement)
        return name

    def drop(self, name: str) -> None:
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """A running server with the roles market_writer and backtester, both able to log in."""
    _end_servers_of_dead_sessions()
    folder = Path(tempfile.mkdtemp(prefix=f"{SERVER_PREFIX}{os.getpid()}-", dir=_temporary_folder()))
    passwords = {user: secrets.token_urlsafe(12) for user in ("postgres", WRITER, READER)}
    server = PostgresServer(folder / "postgres", passwords["postgres"], settings=FAST_AND_UNSAFE)
    folder.chmod(0o711)
    try:
        server.start()
        test_server = TestServer(server, passwords)
        with test_server.admin() as connection:
            for user in (WRITER, READER):
                statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(statement.format(sql.Identifier(user), sql.Literal(passwords[user])))
        yield test_server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def market_template(postgres_server: TestServer) -> str:
    """The name of a database that the migrations made, as the role that makes them in production."""
    with postgres_server.admin() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {WRITER} TEMPLATE template0")
    with psycopg.connect(postgres_server.dsn(TEMPLATE), autocommit=True) as connection:
        migrate(connection)
    return TEMPLATE


@pytest.fixture
def market_dsn(postgres_server: TestServer, market_template: str) -> Iterator[str]:
    """The address of a fresh, migrated, empty market database, as role market_writer (its owner)."""
    name = postgres_server.create(template=market_template)
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


@pytest.fixture
def market_conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to `market_dsn`, not in autocommit."""
    with psycopg.connect(market_dsn) as connection:
        yield connection


@pytest.fixture
def empty_dsn(postgres_server: TestServer) -> Iterator[str]:
    """The address of a fresh database without any table, as role market_writer: for tests of the migrations."""
    name = postgres_server.create(template=None)
    yield postgres_server.dsn(name)
    postgres_server.drop(name)


def _temporary_folder() -> Path:
    """A folder that the server's user may enter (pytest's own are closed to `nobody`), in memory where there is enough.

    A database is a few hundred small files: cloning one takes 20 ms in memory and up to 500 ms on a disk.
    """
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30:
        return memory
    return Path(tempfile.gettempdir()) if os.geteuid() != 0 else Path("/tmp")


def _end_servers_of_dead_sessions() -> None:
    """A killed test session leaves its server behind; the folder's name tells whose it was."""
    for folder in _temporary_folder().glob(f"{SERVER_PREFIX}*"):
        owner = folder.name.removeprefix(SERVER_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            PostgresServer(folder / "postgres", "").stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)
