"""pytest fixtures of the simulated exchange; `pytest_plugins = ["tests.exchange.fixtures"]` brings them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.exchange.runner import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "binance"
NOW = "2026-01-15T00:30:00+00:00"
"""The clock of `exchange`: a Thursday, half an hour into a day; the month and the day before are published in part."""


@pytest.fixture(scope="session")
def exchange_server() -> Iterator[Exchange]:
    """The one simulated exchange of a test session: use `exchange`."""
    with Exchange(now=NOW) as exchange:
        yield exchange


@pytest.fixture
def exchange(exchange_server: Exchange) -> Iterator[Exchange]:
    """A simulated exchange as good as new, its clock standing still at `NOW`."""
    exchange_server.reset()
    yield exchange_server
    exchange_server.reset()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded candles; skips where there is none."""
    if not (RECORDINGS / "manifest.json").exists():
        pytest.skip(f"no recorded candles at {RECORDINGS}")
    return RECORDINGS


@pytest.fixture(scope="session")
def replayed_exchange_server(recordings: Path) -> Iterator[Exchange]:
    """The one replaying exchange of a test session: use `replayed_exchange`."""
    with Exchange(replay=recordings) as exchange:
        yield exchange


@pytest.fixture
def replayed_exchange(replayed_exchange_server: Exchange) -> Iterator[Exchange]:
    """An exchange that answers from the recordings, its clock behind all of them (2025-06-05)."""
    replayed_exchange_server.reset()
    yield replayed_exchange_server
    replayed_exchange_server.reset()
