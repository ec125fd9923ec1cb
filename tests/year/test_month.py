"""A month of the year: the real Dags day by day with its faults; `make year` plays all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from include.klines.settings import ROOT


@pytest.mark.timeout(1800)
def test_thirty_days_end_complete_explained_and_told_as_the_calendar_says() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "tests.year", "30"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stdout[-6000:] + played.stderr[-4000:]
    assert "30 days in" in played.stdout
