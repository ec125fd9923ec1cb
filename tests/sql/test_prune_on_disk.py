"""What a prune has written must outlive a crash of the machine before the candles go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.retention import cold_storage
from include.klines.retention.pruning import Pruner
from tests.sql.measured import fill
from tests.sql.pruned import prune, unpinned

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from include.klines.retention.cold_storage import ColdStorage


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    yield from unpinned(market_dsn)


def test_files_and_folders_are_on_the_disk_before_candles_go(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-01")
    path = Path(storage.path("BTC", "1h", 2020).path)
    flushed = _flushes(monkeypatch)
    prune(conn, storage)
    assert flushed[0] == f"flush {path.parent / 'candles.parquet.new'}"
    made = list(path.parents)[: path.parents.index(Path(storage.root.path).parent) + 1]
    assert {f"flush {folder}" for folder in made[1:]} <= set(flushed[1 : flushed.index("move")])
    assert flushed[flushed.index("move") :] == ["move", f"flush {path.parent}", "drop"]


def test_a_file_that_was_moved_by_a_run_that_died_is_on_the_disk_before_candles_go(
    conn: psycopg.Connection, storage: ColdStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(conn, "BTC", "2020-12-30", "2021-01-01")
    with monkeypatch.context() as broken:
        broken.setattr(cold_storage, "_same", _die_after_the_move)
        with pytest.raises(RuntimeError):
            prune(conn, storage)
    conn.execute("SELECT pg_advisory_unlock_all()")
    flushed = _flushes(monkeypatch)
    prune(conn, storage)
    assert flushed == [f"flush {Path(storage.path('BTC', '1h', 2020).path).parent}", "drop"]


def _die_after_the_move(path: Any, candles: Any) -> None:
    if path.name == "candles.parquet":
        raise RuntimeError("the worker died")


def _flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed, moved and dropped from now on, in order."""
    seen: list[str] = []

    def record(owner: Any, name: str, describe: Any) -> None:
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given: (seen.append(describe(*given)), real(*given))[1])

    record(os, "fsync", lambda opened: f"flush {Path(f'/proc/self/fd/{opened}').readlink()}")
    record(os, "rename", lambda *given: "move")
    record(Pruner, "_drop", lambda *given: "drop")
    return seen
