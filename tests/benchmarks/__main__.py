"""`make bench`, or `python -m tests.benchmarks load --rounds 3`: measure, print tables, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import machine
from tests.benchmarks.peers.environment import version_of
from tests.benchmarks.table import markdown

if TYPE_CHECKING:
    from tests.benchmarks.table import Row

BENCHMARKS = ("load", "peers", "read", "quality", "prune", "scale", "order", "dag", "wide", "upkeep")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
TITLE = """# Benchmarks

Made by `make bench`; one part alone: `python -m tests.benchmarks load`. Compare ratios, not absolute figures: both
sides of a ratio ran in the same round. CPU seconds are those of every process of ours, PostgreSQL's included; the
exchange's are left out, whose files are built before and sent by the kernel.

Peers have environments of their own in ~/.cache/klines-benchmarks, with the versions of tests/benchmarks/peers/*.txt.
Nothing of them is changed but their base address; freqtrade and ccxt are also told to fetch spot markets alone, because
the simulated exchange has no others. jesse imports up to the present minute, and is judged by its candles a second.
"""


def main() -> int:
    """Run the named benchmarks, or all of them; each replaces its own part of the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many rounds counts (default 3)")
    parser.add_argument(
        "--quick", action="store_true", help="smaller sizes where a part has them; the page is left alone"
    )
    arguments = parser.parse_args()
    machine.quick = arguments.quick
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    for name in arguments.names or BENCHMARKS:
        sys.stderr.write(f"{name} …\n")
        busy = os.getloadavg()[0]
        part = importlib.import_module(f"tests.benchmarks.{name}").run(arguments.rounds)
        circumstances = _circumstances(name, max(len(row.ours) for row in part), busy)
        sys.stderr.write(f"{circumstances}\n")
        if not arguments.quick:
            _write(name, f"{markdown(part)}\n\n{circumstances}\n")
        rows += part
    sys.stdout.write(f"{markdown(rows)}\n")
    return 0


def _circumstances(part: str, rounds: int, busy: float) -> str:
    versions = {name: version(name) for name in ("apache-airflow", "psycopg", "pyarrow", "numpy")}
    if part == "peers":
        versions |= {name: version_of(name) for name in ("freqtrade", "jesse", "ccxt")}
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    noise = f"load average {busy:.1f} when it began and {os.getloadavg()[0]:.1f} at its end, its own work included"
    medians = f"Medians of up to {rounds} rounds" if rounds > 1 else "Measured once"
    return f"{medians} on {machine.description()}, {noise}; {packages}."


def _write(name: str, text: str) -> None:
    """Replace one part of the page and keep the others."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = dict(part.split("\n\n", 1) for part in page.split("\n## ")[1:]) | {name: text}
    kept = [f"## {each}\n\n{parts[each].strip()}\n" for each in BENCHMARKS if each in parts]
    PAGE.write_text("\n".join([TITLE, *kept]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
