"""Hooks of several threads beside each other: a pace each, everything else together, and one word that stops them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from binance_plugin.budget import UnsharedBudget
from binance_plugin.client import BinanceClient
from binance_plugin.errors import Banned
from tests.hook.scripted import Reply

if TYPE_CHECKING:
    from tests.hook.conftest import Sleeps
    from tests.hook.scripted import ScriptedServer

TIME = "/api/v3/time"
NOW = Reply(body=b'{"serverTime": 1704067200000}')


def test_each_waits_for_its_own_requests_only(server: ScriptedServer, sleeps: Sleeps) -> None:
    server.answers(TIME, NOW)
    client = BinanceClient.from_url(server.url, sleep=sleeps, request_interval=60.0, burst_size=2, burst_pause=600.0)
    first, second = client.beside(threading.Event()), client.beside(threading.Event())
    for one in (client, first, second):
        one.server_time()
    assert sleeps == []
    for one in (first, second, first):
        one.server_time()
    assert [wait > 60.0 for wait in sleeps] == [False, False, True]


def test_they_count_together(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(TIME, NOW)
    for one in (client, client.beside(threading.Event())):
        one.server_time()
    assert (client.stats.requests, client.stats.weight) == (2, 2)


def test_a_ban_of_one_is_a_ban_of_all(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(TIME, Reply(418, headers={"Retry-After": "600"}))
    for one in (client.beside(threading.Event()), client, client.beside(threading.Event())):
        with pytest.raises(Banned):
            one.server_time()
    assert len(server.requests) == 1


def test_who_is_told_to_stop_sends_nothing_and_the_others_go_on(server: ScriptedServer, client: BinanceClient) -> None:
    server.answers(TIME, NOW)
    stopped = threading.Event()
    beside = client.beside(stopped)
    beside.server_time()
    stopped.set()
    with pytest.raises(InterruptedError):
        beside.server_time()
    client.server_time()
    assert len(server.requests) == client.stats.requests == 2


def test_what_waits_for_its_turn_when_all_stop_is_not_sent(server: ScriptedServer) -> None:
    server.answers(TIME, NOW)
    stopped = threading.Event()
    client = BinanceClient.from_url(server.url, sleep=lambda _: stopped.set(), request_interval=60.0)
    beside = client.beside(stopped)
    beside.server_time()
    with pytest.raises(InterruptedError):
        beside.server_time()
    assert len(server.requests) == 1


def test_what_waits_for_a_pause_to_end_when_all_stop_is_not_sent(server: ScriptedServer, sleeps: Sleeps) -> None:
    server.answers(TIME, Reply(429, headers={"Retry-After": "30"}), NOW)
    stopped = threading.Event()

    def be_told_meanwhile(seconds: float) -> None:
        sleeps(seconds)
        stopped.set()

    budget = UnsharedBudget(server.url, sleep=be_told_meanwhile, monotonic=sleeps.monotonic)
    client = BinanceClient.from_url(server.url, budget=budget, request_interval=0.0, burst_size=0)
    with pytest.raises(InterruptedError):
        client.beside(stopped).server_time()
    assert len(server.requests) == 1
