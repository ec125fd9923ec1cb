"""An environment with the reader alone and the tools that backtesters use, apart from Airflow's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.sql.stored import delete, explain, grid, list_symbol, made_up, store

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
READER = ROOT / "include" / "klines" / "reader"
FOLDER = ROOT / ".venv" / "tools"


@dataclass(frozen=True)
class Tools:
    """Runs programs of the environment in a folder of their own, as role backtester, far from the repository."""

    folder: Path
    dsn: str

    def run(self, *arguments: str) -> str:
        """The standard output of `python *arguments`; fails with what it said on standard error."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KLINES_"))}
        done = subprocess.run(
            [FOLDER / "bin" / "python", *arguments],
            cwd=self.folder, env=environment | {"MARKET_DB_URL": self.dsn}, capture_output=True, text=True, check=False,
            timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def example(self, name: str, *arguments: str) -> str:
        """The last line that examples/<name>.py prints."""
        return self.run(str(ROOT / "examples" / f"{name}.py"), *arguments).strip().splitlines()[-1]


@pytest.fixture(scope="session")
def environment() -> Path:
    """The environment; made once, and again when its requirements change. The reader is installed anew each time."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    stamp, wanted = FOLDER / "requirements.sha256", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        _run([uv, "venv", "-q", "--python", sys.executable, FOLDER] if uv else [sys.executable, "-m", "venv", FOLDER])
        _install(uv, "-r", REQUIREMENTS)
        stamp.write_text(wanted)
    _install(uv, *(["--reinstall-package", "klines-reader"] if uv else ["--force-reinstall", "--no-deps"]), READER)
    return FOLDER


def _install(uv: str | None, *what: str | Path) -> None:
    python = FOLDER / "bin" / "python"
    program = [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    _run([*program, *what])


def _run(command: list[Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def tools(environment: Path, tmp_path: Path, postgres_server: Any, market_dsn: str) -> Tools:
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    return Tools(tmp_path, postgres_server.dsn(name, "backtester"))


@pytest.fixture
def candles(market_conn: psycopg.Connection) -> dict[str, pd.DataFrame]:
    """Three months of BTC and ETH 1h; BTC has an outage of two hours on 2024-02-28."""
    frames = {symbol: made_up(grid("2023-12-01", "2024-03-01"), seed) for seed, symbol in enumerate(("BTC", "ETH"), 1)}
    for symbol, frame in frames.items():
        store(market_conn, symbol, "1h", frame)
        list_symbol(market_conn, symbol, "2017-08-17 04:00")
    delete(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00")
    explain(market_conn, "BTC", "1h", "2024-02-28 05:00", "2024-02-28 07:00", "exchange_outage")
    market_conn.commit()
    return frames
