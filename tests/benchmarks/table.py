"""The one table that `make bench` prints and writes to docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Row:
    """One measured piece of work: every round's figure of ours and of what it is held against, in `unit`."""

    work: str
    ours: list[float]
    unit: str
    goal: str = ""
    beside: list[float] = field(default_factory=list)
    beside_is: str = ""
    memory: float | None = None
    """Peak resident memory of one process, MB."""
    lower_is_better: bool = False

    def cells(self) -> list[str]:
        """work, ours (spread), beside, ratio, memory, goal."""
        spread = f"{_short(median(self.ours))} {self.unit} ({_short(min(self.ours))} to {_short(max(self.ours))})"
        beside = f"{_short(median(self.beside))}: {self.beside_is}" if self.beside else ""
        order = "lower is better" if self.lower_is_better else "higher is better"
        ratios = [ours / other for ours, other in zip(self.ours, self.beside, strict=False)]
        ratio = f"{median(ratios):.2f}" if ratios else ""
        return [
            f"{self.work} ({order})",
            spread,
            beside,
            ratio,
            f"{self.memory:.0f} MB" if self.memory else "",
            self.goal,
        ]


HEADER = ["work", "ours: median (lowest to highest)", "beside it, in the same round", "ratio", "peak memory", "goal"]


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:,.2f}"
