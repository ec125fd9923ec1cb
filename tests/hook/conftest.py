"""Fixtures of the client's tests: a scripted server, a clock that only sleeping moves, and hooks on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from binance_plugin.budget import UnsharedBudget, WeightBudget
from binance_plugin.client import BinanceClient
from tests.hook.budgets import stop_clock
from tests.hook.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sleeps(list[float]):
    """Stands for time.sleep: notes the seconds and returns at once. `monotonic` is a clock that only sleeping moves."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)

    def monotonic(self) -> float:
        return 1000.0 + sum(self)


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def still_dsn(market_dsn: str) -> str:
    """`market_dsn`, whose clock is stopped: how fast the machine is changes no wait."""
    stop_clock(market_dsn)
    return market_dsn


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def client(server: ScriptedServer, sleeps: Sleeps) -> BinanceClient:
    """A client on the scripted server without pacing and without a shared budget."""
    budget = UnsharedBudget(server.url, sleep=sleeps, monotonic=sleeps.monotonic)
    return BinanceClient.from_url(server.url, budget=budget, sleep=sleeps, request_interval=0.0, burst_size=0)


@pytest.fixture
def budget(market_dsn: str, server: ScriptedServer, sleeps: Sleeps) -> Iterator[WeightBudget]:
    """A shared budget for the scripted server's address."""
    shared = WeightBudget(lambda: psycopg.connect(market_dsn, autocommit=True), server.url, sleep=sleeps)
    yield shared
    shared.close()
