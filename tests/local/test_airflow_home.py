"""What Airflow's processes import when they start, in a process of Airflow's."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from include.klines.settings import CONFIG_DIR
from include.local.airflow_home import (
    SIMULATED_BANNER,
    command_environment,
    environment,
    plain_environment,
    write_local_settings,
    write_settings,
)
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


ASK_KLINES = "from include.klines import settings as s; print(s.CONFIG_DIR, s.COLD_STORAGE, s.REPORTS, sep='\\n')"


def test_components_keep_files_in_the_folder_of_their_run_or_where_the_caller_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KLINES_COLD_STORAGE", "KLINES_REPORTS"):
        monkeypatch.delenv(name, raising=False)
    state = State(tmp_path / "run")
    state.prepare()
    components = environment(state, metadata_url="postgresql://none", port=1, simulated=False)
    assert _settings(components) == [
        str(CONFIG_DIR),
        (state.folder / "cold").as_uri(),
        (state.folder / "reports").as_uri(),
    ]
    monkeypatch.setenv("KLINES_REPORTS", "s3://store@bucket/reports")
    components = environment(state, metadata_url="postgresql://none", port=1, simulated=False)
    assert _settings(components)[2] == "s3://store@bucket/reports"


def test_a_command_of_airflows_has_the_settings_of_the_components_and_nothing_else_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "run")
    state.prepare()
    assert command_environment(state) is None
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "not to be written")
    components = environment(state, metadata_url="postgresql://none", port=1, simulated=False)
    write_settings(state, components)
    assert command_environment(state) == components
    kept = state.folder / "airflow-settings.json"
    assert "SECRET_OF_THE_CALLER" not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def _settings(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK_KLINES], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
