"""How fast archive files become verified rows, beside the machine's own limit: a bare COPY of the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg

from include.klines import sql
from include.klines.settings import ROOT
from tests.benchmarks import machine
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from include.local.postgres import PostgresServer

SYMBOLS = ("BTC", "ETH")
START, END = "2023-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"
MONTHS = f"{','.join(f'{name}USDT' for name in SYMBOLS)}:1m:2023-01-01:2025-01-01"


def run(rounds: int) -> list[Row]:
    """Two lanes side by side, two years of 1m each: 2.1 M candles; then one lane alone."""
    rows: list[Row] = []
    with machine.postgres() as server, machine.exchange(MONTHS) as exchange:
        for title, lanes in (("two lanes", [[name] for name in SYMBOLS]), ("one lane", [[SYMBOLS[0]]])):
            ours, limits, memory, candles = [], [], [], 0
            for _ in range(rounds):
                dsn = machine.fresh_database(server)
                seconds, candles, peak = _load(lanes, dsn, exchange.url)
                ours.append(candles / seconds)
                memory.append(peak)
                limits.append(candles / _bare_copy(server, dsn, len(lanes)))
            rows.append(
                Row(
                    work=f"archive, 1m, {title}, {candles:,} candles into PostgreSQL",
                    ours=ours,
                    unit="candles/s",
                    goal="at least 100,000",
                    beside=limits,
                    beside_is="bare binary COPY of the same rows into the same keyed tables",
                    memory=max(memory),
                )
            )
    return rows


def _load(lanes: list[list[str]], dsn: str, url: str) -> tuple[float, int, float]:
    order = {"timeframe": "1m", "start": START, "end": END, "url": url, "dsn": dsn, "source": "auto"}
    children = []
    started = time.perf_counter()
    for symbols in lanes:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.lane"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # one line a window; a lane that fails prints no answer
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"},
        )
        children.append((child, json.dumps(order | {"symbols": symbols})))
    with ThreadPoolExecutor(len(children)) as pool:  # all of them are fed at once
        answers = [
            json.loads(output.splitlines()[-1])
            for output in pool.map(lambda pair: pair[0].communicate(pair[1])[0], children)
        ]
    seconds = time.perf_counter() - started
    return seconds, sum(answer["candles"] for answer in answers), max(answer["megabytes"] for answer in answers)


def _bare_copy(server: PostgresServer, loaded: str, streams: int) -> float:
    """Seconds in which as many streams COPY the rows of `loaded` into the same tables of another database."""
    target = machine.fresh_database(server)
    with psycopg.connect(target, autocommit=True) as conn:
        conn.execute(
            sql.load("load/ensure_partitions").encode(), {"timeframe": "1m", "window_start": START, "window_end": END}
        )
    with psycopg.connect(loaded) as conn:
        blocks = [_binary(conn, symbol) for symbol in SYMBOLS[:streams]]

    def copy(block: list[bytes]) -> None:
        with psycopg.connect(target) as conn, conn.cursor().copy(sql.load("load/copy_market_data").encode()) as copying:
            for piece in block:
                copying.write(piece)

    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(copy, blocks))
    return time.perf_counter() - started


def _binary(conn: psycopg.Connection, symbol: str) -> list[bytes]:
    rows = f"SELECT * FROM market_data WHERE symbol = '{symbol}' ORDER BY timestamp"  # noqa: S608 – names of this file
    with conn.cursor().copy(f"COPY ({rows}) TO STDOUT (FORMAT BINARY)".encode()) as copying:
        return [bytes(piece) for piece in copying]
