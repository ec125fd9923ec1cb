"""Parts in the making: side by side, handed out in order, and what a failed one means for the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.ladder.ahead import MAKERS, Makers

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20.0


@pytest.fixture
def makers() -> Iterator[Makers]:
    made = Makers()
    yield made
    made.close()


def begin(makers: Makers, make: Any, *, in_order: bool = False) -> None:
    makers.begin(make, in_order=in_order)


def fails() -> Any:
    raise MemoryError("no room")


def test_one_that_waits_does_not_hold_up_those_behind_it(makers: Makers) -> None:
    answered, second_is_made = threading.Event(), threading.Event()
    begin(makers, lambda: answered.wait(PATIENCE) and 1)
    begin(makers, lambda: second_is_made.set() or 2)
    assert second_is_made.wait(PATIENCE)
    answered.set()
    assert [makers.next(), makers.next()] == [1, 2]
    assert makers.under_way == 0


def test_no_more_are_in_the_making_than_there_are_makers(makers: Makers) -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(MAKERS, timeout=PATIENCE)

    def make() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return 0

    for _ in range(3 * MAKERS):
        begin(makers, make)
    while makers.under_way:
        makers.next()
    assert most == MAKERS


def test_those_in_order_are_made_one_by_one_while_others_go_on(makers: Makers) -> None:
    made: list[int] = []
    first, beside = threading.Event(), threading.Event()
    begin(makers, lambda: first.wait(PATIENCE) and made.append(1), in_order=True)
    begin(makers, lambda: made.append(2), in_order=True)
    begin(makers, beside.set)
    assert beside.wait(PATIENCE)
    assert made == []
    first.set()
    while makers.under_way:
        makers.next()
    assert made == [1, 2]


def test_a_failure_lets_those_before_it_end_and_none_behind_it_begin(makers: Makers) -> None:
    release, begun = threading.Event(), []
    begin(makers, lambda: release.wait(PATIENCE) and 1)
    begin(makers, fails)
    for number in range(2 + MAKERS):
        begin(makers, lambda number=number: begun.append(number))
    with pytest.raises(InterruptedError):
        makers._under_way[-1].result(PATIENCE)
    release.set()
    assert makers.next() == 1
    with pytest.raises(MemoryError, match="no room"):
        makers.next()
    assert begun == []


def test_a_failure_behind_one_that_has_not_begun_does_not_stop_it(makers: Makers) -> None:
    release = threading.Event()
    for number in range(MAKERS):
        begin(makers, lambda number=number: release.wait(PATIENCE) and number)
    begin(makers, lambda: "queued")
    begin(makers, fails, in_order=True)
    with pytest.raises(MemoryError):
        makers._under_way[-1].result(PATIENCE)
    release.set()
    assert [makers.next() for _ in range(MAKERS + 1)] == [*range(MAKERS), "queued"]
    with pytest.raises(MemoryError):
        makers.next()
