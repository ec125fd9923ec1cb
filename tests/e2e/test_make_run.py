"""`make run` as a person uses it: one runtime, used by the tests of this file in their order."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.settings import ROOT
from include.local.databases import embedded_server
from include.local.processes import Processes
from include.local.state import STATE_VARIABLE, State
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 150
ONE_YEAR = ("SYMBOLS=BTC", "TIMEFRAMES=1d", "START=2020-01-01", "END=2020-12-31")


@dataclass(frozen=True)
class Machine:
    """A runtime in a folder of its own, driven through its command line."""

    state: State

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "include.local"]

    @property
    def environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
        # Neither the time zone nor the locale of the machine may matter.
        return own | {STATE_VARIABLE: str(self.state.folder), "TZ": "America/St_Johns", "LC_ALL": "C"}

    def do(self, *words: str) -> subprocess.CompletedProcess[str]:
        with subprocess.Popen(
            [*self.command, *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                logs = {name: Processes(self.state).tail(name, 40) for name in ("scheduler", "dag-processor")}
                process.kill()
                output, _ = process.communicate()
                pytest.fail(f"{words} took longer than {PATIENCE} s:\n{output}\n{logs}")
        return subprocess.CompletedProcess(process.args, process.returncode, output, "")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.do("run", "EXCHANGE=simulated", *words)

    def start(self, *words: str) -> subprocess.Popen[str]:
        # a background job of a shell ignores it, and so would all that it starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [*self.command, "run", "EXCHANGE=simulated", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def rows(self) -> list[tuple[object, ...]]:
        """Every candle with the transaction that wrote it: equal lists mean that no row was touched."""
        server = embedded_server(self.state)
        assert server.pid() is not None
        with psycopg.connect(server.dsn("market_sim")) as conn:
            return conn.execute(
                "SELECT symbol, timeframe, timestamp, close, xmin FROM market_data ORDER BY 1, 2, 3"
            ).fetchall()

    def processes(self) -> list[str]:
        server = embedded_server(self.state)
        found = [" ".join(process.cmdline()) for process in Processes(self.state).ours()]
        return found + ([f"postgres {server.pid()}"] if server.pid() else [])


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="klines-run-", dir="/tmp"))  # `nobody` may not enter pytest's folders
    folder.chmod(0o711)
    machine = Machine(State(folder / "run"))
    yield machine
    machine.do("stop")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first(machine: Machine) -> subprocess.CompletedProcess[str]:
    return machine.run(*ONE_YEAR)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit code {done.returncode}\n{done.stdout}"


def test_a_bad_word_gets_one_sentence_before_anything_starts(machine: Machine) -> None:
    done = machine.run("END=2019-01-01")
    assert done.returncode == 2
    assert done.stdout.strip() == "end 2019-01-01 lies before start 2020-01-01: swap them."
    assert not machine.state.folder.exists()


def test_status_and_stop_without_a_run_say_that_nothing_runs(machine: Machine) -> None:
    assert "Nothing runs" in machine.do("status").stdout
    assert machine.do("stop").returncode == 0


def test_from_nothing_to_history_in_the_database_with_a_report(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, said(first)
    assert "SIMULATED" in first.stdout
    assert re.search(r"BTC 1d .* 2020-01-01 00:00 .* 2020-12-31 00:00 .* 366 .* 366 .* 100 %", first.stdout), said(
        first
    )
    assert 'load_ohlcv("BTC", "1d"' in first.stdout
    assert "2020-01-01 00:00:00+00:00" in first.stdout
    assert re.search(r"http://127\.0\.0\.1:\d+ +user: admin +password: \S+ +\(kept in", first.stdout), said(first)
    assert len(machine.rows()) == 366


def test_secrets_are_not_in_a_process_list(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    listed = " ".join(machine.processes())
    secrets = vars(machine.state.secrets())
    assert not [name for name, secret in secrets.items() if name != "runtime_id" and secret in listed]


def test_real_candles_have_a_database_of_their_own_which_a_simulated_run_does_not_even_make(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    with psycopg.connect(embedded_server(machine.state).dsn("postgres")) as conn:
        assert conn.execute("SELECT count(*) FROM pg_database WHERE datname = 'market'").fetchone() == (0,)


def test_a_second_run_changes_no_row_and_says_so(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    before = machine.rows()
    done = machine.run(*ONE_YEAR)
    assert done.returncode == 0, said(done)
    assert "Nothing changed" in done.stdout
    assert "starting Airflow" not in done.stdout
    assert "kept in" not in done.stdout  # the password was shown once
    assert machine.rows() == before


def test_an_unknown_symbol_fails_with_the_nearest_ones(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    done = machine.run("SYMBOLS=BTCC", "TIMEFRAMES=1d")
    assert done.returncode == 1, said(done)
    assert re.search(r"BTCC.*BTC", done.stdout), said(done)


def test_status_tells_what_runs_and_what_is_stored(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    done = machine.do("status")
    assert done.returncode == 0, said(done)
    assert re.search(r"scheduler +process \d+", done.stdout)
    assert "BTC 1d" in done.stdout


def test_commands_of_airflow_reach_the_one_that_runs(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    done = machine.do("airflow", "dags", "list", "--output", "plain")
    assert done.returncode == 0, said(done)
    assert re.search(r"^klines_initial_load .*False", done.stdout, re.MULTILINE), said(done)
    assert machine.do("airflow", "dags", "no-such-command").returncode == 2


def test_after_a_kill_of_any_part_the_next_run_recovers(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    scheduler = Processes(machine.state).find("scheduler")
    server = embedded_server(machine.state).pid()
    assert scheduler is not None
    assert server is not None
    for pid in (scheduler.pid, server):
        os.kill(pid, signal.SIGKILL)
    assert machine.do("status").returncode == 1
    before = 366
    done = machine.run(*ONE_YEAR)
    assert done.returncode == 0, said(done)
    assert len(machine.rows()) == before


def test_two_at_once_and_ctrl_c(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    with machine.start("LIMIT=20", "TIMEFRAMES=1h") as running:  # long enough to be interrupted
        wait_until(lambda: bool(_holder(machine)), "the first run to hold the lock")
        second = machine.run(*ONE_YEAR)
        assert second.returncode == 3, said(second)
        assert f"process {running.pid}" in second.stdout
        wait_until(lambda: _lanes_run(machine), "lanes to run", seconds=120)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 130, output
    assert "everything is stopped" in output
    assert machine.processes() == []


def test_stop_during_a_load_says_what_it_stopped(machine: Machine, first: subprocess.CompletedProcess[str]) -> None:
    with machine.start("SYMBOLS=BTC,ETH,SOL", "TIMEFRAMES=1h") as running:
        wait_until(lambda: bool(_holder(machine)), "the run to hold the lock")
        assert machine.do("stop").stdout == "Stopped the running `make run`.\n"
        running.communicate(timeout=60)
    assert running.returncode == 130
    assert machine.processes() == []


def test_a_database_server_that_dies_during_a_load_is_named(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    with machine.start("LIMIT=20", "TIMEFRAMES=1h", "START=2021-01-01") as running:
        wait_until(lambda: _load_is_on(machine), "the load to be on", seconds=120)
        server = embedded_server(machine.state).pid()
        assert server is not None
        os.kill(server, signal.SIGKILL)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 1, output
    assert "PostgreSQL has ended, see" in output


def test_what_ctrl_c_interrupted_goes_on_and_stop_leaves_nothing(
    machine: Machine, first: subprocess.CompletedProcess[str]
) -> None:
    done = machine.run("SYMBOLS=BTC,ETH", "TIMEFRAMES=1h", "END=2020-12-31")
    assert done.returncode == 0, said(done)
    stopped = machine.do("stop")
    assert re.match(r"Stopped; \d+ processes ended", stopped.stdout), said(stopped)
    assert machine.processes() == []


def _holder(machine: Machine) -> str:
    return machine.state.lock.read_text() if machine.state.lock.exists() else ""


def _load_is_on(machine: Machine) -> bool:
    server = embedded_server(machine.state)
    if server.pid() is None or not machine.state.read("runtime"):
        return False
    metadata = "SELECT count(*) FROM dag_run WHERE state = 'running' AND run_id LIKE 'make_run%'"
    try:
        with psycopg.connect(server.dsn("airflow")) as conn:
            row = conn.execute(metadata).fetchone()
    except psycopg.OperationalError:
        return False  # the server is still starting
    return row is not None and row[0] > 0


def _lanes_run(machine: Machine) -> bool:
    with psycopg.connect(embedded_server_dsn(machine)) as conn:
        row = conn.execute("SELECT count(*) FROM data_sync_log WHERE timeframe = '1h'").fetchone()
    return row is not None and row[0] > 0


def embedded_server_dsn(machine: Machine) -> str:
    server = embedded_server(machine.state)
    server.pid()
    return server.dsn("market_sim")
