"""One budget in several processes: what one of them is told holds for all."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest

from binance_plugin.client import BinanceClient
from binance_plugin.errors import BinanceError
from tests.hook.budgets import NOW, TIME, Refused, elapse, refuse_to_sleep, shared
from tests.hook.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from binance_plugin.budget import WeightBudget


def spend(url: str, dsn: str, requests: int) -> list[str]:
    """In a process of its own: server_time up to `requests` times; what became of each."""
    budget = shared(dsn, url)
    client = BinanceClient.from_url(
        url, budget=budget, sleep=refuse_to_sleep, request_interval=0.0, burst_size=0, retries=0
    )
    outcomes = []
    for _ in range(requests):
        try:
            client.server_time()
            outcomes.append("sent")
        except Refused:
            outcomes.append("told to wait")
        except BinanceError as error:
            outcomes.append(type(error).__name__)
    budget.close()
    return outcomes


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two fresh processes that share nothing with this one."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_two_processes_together_never_pass_eighty_per_cent(
    server: ScriptedServer, market_dsn: str, budget: WeightBudget, processes: ProcessPoolExecutor
) -> None:
    server.answers(TIME, NOW)
    budget.set_limit(500)
    jobs = [processes.submit(spend, server.url, market_dsn, 300) for _ in range(2)]
    outcomes = [job.result() for job in jobs]
    assert len(server.requests) == 400
    assert sum(outcome.count("sent") for outcome in outcomes) == 400
    assert all(set(outcome) <= {"sent", "told to wait"} for outcome in outcomes)


def test_a_ban_of_one_process_stops_the_other(
    server: ScriptedServer, market_dsn: str, processes: ProcessPoolExecutor
) -> None:
    server.answers(TIME, NOW, NOW, Reply(418, headers={"Retry-After": "3600"}), NOW)
    assert processes.submit(spend, server.url, market_dsn, 4).result() == ["sent", "sent", "Banned", "Banned"]
    assert processes.submit(spend, server.url, market_dsn, 3).result() == ["Banned"] * 3
    assert len(server.requests) == 3


def test_a_429_of_one_process_pauses_the_other(
    server: ScriptedServer, still_dsn: str, processes: ProcessPoolExecutor
) -> None:
    server.answers(TIME, NOW, Reply(429, headers={"Retry-After": "30"}), NOW)
    assert processes.submit(spend, server.url, still_dsn, 3).result() == ["sent", "told to wait", "told to wait"]
    assert processes.submit(spend, server.url, still_dsn, 2).result() == ["told to wait"] * 2
    assert len(server.requests) == 2
    elapse(still_dsn, 30)
    assert processes.submit(spend, server.url, still_dsn, 2).result() == ["sent"] * 2
