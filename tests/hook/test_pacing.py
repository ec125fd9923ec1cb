from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from binance_plugin.pacing import Pacer, backoff

if TYPE_CHECKING:
    from tests.hook.conftest import Sleeps


def starts(pacer: Pacer, sleeps: Sleeps, count: int) -> list[float]:
    """Start of each of `count` requests that take no time, in seconds after the first."""
    times = []
    for _ in range(count):
        pacer.wait()
        times.append(sleeps.monotonic() - 1000.0)
    return [round(moment, 6) for moment in times]


def test_requests_start_at_the_interval_and_each_burst_is_followed_by_a_pause(sleeps: Sleeps) -> None:
    pacer = Pacer(0.2, 20, 2.0, sleep=sleeps, monotonic=sleeps.monotonic)
    times = starts(pacer, sleeps, 41)
    distances = [round(after - before, 6) for before, after in itertools.pairwise(times)]
    assert distances == [0.2] * 19 + [2.0] + [0.2] * 19 + [2.0]


def test_time_that_a_request_takes_counts_towards_the_interval(sleeps: Sleeps) -> None:
    pacer = Pacer(0.2, 0, 0.0, sleep=sleeps, monotonic=sleeps.monotonic)
    pacer.wait()
    sleeps(0.15)
    pacer.wait()
    assert sleeps == [0.15, pytest.approx(0.05)]


def test_zero_turns_pacing_off(sleeps: Sleeps) -> None:
    pacer = Pacer(0.0, 0, 2.0, sleep=sleeps, monotonic=sleeps.monotonic)
    assert starts(pacer, sleeps, 100) == [0.0] * 100
    assert sleeps == []


def test_waits_before_retries_double_and_are_bounded() -> None:
    assert [backoff(retry) for retry in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert backoff(50) == 30.0
