"""`make bench`, or `python -m tests.benchmarks load --rounds 3`: measure, print one table, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import sys
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.table import markdown

BENCHMARKS = ("load", "read", "dag")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    """Run the named benchmarks, or all of them; only a whole run is written to the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many rounds counts (default 3)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    rows = []
    for name in arguments.names or BENCHMARKS:
        sys.stderr.write(f"{name} …\n")
        rows += importlib.import_module(f"tests.benchmarks.{name}").run(arguments.rounds)
    table = markdown(rows)
    sys.stdout.write(f"{table}\n")
    if not arguments.names:
        PAGE.write_text(_page(table, arguments.rounds), encoding="utf-8")
    return 0


def _page(table: str, rounds: int) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("apache-airflow", "psycopg", "pyarrow", "numpy"))
    return (
        "# Benchmarks\n\nMade by `make bench`; one part alone: `python -m tests.benchmarks load`. Compare ratios, not "
        f"absolute figures: both sides of a ratio ran in the same round.\n\n{table}\n\n"
        f"Medians of {rounds} rounds on {machine.description()}; {packages}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
