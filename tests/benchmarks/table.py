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
    beside_memory: float | None = None
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of all processes of ours, PostgreSQL included; empty where they were not counted."""
    beside_cpu: list[float] = field(default_factory=list)
    lower_is_better: bool = False

    def cells(self) -> list[str]:
        """work, ours (spread), beside, ratio, memory, CPU, goal."""
        spread = f"{_short(median(self.ours))} {self.unit} ({_short(min(self.ours))} to {_short(max(self.ours))})"
        beside = f"{_short(median(self.beside))}{_spread(self.beside)}: {self.beside_is}" if self.beside else ""
        order = "lower is better" if self.lower_is_better else "higher is better"
        ratios = [ours / other for ours, other in zip(self.ours, self.beside, strict=False)]
        ratio = f"{median(ratios):.2f}" if ratios else ""
        return [
            f"{self.work} ({order})",
            spread,
            beside,
            ratio,
            _both(self.memory, self.beside_memory, "MB"),
            _both(_middle(self.cpu), _middle(self.beside_cpu), "s"),
            self.goal,
        ]


HEADER = [
    "work",
    "ours: median (lowest to highest)",
    "beside it, in the same round",
    "ratio",
    "peak memory (beside it)",
    "CPU (beside it)",
    "goal",
]


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:,.2f}"


def _spread(figures: list[float]) -> str:
    return f" ({_short(min(figures))} to {_short(max(figures))})" if len(figures) > 1 else ""


def _middle(figures: list[float]) -> float | None:
    return median(figures) if figures else None


def _both(ours: float | None, beside: float | None, unit: str) -> str:
    if ours is None:
        return ""
    other = f" ({beside:,.0f} {unit})" if beside is not None else ""
    return f"{ours:,.0f} {unit}{other}" if ours >= 10 else f"{ours:,.2f} {unit}{other}"
