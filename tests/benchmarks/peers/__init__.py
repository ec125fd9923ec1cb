"""Ours beside what people use, on the same candles from the same simulated exchange in the same round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import machine
from tests.benchmarks.peers import archive, rest

if TYPE_CHECKING:
    from tests.benchmarks.table import Row


def run(rounds: int) -> list[Row]:
    """Archive and increments beside freqtrade; REST beside jesse and ccxt."""
    return [*archive.run(rounds, quick=machine.quick), *rest.run(rounds, quick=machine.quick)]
