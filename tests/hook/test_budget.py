from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from binance_plugin.budget import WeightBudget, weight_limit_of
from binance_plugin.client import BinanceClient
from binance_plugin.errors import Banned, BudgetUnavailable, RateLimited
from tests.hook.budgets import NOW, TIME, Refused, elapse, refuse_to_sleep, row, shared
from tests.hook.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hook.conftest import Sleeps

KLINES = "/api/v3/klines"


def spend_until_refused(budget: WeightBudget, weight: int) -> int:
    """How many grants of `weight` fit before the budget says to wait."""
    grants = 0
    while True:
        try:
            budget.acquire(weight)
        except Refused:
            return grants
        grants += 1


@pytest.fixture
def impatient(still_dsn: str) -> Iterator[WeightBudget]:
    """A budget whose sleep raises Refused with the seconds it was asked for; its clock moves by `elapse` only."""
    budget = shared(still_dsn)
    yield budget
    budget.close()


def test_eighty_per_cent_of_the_limit_are_granted_and_no_more(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.set_limit(1000)
    assert spend_until_refused(impatient, 3) == 266
    assert row(market_dsn)["used"] == 798
    impatient.acquire(2)
    with pytest.raises(Refused):
        impatient.acquire(1)


def test_spent_weight_comes_back_a_minute_later_and_not_before(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.set_limit(100)
    impatient.acquire(80)
    with pytest.raises(Refused) as caught:
        impatient.acquire(1)
    assert caught.value.args == (62.75,), "by whole seconds, the one it was spent in and two of travel included"
    elapse(market_dsn, 62.5)
    with pytest.raises(Refused):
        impatient.acquire(1)
    elapse(market_dsn, 0.25)
    impatient.acquire(80)


def test_the_wait_ends_when_enough_has_come_back_for_the_request(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.set_limit(100)
    impatient.acquire(30)
    elapse(market_dsn, 20)
    impatient.acquire(50)
    with pytest.raises(Refused) as small:
        impatient.acquire(20)
    with pytest.raises(Refused) as large:
        impatient.acquire(31)
    assert (small.value.args, large.value.args) == ((42.75,), (62.75,))


def test_acquire_sleeps_a_short_wait_and_goes_on(still_dsn: str, sleeps: Sleeps) -> None:
    def sleep(seconds: float) -> None:
        sleeps(seconds)
        elapse(still_dsn, seconds)

    budget = shared(still_dsn, sleep=sleep)
    budget.set_limit(100)
    for _ in range(6):
        budget.acquire(40)
    assert sleeps == [62.75, 63.0]
    budget.close()


def test_a_lower_limit_of_the_connection_applies_and_a_higher_one_does_not(market_dsn: str) -> None:
    for cap, grants in [(50, 40), (500, 80)]:
        budget = WeightBudget(
            lambda: psycopg.connect(market_dsn, autocommit=True),
            f"https://{cap}.example",
            cap=cap,
            sleep=refuse_to_sleep,
        )
        budget.set_limit(100)
        assert spend_until_refused(budget, 1) == grants
        budget.close()


def test_a_request_that_can_never_fit_is_refused_with_what_to_change(impatient: WeightBudget) -> None:
    impatient.set_limit(10)
    with pytest.raises(BudgetUnavailable, match="raise weight_limit"):
        impatient.acquire(9)


def test_weight_that_others_spend_behind_this_ip_counts(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.set_limit(100)
    impatient.acquire(10)
    impatient.observe(8)
    assert row(market_dsn)["used"] == 10
    impatient.observe(70)
    assert row(market_dsn)["used"] == 70
    assert spend_until_refused(impatient, 1) == 10


def test_a_clock_that_is_set_back_never_frees_weight(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.set_limit(100)
    impatient.acquire(80)
    elapse(market_dsn, -3600)
    with pytest.raises(Refused) as caught:
        impatient.acquire(1)
    assert caught.value.args == (62.75,)
    elapse(market_dsn, 3600 + 62.5)
    with pytest.raises(Refused):
        impatient.acquire(1)
    elapse(market_dsn, 0.25)
    impatient.acquire(80)


@pytest.mark.parametrize(("later", "left"), [(0, 6), (1, 6), (60, 6), (61, 3), (62, 1), (63, 0), (10_000, 0), (-5, 6)])
def test_the_window_forgets_second_by_second(market_dsn: str, later: int, left: int) -> None:
    spent = [1, 2, 3] + [0] * 60
    with psycopg.connect(market_dsn) as conn:
        found = conn.execute(
            "SELECT exchange_weight_window(%(spent)s::integer[], 100::bigint, (100 + %(later)s)::bigint)",
            {"spent": spent, "later": later},
        ).fetchone()
    assert found is not None
    assert len(found[0]) == 63
    assert sum(found[0]) == left


def test_a_pause_stops_everybody_who_shares_the_address_and_is_never_shortened(
    impatient: WeightBudget, market_dsn: str
) -> None:
    other = shared(market_dsn)
    impatient.pause(90)
    impatient.pause(5)
    with pytest.raises(Refused) as caught:
        other.acquire(1)
    assert caught.value.args == (90,)
    elapse(market_dsn, 90)
    other.acquire(1)
    other.close()


def test_a_pause_too_long_to_sleep_is_handed_to_the_caller(impatient: WeightBudget) -> None:
    impatient.pause(600)
    with pytest.raises(RateLimited) as caught:
        impatient.acquire(1)
    assert caught.value.retry_after == 600


def test_a_ban_opens_the_circuit_for_everybody_until_it_ends(impatient: WeightBudget, market_dsn: str) -> None:
    other = shared(market_dsn)
    until = impatient.open_circuit(7200)
    with psycopg.connect(market_dsn) as conn:
        assert conn.execute("SELECT %s - now()", [until]).fetchone() == (timedelta(seconds=7200),)
    with pytest.raises(Banned) as caught:
        other.acquire(1)
    assert caught.value.until == until
    assert caught.value.retry_after == 7200
    elapse(market_dsn, 7200)
    other.acquire(1)
    other.close()


def test_another_address_has_another_budget(impatient: WeightBudget, market_dsn: str) -> None:
    other = shared(market_dsn, "https://b.example")
    impatient.open_circuit(7200)
    other.acquire(1)
    other.close()


def test_a_lost_database_connection_is_opened_again(impatient: WeightBudget, market_dsn: str) -> None:
    impatient.acquire(1)
    with psycopg.connect(market_dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    impatient.acquire(1)
    assert row(market_dsn)["used"] == 2


def test_nothing_is_sent_while_the_budget_cannot_be_asked(
    server: ScriptedServer, sleeps: Sleeps, empty_dsn: str
) -> None:
    server.answers(TIME, NOW)
    for dsn in ["host=127.0.0.1 port=1 dbname=none", empty_dsn]:
        budget = shared(dsn, server.url)
        with pytest.raises(BudgetUnavailable):
            BinanceClient.from_url(server.url, budget=budget).server_time()
        budget.close()
    assert server.requests == []


def exchange_info(limit: int) -> Reply:
    rate = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}
    return Reply(body=json.dumps({"rateLimits": [rate], "symbols": []}).encode())


def test_the_limit_is_read_from_the_exchange_before_the_first_candles_and_then_once_a_day(
    server: ScriptedServer, market_dsn: str, budget: WeightBudget, sleeps: Sleeps
) -> None:
    server.answers("/api/v3/exchangeInfo", exchange_info(1200))
    server.answers(KLINES, Reply(body=b"[]"))
    for _ in range(2):
        client = BinanceClient.from_url(server.url, budget=budget, sleep=sleeps)
        client.klines("BTCUSDT", "1h")
        client.klines("ETHUSDT", "1h")
    assert [request.path.rpartition("/")[2] for request in server.requests] == ["exchangeInfo"] + ["klines"] * 4
    assert row(market_dsn)["weight_limit"] == 1200
    with psycopg.connect(market_dsn) as conn:
        conn.execute("UPDATE exchange_budget SET limit_read_at = limit_read_at - INTERVAL '25 hours'")
    BinanceClient.from_url(server.url, budget=budget, sleep=sleeps).klines("BTCUSDT", "1h")
    assert [request.path for request in server.requests].count("/api/v3/exchangeInfo") == 2


def test_pages_that_are_asked_for_at_once_read_the_limit_once(
    server: ScriptedServer, budget: WeightBudget, sleeps: Sleeps
) -> None:
    server.answers("/api/v3/exchangeInfo", exchange_info(1200))
    server.answers(KLINES, Reply(body=b"[]"))
    client = BinanceClient.from_url(server.url, budget=budget, sleep=sleeps, request_interval=0.05)
    both = threading.Barrier(2, timeout=20)

    def page(_: int) -> list[list[object]]:
        both.wait()
        return client.klines("BTCUSDT", "1h")

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(page, range(2))) == [[], []]
    asked = [request.path.rpartition("/")[2] for request in server.requests]
    assert asked == ["exchangeInfo", "klines", "klines"]


@pytest.mark.parametrize(
    ("limits", "weight"),
    [
        ([{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}], 6000),
        ([{"rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 10, "limit": 100}], 600),
        ([{"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}], None),
        ([{"rateLimitType": "REQUEST_WEIGHT", "interval": "FORTNIGHT"}, "odd"], None),
        ("odd", None),
    ],
)
def test_the_limit_a_minute_is_read_whatever_its_unit(limits: object, weight: int | None) -> None:
    assert weight_limit_of({"rateLimits": limits}) == weight


def test_the_used_weight_header_is_read_in_any_spelling(
    server: ScriptedServer, market_dsn: str, budget: WeightBudget
) -> None:
    for spelling, used in [("x-mbx-used-weight-1m", 500), ("X-Mbx-Used-Weight-1M", 700)]:
        server.answers(TIME, Reply(body=NOW.body, headers={spelling: str(used)}))
        BinanceClient.from_url(server.url, budget=budget).server_time()
        assert row(market_dsn)["used"] == used
