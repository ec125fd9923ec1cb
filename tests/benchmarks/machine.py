"""What a benchmark runs on: one PostgreSQL with real durability, one exchange with its files already built."""

from __future__ import annotations

import platform
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg import sql as identifiers

from include.klines.migrate import migrate
from include.local.postgres import PostgresServer
from tests.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW = "2025-11-03T00:00:00+00:00"
CACHE = Path(tempfile.gettempdir()) / "klines-benchmark-archive"
"""Built archive files are kept here between runs."""
quick = False
"""Smaller sizes where a part has them (`--quick`): to see that it runs, not to compare."""


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server of its own with the settings of `make run`: fsync on, one eighth of the memory."""
    with tempfile.TemporaryDirectory(prefix="klines-benchmark-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(Path(folder) / "postgres", secrets.token_urlsafe(12))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def fresh_database(server: PostgresServer) -> str:
    """The address of an empty, migrated market database."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(identifiers.SQL("CREATE DATABASE {}").format(identifiers.Identifier(name)))
    with psycopg.connect(server.dsn(name), autocommit=True) as conn:
        migrate(conn)
    return server.dsn(name)


def drop_database(server: PostgresServer, dsn: str) -> None:
    """Remove a database that `fresh_database` made: gigabytes that the next round does not need."""
    name = dsn.rpartition("/")[2]
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(identifiers.SQL("DROP DATABASE {} WITH (FORCE)").format(identifiers.Identifier(name)))


@contextmanager
def exchange(*prebuilt: str, extended: int = 0, latency: float = 0.0) -> Iterator[Exchange]:
    """The simulated exchange in a process of its own; `prebuilt` are orders SYMBOLS:INTERVALS:START:END, dates."""
    with Exchange(now=NOW, cache=CACHE, prebuild=prebuilt, extended=extended, latency=latency, process=True) as running:
        yield running


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk (not in memory), gone at the end."""
    with tempfile.TemporaryDirectory(prefix="klines-benchmark-", dir="/var/tmp") as made:
        yield Path(made)


def description() -> str:
    """The machine, in a line."""
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {system}"


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]
