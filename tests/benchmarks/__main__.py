"""`make bench`, or `python -m tests.benchmarks load --rounds 3`: measure, print tables, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.table import markdown

BENCHMARKS = ("load", "read", "dag")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
TITLE = """# Benchmarks

Made by `make bench`; one part alone: `python -m tests.benchmarks load`. Compare ratios, not absolute figures: both
sides of a ratio ran in the same round.
"""


def main() -> int:
    """Run the named benchmarks, or all of them; each replaces its own part of the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many rounds counts (default 3)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    for name in arguments.names or BENCHMARKS:
        sys.stderr.write(f"{name} …\n")
        busy = os.getloadavg()[0]
        table = markdown(importlib.import_module(f"tests.benchmarks.{name}").run(arguments.rounds))
        sys.stdout.write(f"{table}\n")
        _write(name, f"{table}\n\n{_circumstances(arguments.rounds, busy)}\n")
    return 0


def _circumstances(rounds: int, busy: float) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("apache-airflow", "psycopg", "pyarrow", "numpy"))
    noise = f"load average {busy:.1f} when it began"
    return f"Medians of {rounds} rounds on {machine.description()}, {noise}; {packages}."


def _write(name: str, text: str) -> None:
    """Replace one part of the page and keep the others."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = dict(part.split("\n\n", 1) for part in page.split("\n## ")[1:]) | {name: text}
    kept = [f"## {each}\n\n{parts[each].strip()}\n" for each in BENCHMARKS if each in parts]
    PAGE.write_text("\n".join([TITLE, *kept]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
