"""Hundreds of pairs through Airflow: klines_initial_load of 1h and 1d in three sizes, the third beside its projection.

The pairs are the core list and made-up ones, listed between 2019 and 2025 as real ones are, a tenth delisted since. The
time of the largest size is projected from the two smaller ones; the memory of scheduler and tasks is that of the first
and of the last third of its run. Then the largest size once more, with everything in place.
"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from include.klines.universe.config import load_universe
from tests.benchmarks import machine
from tests.benchmarks.running import RunningLoad
from tests.benchmarks.table import Row
from tests.exchange.universe import extended_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.running import Run

SIZES = (60, 150, 450)
QUICK_SIZES = (34, 36, 40)
PERIOD = "2020-01-01:2025-10-01"


def run(rounds: int) -> list[Row]:
    """One run of each size, whatever the rounds: the largest takes minutes."""
    sizes = QUICK_SIZES if machine.quick else SIZES
    universe = load_universe()
    more = sizes[-1] - len(universe.core)
    names = [universe.exchange_symbol(symbol) for symbol in universe.core]
    names += [pair.symbol for pair in extended_pairs(more)]
    runs: list[Run] = []
    with machine.exchange(f"{','.join(names)}:1h,1d:{PERIOD}", extended=more) as exchange:
        for size in sizes:
            with RunningLoad(exchange.url, "TIER=all", f"LIMIT={size}") as load:
                runs.append(load.run())
                if size == sizes[-1]:
                    again = load.run()
    largest = runs[-1]
    steepness = (runs[1].inserted - runs[0].inserted) or 1
    slope = (runs[1].seconds - runs[0].seconds) / steepness
    projected = runs[1].seconds + slope * (largest.inserted - runs[1].inserted)
    work = f"initial load through Airflow, {sizes[-1]} pairs, 1h and 1d, {largest.inserted:,} candles"
    small = f"{sizes[0]} pairs in {runs[0].seconds:,.0f} s and {sizes[1]} in {runs[1].seconds:,.0f} s"
    return [
        Row(
            work=f"{work}, {largest.lanes} lanes",
            ours=[largest.seconds],
            unit="s",
            beside=[projected],
            beside_is=f"projected from {small}",
            memory=largest.largest_task,
            cpu=[largest.cpu],
            lower_is_better=True,
        ),
        _flat(f"{work}: memory of the scheduler", largest.scheduler),
        _flat(f"{work}: memory of the largest task", largest.tasks),
        Row(
            work=f"{work}: cores kept busy while lanes run",
            ours=[largest.cores_of("load_lane")],
            unit="cores",
            goal="both",
        ),
        Row(
            work=f"{work}: cores kept busy, dating and measuring included",
            ours=[largest.cores],
            unit="cores",
        ),
        Row(
            work=f"the same again, nothing to transfer, {again.inserted} rows written",
            ours=[again.seconds],
            unit="s",
            goal="at most 0.1",
            beside=[largest.seconds],
            beside_is="the first load",
            cpu=[again.cpu],
            beside_cpu=[largest.cpu],
            lower_is_better=True,
        ),
    ]


def _flat(work: str, looks: Sequence[float]) -> Row:
    """The last third of the run beside the first one; looks at which there was no such process do not count."""
    seen = [look for look in looks if look]
    third = max(1, len(seen) // 3)
    return Row(
        work=work,
        ours=[mean(seen[-third:])],
        unit="MB in the last third",
        goal="at most 1.1",
        beside=[mean(seen[:third])],
        beside_is="in the first third",
        lower_is_better=True,
    )
