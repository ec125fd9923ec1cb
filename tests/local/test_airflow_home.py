"""What Airflow's processes import when they start, in a process of Airflow's."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from include.local.airflow_home import SIMULATED_BANNER, plain_environment, write_local_settings
from include.local.state import State

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
import os, sys
from airflow import settings
texts = [alert.text for alert in settings.DASHBOARD_UIALERTS]
print(*texts, sep=", ")
print(*(name for name in ("numpy", "psycopg", "psycopg2", "requests", "pandas", "pyarrow") if name in sys.modules))
print(len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1)
"""


@pytest.mark.parametrize("simulated", [True, False])
def test_tasks_find_imported_what_they_need_and_the_ui_has_its_banner(tmp_path: Path, simulated: bool) -> None:
    state = State(tmp_path)
    state.airflow_home.mkdir()
    write_local_settings(state, simulated=simulated)
    environment = plain_environment() | {"AIRFLOW_HOME": str(state.airflow_home)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    banner, imported, threads = done.stdout.splitlines()[-3:]
    assert banner == (SIMULATED_BANNER if simulated else "")
    assert imported == "numpy psycopg psycopg2 requests", "and nothing that only some of them need"
    assert threads == "1", "the scheduler forks"
    written = state.airflow_home / "config" / "airflow_local_settings.py"
    assert written.stat().st_mode & 0o077 == 0
