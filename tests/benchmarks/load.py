"""How fast archive files become verified rows, beside the machine's own limit: a bare COPY of the same rows."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from include.klines import sql
from include.klines.settings import ROOT
from include.local.airflow_home import plain_environment
from tests.benchmarks import machine
from tests.benchmarks.spent import cpu_of, spend
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.local.postgres import PostgresServer

SYMBOLS = ("BTC", "ETH")
START, END = "2023-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"
MONTHS = f"{','.join(f'{name}USDT' for name in SYMBOLS)}:1m:2023-01-01:2025-01-01"
BLOCK = 128 << 10
"""Bytes handed to COPY at once: a row at a time, the client would be what is measured."""


@dataclass(frozen=True)
class Loaded:
    """What lanes side by side did: seconds from the start of their interpreters, CPU seconds with PostgreSQL's."""

    candles: int
    seconds: float
    cpu: float
    peak: float


def run(rounds: int) -> list[Row]:
    """Two lanes side by side, two years of 1m each: 2.1 M candles; then one lane alone."""
    rows: list[Row] = []
    with machine.postgres() as server, machine.exchange(MONTHS) as exchange:
        for title, lanes in (("two lanes", [[name] for name in SYMBOLS]), ("one lane", [[SYMBOLS[0]]])):
            done, limits = [], []
            limit = BareCopy(server, START, END)
            for _ in range(rounds):
                dsn = machine.fresh_database(server)
                done.append(load(server, lanes, dsn, exchange.url, START, END))
                limits.append(limit.copy(dsn, lanes))
                machine.drop_database(server, dsn)
            rows.append(rate(f"archive, 1m, {title}, {done[0].candles:,} candles into PostgreSQL", done, limits))
    return rows


def rate(work: str, done: Sequence[Loaded], limits: Sequence[Loaded]) -> Row:
    """The row of a load beside the bare COPY of its rows."""
    return Row(
        work=work,
        ours=[each.candles / each.seconds for each in done],
        unit="candles/s",
        goal="at least 0.6 of the COPY",
        beside=[each.candles / each.seconds for each in limits],
        beside_cpu=[each.cpu for each in limits],
        beside_is="bare binary COPY of the same rows into the same keyed tables",
        memory=max(each.peak for each in done),
        cpu=[each.cpu for each in done],
    )


def load(
    server: PostgresServer,
    lanes: Sequence[Sequence[str]],
    dsn: str,
    url: str,
    start: str,
    end: str,
    *,
    source: str = "auto",
    budget: bool = False,
) -> Loaded:
    """Load the symbols of each lane in a process of its own, without Airflow."""
    order = {"timeframe": "1m", "start": start, "end": end, "url": url, "dsn": dsn, "source": source, "budget": budget}
    program = [sys.executable, "-m", "tests.benchmarks.lane"]
    with cpu_of(server.pid() or 0) as served:
        commands = [[*program, json.dumps(order | {"symbols": symbols})] for symbols in lanes]
        spent = spend(commands, cwd=ROOT, env=plain_environment())
    answers = [json.loads(line) for line in spent.output.splitlines() if line.startswith('{"candles"')]
    candles = sum(answer["candles"] for answer in answers)
    return Loaded(candles, spent.wall, spent.cpu + served[0], spent.peak)


class BareCopy:
    """The limit: a COPY of the same rows into the same tables of a fresh database, as many streams as lanes."""

    def __init__(self, server: PostgresServer, start: str, end: str) -> None:
        self._server = server
        self._period = {"timeframe": "1m", "window_start": start, "window_end": end}
        self._rows: dict[str, list[bytes]] = {}

    def copy(self, loaded: str, lanes: Sequence[Sequence[str]]) -> Loaded:
        """Copy the rows of `loaded`, which are read once and kept, as many streams as there are lanes."""
        with psycopg.connect(loaded) as conn:
            for symbol in (symbol for lane in lanes for symbol in lane if symbol not in self._rows):
                self._rows[symbol] = _binary(conn, symbol)
        target = machine.fresh_database(self._server)
        with psycopg.connect(target, autocommit=True) as conn:
            conn.execute(sql.load("load/ensure_partitions").encode(), self._period)

        def copy(symbols: Sequence[str]) -> int:
            copied, statement = 0, sql.load("load/copy_market_data").encode()
            with psycopg.connect(target, autocommit=True) as conn:
                for symbol in symbols:
                    cursor = conn.cursor()
                    with cursor.copy(statement) as copying:
                        for block in self._rows[symbol]:
                            copying.write(block)
                    copied += cursor.rowcount
            return copied

        started, own = time.perf_counter(), time.process_time()
        with cpu_of(self._server.pid() or 0) as served, ThreadPoolExecutor(len(lanes)) as pool:
            candles = sum(pool.map(copy, lanes))
        seconds, own = time.perf_counter() - started, time.process_time() - own
        machine.drop_database(self._server, target)
        return Loaded(candles, seconds, own + served[0], 0.0)


def _binary(conn: psycopg.Connection, symbol: str) -> list[bytes]:
    rows = f"SELECT * FROM market_data WHERE symbol = '{symbol}' ORDER BY timestamp"  # noqa: S608 – names of this file
    blocks, block = [], bytearray()
    with conn.cursor().copy(f"COPY ({rows}) TO STDOUT (FORMAT BINARY)".encode()) as copying:
        for piece in copying:
            block += piece
            if len(block) >= BLOCK:
                blocks.append(bytes(block))
                block.clear()
    return [*blocks, bytes(block)]
