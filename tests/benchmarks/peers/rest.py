"""REST alone, 100 ms away: how much of the request weight is used, and the same candles beside ccxt and jesse."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg

from include.klines.universe.config import load_universe
from tests.benchmarks import machine
from tests.benchmarks.load import load
from tests.benchmarks.peers.environment import PeerMissing, program, python_of
from tests.benchmarks.spent import CommandFailed, Spent, cpu_of, spend
from tests.benchmarks.table import Row
from tests.exchange import Exchange

if TYPE_CHECKING:
    from pathlib import Path

    from include.local.postgres import PostgresServer

LATENCY = 0.1
LIMIT = 6000
ALLOWED = LIMIT * 8 // 10
"""What the shared budget spends in any 60 seconds at most (plugins/binance_plugin/budget.py)."""
WINDOW = 63
"""Seconds in which it is spent once: a minute of the exchange, two seconds of travel, and a begun one."""
LANES = 12
"""So many requests are under way at once: a lane waits 100 ms for each."""
PEERS = {"ccxt": "ccxt, a loop over fetch_ohlcv, into memory", "jesse": "jesse's import into PostgreSQL"}


def run(rounds: int, *, quick: bool) -> list[Row]:
    """The weight of the budget, then thirty days of 1m of one pair with each tool; `quick`: one day, no budget."""
    with machine.postgres() as server, machine.folder() as folder:
        rows = [] if quick else [_budget(server)]
        with Exchange(latency=LATENCY, process=True) as exchange:  # by this machine's clock: jesse imports up to now
            return rows + Tools(server, exchange, folder, days=1 if quick else 30).run(rounds)


def _budget(server: PostgresServer) -> Row:
    """Lanes that share the budget until it has been spent twice and a bit; once, whatever the rounds."""
    symbols = [symbol for symbol in load_universe().core if symbol not in {"POL", "S"}][:LANES]
    start = datetime(2024, 1, 1, tzinfo=UTC)
    end = start + timedelta(minutes=1000 * 3 * ALLOWED // 2 // LANES)  # three minutes of weight, 2 a page
    dsn = machine.fresh_database(server)
    span = (start.isoformat(), end.isoformat())
    with Exchange(now=machine.NOW, latency=LATENCY, weight_limit=LIMIT, process=True) as exchange:
        lanes = [[symbol] for symbol in symbols]
        done = load(server, lanes, dsn, exchange.url, *span, source="rest", budget=True)
        asked, refused = exchange.requests(kind="klines"), exchange.count(status=429)
    started, ended = (pick(request["at"] for request in asked) for pick in (min, max))
    weight: Counter[int] = Counter()
    for request in asked:
        weight[int((request["at"] - started) // WINDOW)] += request["weight"]
    full = [float(weight[number]) for number in range(int((ended - started) // WINDOW))]
    if refused or not full:
        raise RuntimeError(f"{refused} requests were refused with 429, and the budget was spent {len(full)} times.")
    return Row(
        work=f"REST, 1m, {done.candles:,} candles, {LANES} lanes, 100 ms away, pacing off: weight in {WINDOW} s",
        ours=full,
        unit="spent, no 429",
        goal="at least 0.9",
        beside=[float(ALLOWED)] * len(full),
        beside_is=f"the budget, 80 % of the exchange's {LIMIT:,}",
        memory=done.peak,
        cpu=[done.cpu],
    )


class Tools:
    """The same candles of one pair by REST, with each tool, in the same round."""

    def __init__(self, server: PostgresServer, exchange: Exchange, folder: Path, days: int) -> None:
        self._server, self._exchange, self._folder = server, exchange, folder
        self._end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._start = self._end - timedelta(days=days)
        self._candles = days * 1440

    def run(self, rounds: int) -> list[Row]:
        """A row a peer; a peer that cannot be had is told, and has none."""
        span = (self._start.isoformat(), self._end.isoformat())
        ours, theirs = [], {name: list[Spent]() for name in PEERS}
        for _ in range(rounds):
            dsn = machine.fresh_database(self._server)
            ours.append(load(self._server, [["BTC"]], dsn, self._exchange.url, *span, source="rest"))
            machine.drop_database(self._server, dsn)
            for name, found in theirs.items():
                try:
                    found.append(self._peer(name))
                except (PeerMissing, CommandFailed) as failure:
                    sys.stderr.write(f"{failure}\n")
        row = Row(
            work=f"REST, 1m, one pair, {self._candles:,} candles, 100 ms away, one lane, into PostgreSQL",
            ours=[each.candles / each.seconds for each in ours],
            unit="candles/s",
            memory=max(each.peak for each in ours),
            cpu=[each.cpu for each in ours],
        )
        return [
            replace(
                row,
                beside=[self._candles / each.wall for each in found],
                beside_is=PEERS[name],
                beside_memory=max(each.peak for each in found),
                beside_cpu=[each.cpu for each in found],
            )
            for name, found in theirs.items()
            if found
        ]

    def _peer(self, name: str) -> Spent:
        with cpu_of(self._server.pid() or 0) as served:
            spent = self._ccxt() if name == "ccxt" else self._jesse()
        return replace(spent, cpu=spent.cpu + served[0])

    def _ccxt(self) -> Spent:
        bounds = [str(int(moment.timestamp() * 1000)) for moment in (self._start, self._end)]
        spent = spend([[python_of("ccxt"), program("ccxt"), self._exchange.url, "BTC/USDT", *bounds]])
        if (got := int(spent.output.split()[-1])) != self._candles:
            raise CommandFailed(f"ccxt got {got} of {self._candles} candles.")
        return spent

    def _jesse(self) -> Spent:
        """In a project's folder, into a fresh database; it goes on up to this minute, at most a day more."""
        python, dsn = python_of("jesse"), machine.fresh_database(self._server)
        address = urlsplit(dsn)
        settings = {
            "PASSWORD": "unused",
            "APP_PORT": "9000",
            "POSTGRES_HOST": address.hostname,
            "POSTGRES_PORT": address.port,
            "POSTGRES_NAME": address.path[1:],
            "POSTGRES_USERNAME": address.username,
            "POSTGRES_PASSWORD": address.password,
        }
        project = self._folder / "jesse"
        for part in ("strategies", "storage"):
            (project / part).mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (project / ".env").write_text("".join(lines), encoding="utf-8")
        command = [python, program("jesse"), self._exchange.url, "BTC-USDT", f"{self._start:%Y-%m-%d}"]
        spent = spend([command], cwd=project)
        with psycopg.connect(dsn) as conn:
            (stored,) = conn.execute("SELECT count(*) FROM candle").fetchone() or (0,)
        machine.drop_database(self._server, dsn)
        if stored < self._candles:
            raise CommandFailed(f"jesse stored {stored} of {self._candles} candles:\n{spent.output[-2000:]}")
        return replace(spent, wall=spent.wall * self._candles / stored)  # of the candles that the others fetched
