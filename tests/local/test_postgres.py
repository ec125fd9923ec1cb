from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.migrate import migrate
from include.local.binaries import find_binaries
from include.local.errors import LocalRunError
from include.local.postgres import PostgresServer
from tests.postgres import FAST_AND_UNSAFE

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "it's \\ a päss/word@:"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="klines-local-", dir="/tmp"))  # `nobody` may not enter pytest's
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["wheel", "system"])
def server(folder: Path, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    try:
        find_binaries(request.param)
    except LocalRunError:
        pytest.skip("no system PostgreSQL on this machine")
    server = PostgresServer(folder / "postgres", PASSWORD, choice=request.param)
    server.start()
    yield server
    server.stop("immediate")


def test_every_server_takes_the_migrations_and_keeps_its_data_and_port_over_a_restart(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        applied = migrate(conn)
    port = server.port
    server.stop()
    assert server.pid() is None
    server.start()
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM schema_migration").fetchone() == (len(applied),)
        assert migrate(conn) == []
    assert server.port == port


def test_a_killed_server_starts_again_with_what_was_committed(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    server.start()
    assert server.pid() not in (None, pid)
    with psycopg.connect(server.dsn("postgres")) as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_of_another_process_does_not_keep_the_server_from_starting(server: PostgresServer) -> None:
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n{server.port}\n\n127.0.0.1\n")
    assert server.pid() is None
    server.start()
    assert server.pid() is not None


def test_a_wrong_password_is_refused_over_tcp(server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.dsn("postgres", "postgres", "guess"))


def test_nothing_but_loopback_is_listened_on(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("postgres")) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert conn.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_a_client_whose_machine_is_gone_is_let_go_within_minutes(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("postgres")) as conn:
        silent, between, times = (
            int(conn.execute(f"SHOW tcp_keepalives_{name}".encode()).fetchone()[0])
            for name in ("idle", "interval", "count")
        )
    assert silent + between * times <= 120


def test_a_port_that_is_taken_is_replaced(folder: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = PostgresServer(folder / "postgres", PASSWORD, settings=FAST_AND_UNSAFE, preferred_port=port)
        server.start()
        assert server.port != port
        server.stop("immediate")


def test_a_data_folder_of_another_major_version_is_a_clear_error(folder: Path) -> None:
    server = PostgresServer(folder / "postgres", PASSWORD, choice="wheel")
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(LocalRunError, match="made by PostgreSQL 14"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the server of an ordinary user is that user's")
def test_programs_in_a_closed_folder_are_copied_for_the_user_that_runs_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_binaries("wheel").folder.parents[1]
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, closed / source.name)
    monkeypatch.setenv("KLINES_POSTGRES", str(closed / package.name / "pginstall18" / "bin"))
    server = PostgresServer(folder / "postgres", PASSWORD, settings=FAST_AND_UNSAFE)
    server.start()
    assert server.binaries.folder.is_relative_to(server.folder)
    later = PostgresServer(folder / "postgres", PASSWORD, settings=FAST_AND_UNSAFE)
    assert later.binaries == server.binaries  # not copied again under a running server
    later.stop("immediate")
    assert server.pid() is None
