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

from tests.sql.stored import RECORDINGS, explain, grid, list_symbol, made_up, recording, store

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
READER = ROOT / "include" / "klines" / "reader"
FOLDER = ROOT / ".venv" / "tools"
OUTAGES = (
    ("2021-02-11 04:00", "2021-02-11 05:00"),
    ("2021-03-06 02:00", "2021-03-06 03:00"),
    ("2021-04-20 02:00", "2021-04-20 04:00"),
    ("2021-04-25 05:00", "2021-04-25 08:00"),
)


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
            cwd=self.folder, env=environment | {"MARKET_DB_URL": self.dsn, "COLUMNS": "200"}, timeout=240,
            capture_output=True, text=True, check=False,
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
    """Three months of BTC and ETH 1h with their four outages: recorded ones, made up where there is no recording."""
    whole = grid("2021-02-01", "2021-05-01")
    for start, end in OUTAGES:
        whole = whole.difference(grid(start, end))
    frames = {}
    for seed, symbol in enumerate(("BTC", "ETH"), 1):
        recorded = (RECORDINGS / f"{symbol}USDT-1h.csv.gz").exists()
        frame = recording(f"{symbol}USDT-1h.csv.gz") if recorded else made_up(whole, seed)
        frames[symbol] = frame[frame.index.isin(whole)]
        store(market_conn, symbol, "1h", frames[symbol])
        list_symbol(market_conn, symbol, "2017-08-17 04:00")
        for start, end in OUTAGES:
            explain(market_conn, symbol, "1h", start, end, "exchange_outage")
    market_conn.commit()
    return frames
