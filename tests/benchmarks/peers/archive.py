"""Years of 1m from the archive: ours, verified into PostgreSQL, beside freqtrade's download to files; one more day.

freqtrade reads the daily files, as it does, and checks no checksum; ours reads the monthly ones. Both are built before,
and each answer takes LATENCY longer than on loopback, as files from a server do.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from binance_plugin.client import BinanceClient
from include.klines.database import prepare
from include.klines.load.planning import Scope
from include.klines.quality.closing import measure_scope
from include.klines.settings import ROOT
from include.klines.windows import Window
from include.local.airflow_home import plain_environment
from tests.benchmarks import machine
from tests.benchmarks.load import BareCopy, Loaded, load, rate
from tests.benchmarks.peers.environment import PeerMissing, program, python_of
from tests.benchmarks.spent import Spent, cpu_of, spend
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from include.local.postgres import PostgresServer
    from tests.exchange import Exchange

SYMBOLS = ("BTC", "ETH", "BNB", "XRP")
END = datetime(2025, 1, 1, tzinfo=UTC)
SMALL, LARGE = datetime(2024, 7, 2, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
"""Where the history begins: half a year, and ten times as much."""
LATENCY = 0.1
INCREMENTS = 9
"""So many days after END have files: one for each round of the increment, after each of two histories."""


def _exchange(start: datetime) -> AbstractContextManager[Exchange]:
    return machine.exchange(*prebuilt(start), latency=LATENCY)


def prebuilt(start: datetime) -> list[str]:
    """The orders for the exchange: months for ours, days for freqtrade, and the days of the increments."""
    pairs = ",".join(f"{name}USDT" for name in SYMBOLS)
    last = END + timedelta(days=INCREMENTS)
    return [f"{pairs}:1m:{start:%Y-%m-%d}:{END:%Y-%m-%d}", f"{pairs}:1m:{start:%Y-%m-%d}:{last:%Y-%m-%d}:daily"]


def run(rounds: int, *, quick: bool) -> list[Row]:
    """Four pairs in two lanes, one pair in one, the increments of four pairs; `quick`: half a year instead of five."""
    start = SMALL if quick else LARGE
    with machine.postgres() as server, _exchange(start) as exchange, machine.folder() as folder:
        bench = Bench(server, exchange, folder, start)
        rows = bench.loads("100 ms away, 4 pairs, two lanes", [SYMBOLS[:2], SYMBOLS[2:]], rounds, goal="at most 0.6")
        rows += bench.loads("100 ms away, 1 pair, one lane", [SYMBOLS[:1]], rounds, goal="at most 0.8")
        return rows + bench.increments(rounds, longer=None if quick else SMALL)


class Bench:
    """The works of this part on one server and one exchange; what freqtrade makes lies in `folder`."""

    def __init__(self, server: PostgresServer, exchange: Exchange, folder: Path, start: datetime) -> None:
        self._server, self._exchange, self._folder, self._start = server, exchange, folder, start
        self._limit = BareCopy(server, start.isoformat(), END.isoformat())
        try:
            self._freqtrade: Path | None = python_of("freqtrade")
        except PeerMissing as missing:
            sys.stderr.write(f"{missing}\n")
            self._freqtrade = None

    def loads(self, what: str, lanes: Sequence[Sequence[str]], rounds: int, goal: str) -> list[Row]:
        """The load beside the bare COPY, and beside freqtrade's download of the same candles."""
        symbols = [symbol for lane in lanes for symbol in lane]
        done: list[Loaded] = []
        limits: list[Loaded] = []
        theirs: list[Spent] = []
        for _ in range(rounds):
            dsn = machine.fresh_database(self._server)
            span = (self._start.isoformat(), END.isoformat())
            done.append(load(self._server, lanes, dsn, self._exchange.url, *span))
            limits.append(self._limit.copy(dsn, lanes))
            machine.drop_database(self._server, dsn)
            theirs += self._download(symbols, END, fresh=True)
        work = f"archive, 1m, {what}, {done[0].candles:,} candles, verified, into PostgreSQL"
        copied = rate(work, done, limits)
        if not theirs:
            return [copied]
        beside = Row(
            work=f"the same: {what}", ours=[each.seconds for each in done], unit="s", goal=goal,
            beside=[each.wall for each in theirs], beside_is="freqtrade download-data to files, unverified",
            memory=copied.memory, beside_memory=max(each.peak for each in theirs),
            cpu=copied.cpu, beside_cpu=[each.cpu for each in theirs], lower_is_better=True,
        )  # fmt: skip
        return [copied, beside]

    def increments(self, rounds: int, longer: datetime | None) -> list[Row]:
        """One more day of four pairs, after all of the history and, to see whether that matters, after `longer`'s."""
        ours = self._increments(self._start, rounds)
        theirs: list[Spent] = []
        if self._freqtrade is not None:
            self._download(SYMBOLS, END, fresh=True)
            theirs = self._download(SYMBOLS, END + timedelta(days=1), fresh=False)  # once: it takes minutes
        row = Row(
            work=f"one more day of 1m, 4 pairs with history from {self._start:%Y-%m-%d}: work in tasks", unit="s",
            ours=[each.wall for each in ours], goal="under 2", memory=max(each.peak for each in ours),
            beside=[each.wall for each in theirs], beside_is="freqtrade download-data",
            beside_memory=max((each.peak for each in theirs), default=None),
            cpu=[each.cpu for each in ours], beside_cpu=[each.cpu for each in theirs], lower_is_better=True,
        )  # fmt: skip
        if longer is None:
            return [row]
        shorter = self._increments(longer, rounds)
        flat = replace(
            row, work="the same beside a tenth of the history", goal="at most 1.1", beside_is="half a year of history",
            beside=[each.wall for each in shorter], beside_cpu=[each.cpu for each in shorter],
            beside_memory=max(each.peak for each in shorter),
        )  # fmt: skip
        return [row, flat]

    def _increments(self, start: datetime, rounds: int) -> list[Spent]:
        dsn = machine.fresh_database(self._server)
        load(self._server, [SYMBOLS[:2], SYMBOLS[2:]], dsn, self._exchange.url, start.isoformat(), END.isoformat())
        with psycopg.connect(dsn) as conn:  # the load's own Dag ends with it
            history = Scope(SYMBOLS, ("1m",), Window(start, END))
            measure_scope(BinanceClient.from_url(self._exchange.url), prepare(conn), history, END)
            conn.execute(b"VACUUM (ANALYZE)")  # as autovacuum does within minutes
        found = []
        for day in range(rounds + 1):  # the first one lists the universe for the first time
            order = {"dsn": dsn, "url": self._exchange.url, "symbols": SYMBOLS, "start": start.isoformat()}
            self._exchange.set_clock(END + timedelta(days=day + 1, hours=2, minutes=5))
            order["day"] = f"{END + timedelta(days=day):%Y-%m-%d}"
            with cpu_of(self._server.pid() or 0) as served:
                program = [sys.executable, "-m", "tests.benchmarks.peers.increment", json.dumps(order)]
                environment = plain_environment() | {"KLINES_CONFIG_DIR": str(self._minutes())}
                spent = spend([program], cwd=ROOT, env=environment)
            answer = json.loads(spent.output.splitlines()[-1])
            found.append(Spent(answer["seconds"], answer["cpu"] + served[0], spent.peak, ""))
        self._exchange.set_clock(machine.NOW)
        machine.drop_database(self._server, dsn)
        return found[1:]

    def _minutes(self) -> Path:
        """A folder with the project's own configuration, but for 1m, which is enabled."""
        folder = self._folder / "config"
        if not folder.exists():
            shutil.copytree(ROOT / "include" / "config", folder)
            settings = folder / "timeframes.yaml"
            text = settings.read_text(encoding="utf-8")
            settings.write_text(text.replace("1m:  {enabled: false", "1m:  {enabled: true "), encoding="utf-8")
        return folder

    def _download(self, symbols: Sequence[str], until: datetime, *, fresh: bool) -> list[Spent]:
        """freqtrade's download of these pairs up to `until`, [] where it is not here; not `fresh`: onto its files."""
        if self._freqtrade is None:
            return []
        folder = self._folder / "freqtrade"
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        config = folder / "config.json"
        config.write_text(json.dumps(_config(self._exchange.url)), encoding="utf-8")
        command: list[str | Path] = [self._freqtrade, program("freqtrade"), self._exchange.url, "download-data"]
        command += ["--config", config, "--userdir", folder, "--exchange", "binance", "--timeframes", "1m"]
        command += ["--data-format-ohlcv", "feather", "--timerange", f"{self._start:%Y%m%d}-{until:%Y%m%d}"]
        return [spend([[*command, "--pairs", *(f"{symbol}/USDT" for symbol in symbols)]])]


def _config(url: str) -> dict[str, object]:
    """A configuration of freqtrade: its REST address, and spot alone, which is what the simulated exchange has."""
    ccxt = {"urls": {"api": {"public": f"{url}/api/v3"}}, "options": {"fetchMarkets": {"types": ["spot"]}}}
    return {
        "exchange": {"name": "binance", "pair_whitelist": [], "ccxt_config": ccxt},
        "stake_currency": "USDT",
        "dry_run": True,
    }
