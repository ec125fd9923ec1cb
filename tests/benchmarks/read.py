"""How fast stored candles become frames, beside what people use on the same rows in the same round."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psycopg
import psycopg2
import sqlalchemy
from psycopg import sql as identifiers
from pyarrow.feather import read_feather

from include.klines.reader import export_freqtrade, fingerprint, load_ohlcv, load_panel
from include.klines.settings import ROOT
from tests.benchmarks import machine
from tests.benchmarks.peers.environment import PeerMissing, python_of
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPAN = ("1h", "2020-01-01", "2025-10-01")
YEAR = ("1h", "2024-01-01", "2025-01-01")
PANEL = [f"P{number:03}" for number in range(100)]
READ_SQL = """
SELECT timestamp, open, high, low, close, volume FROM market_data
WHERE symbol = 'BTC' AND timeframe = '1h' AND timestamp >= '2020-01-01Z' AND timestamp < '2025-10-01Z'
ORDER BY timestamp
"""
JESSE = READ_SQL.replace("open, high, low, close, volume", "open, close, high, low, volume")
FREQTRADE = """
import json, sys, time
from pathlib import Path
from freqtrade.data.history.datahandlers import get_datahandler
from freqtrade.enums import CandleType
handler, seconds = get_datahandler(Path(sys.argv[1]), "feather"), []
for _ in range(int(sys.argv[2]) + 1):
    started = time.perf_counter()
    frame = handler.ohlcv_load("BTC/USDT", "1h", CandleType.SPOT, drop_incomplete=False)
    seconds.append(time.perf_counter() - started)
print(json.dumps([len(frame), seconds[1:]]))
"""
PEAK = """
import sys
from include.klines.reader import load_ohlcv
def peak(): return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
load_ohlcv("BTC", "1h", "2020-01-01", "2020-02-01", dsn=sys.argv[1])
before = peak()
frame = load_ohlcv("ONE", "1m", "2023-01-01", "2025-01-01", dsn=sys.argv[1])
print((peak() - before) / frame.memory_usage().sum())
"""


def run(rounds: int) -> list[Row]:
    """5.75 years of 1h, a panel of 100 symbols and a year, a year's fingerprint, and memory on two years of 1m."""
    rounds = max(rounds, 5)  # each takes less than a second
    with machine.postgres() as server, tempfile.TemporaryDirectory() as folder:
        dsn = machine.fresh_database(server)
        _fill(dsn)
        ours, plain, rows, jesse = _side_by_side(
            rounds,
            lambda: load_ohlcv("BTC", *SPAN, dsn=dsn),
            lambda: _read_sql(dsn),
            lambda: _read_rows(dsn),
            lambda: _jesse(dsn),
        )
        (feather,) = export_freqtrade(["BTC"], *SPAN, folder, dsn=dsn)
        panel = _time(lambda: load_panel(PANEL, *YEAR, dsn=dsn), rounds)
        bare = _time(lambda: read_feather(feather), rounds)
        digest = _time(lambda: fingerprint("BTC", *YEAR, dsn=dsn), rounds)
        work = "load_ohlcv, 5.75 years of 1h, connection included"
        return [
            _row(work, ours, "at most 0.25", plain, "pandas.read_sql"),
            _row(work, ours, "", rows, "psycopg 3, binary rows into a frame"),
            _row(work, ours, "", jesse, "jesse's candle query (psycopg2, tuples, numpy)"),
            _row(work, ours, "at most 3", *_freqtrade(feather, rounds)),
            _row(work, ours, "", bare, "pyarrow, the bare columns of that file"),
            _row("load_panel, 100 symbols x 1 year of 1h closes", panel, "under 1,500"),
            _row("fingerprint of a year of 1h, nothing changed", digest, "under 20"),
            Row(
                work="load_ohlcv, 2 years of 1m: peak memory over the frame's",
                ours=[_peak(dsn)], unit="times", goal="at most 3", lower_is_better=True,
            ),
        ]  # fmt: skip


def _row(work: str, ours: list[float], goal: str, beside: list[float] | None = None, beside_is: str = "") -> Row:
    return Row(
        work=work, ours=ours, unit="ms", goal=goal, beside=beside or [], beside_is=beside_is, lower_is_better=True
    )


def _fill(dsn: str) -> None:
    insert = identifiers.SQL(
        "INSERT INTO market_data"
        " SELECT {}, {}, t, 100 + s, 101 + s, 99 + s, 100.5 + s, random() * 1e4, random() * 1e6, 7, 1, 2"
        " FROM (SELECT t, sin(extract(EPOCH FROM t)) AS s"
        " FROM generate_series({}::timestamptz, {}, {}::interval) AS t) AS x"
    )
    with psycopg.connect(dsn, autocommit=True) as conn:
        for symbol, timeframe, start, last, step in (
            ("BTC", "1h", "2020-01-01Z", "2025-09-30 23:00Z", "1 hour"),
            ("ONE", "1m", "2023-01-01Z", "2024-12-31 23:59Z", "1 minute"),
            *((symbol, "1h", "2024-01-01Z", "2024-12-31 23:00Z", "1 hour") for symbol in PANEL),
        ):
            conn.execute("SELECT ensure_market_data_partitions(%s, %s, %s)", (timeframe, start, last))
            conn.execute(insert.format(symbol, timeframe, start, last, step))
            conn.execute("SELECT touch_fingerprints(%s, %s, %s, %s)", (symbol, timeframe, start, last))
        conn.execute("SELECT refresh_fingerprints()")
        conn.execute("VACUUM ANALYZE")


def _side_by_side(rounds: int, *works: Callable[[], Any]) -> list[list[float]]:
    """Milliseconds of each work in each round; all works of a round run one after the other, so that noise hits all."""
    for work in works:
        work()
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, milliseconds in zip(works, found, strict=True):
            started = time.perf_counter()
            work()
            milliseconds.append(1000 * (time.perf_counter() - started))
    return found


def _time(work: Callable[[], Any], rounds: int) -> list[float]:
    return _side_by_side(rounds, work)[0]


def _read_sql(dsn: str) -> pd.DataFrame:
    """As pandas documents it: through SQLAlchemy; a connection a read, as ours."""
    engine = sqlalchemy.create_engine(
        dsn.replace("postgresql://", "postgresql+psycopg://"), poolclass=sqlalchemy.NullPool
    )
    return pd.read_sql(READ_SQL, engine, index_col="timestamp")


def _read_rows(dsn: str) -> pd.DataFrame:
    """By hand, with binary results."""
    with psycopg.connect(dsn) as conn, conn.cursor(binary=True) as cursor:
        rows = cursor.execute(READ_SQL.encode()).fetchall()
        return pd.DataFrame(rows, columns=["timestamp", "open", "high", "low", "close", "volume"]).set_index(
            "timestamp"
        )


def _jesse(dsn: str) -> np.ndarray[Any, Any]:
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute(JESSE.replace("SELECT timestamp", "SELECT (extract(EPOCH FROM timestamp) * 1000)::bigint"))
        return np.array(cursor.fetchall())


def _freqtrade(file: Path, rounds: int) -> tuple[list[float], str]:
    try:
        python = python_of("freqtrade")
    except PeerMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return [], ""
    done = subprocess.run(
        [python, "-c", FREQTRADE, file.parent, str(rounds)], capture_output=True, text=True, check=True
    )
    _, seconds = json.loads(done.stdout.splitlines()[-1])
    return [1000 * one for one in seconds], "freqtrade's own feather loader"


def _peak(dsn: str) -> float:
    done = subprocess.run([sys.executable, "-c", PEAK, dsn], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
