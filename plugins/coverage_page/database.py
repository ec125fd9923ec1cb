"""Where the page reads: the connection market_db_read, a few at once, and each answer is kept for some seconds."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg.conninfo import make_conninfo

from include.klines.coverage import store
from include.klines.settings import READ_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    import psycopg

CONNECTIONS = 3
"""So many questions are put to the database at once, however many people look."""
WAIT_SECONDS = 10.0
KEPT_SECONDS = 15.0
MOST_KEPT = 64
"""So many answers are kept, and none of them is larger than:"""
LARGEST_KEPT = 4_000_000


class Unavailable(Exception):
    """The page cannot read now; the sentence says why and what to do."""


def conninfo() -> str:
    """The address of market_db_read; Unavailable where Airflow has no such connection."""
    try:
        found = Connection.get_connection_from_secrets(READ_CONN_ID)
    except AirflowNotFoundException:
        raise Unavailable(
            f"Airflow has no connection {READ_CONN_ID}: `make run` and `docker compose up` make it; by hand, add a "
            "Postgres connection of that name whose login is the role backtester."
        ) from None
    given = {
        "host": found.host,
        "port": found.port,
        "dbname": found.schema,
        "user": found.login,
        "password": found.password,
    }
    return make_conninfo(**{name: value for name, value in given.items() if value}, **found.extra_dejson)


class Database:
    """Read-only connections, at most CONNECTIONS at once; one a question, so that none is left open between them."""

    def __init__(self, address: Callable[[], str] = conninfo) -> None:
        self._address = address
        self._free = threading.BoundedSemaphore(CONNECTIONS)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection in a read-only snapshot; Unavailable where there is none to be had."""
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise Unavailable("Too many people look at once: try again in some seconds.")
        try:
            with store.read_connection(self._address()) as conn:
                yield conn
        finally:
            self._free.release()


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    until: float = 0.0


class Answers:
    """Answers kept for some seconds; who asks the same at the same time waits for the one who asked first."""

    def __init__(self, seconds: float = KEPT_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The answer to `key`, made by `make` where none is kept; an error is not kept.

        Unavailable where somebody has been asking the same for too long.
        """
        with self._lock:
            kept = self._kept.pop(key, None) or _Kept()
            self._kept[key] = kept  # the one that was asked for last stands last
            for old in list(self._kept)[:-MOST_KEPT]:
                del self._kept[old]
        if not kept.lock.acquire(timeout=WAIT_SECONDS):
            raise Unavailable("The market database has not answered this for some seconds: look whether it is reached.")
        try:
            if kept.until <= self._clock():
                value = make()
                if isinstance(value, bytes) and len(value) > LARGEST_KEPT:
                    return value
                kept.value, kept.until = value, self._clock() + self._seconds
            return kept.value
        finally:
            kept.lock.release()
