"""What `make run`, `make stop`, `make status` and `make report` do, and Airflow's own commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from rich.markup import escape

from include.klines.addresses import parse_address
from include.klines.coverage.report import page, terminal, weekly
from include.klines.coverage.report.gathering import gather
from include.klines.errors import KlinesError
from include.klines.quality import measuring
from include.klines.windows import Window
from include.local import airflow_home, components, databases, lock, progress, report
from include.local.airflow_api import AirflowApi
from include.local.airflow_home import SIMULATED_BANNER
from include.local.errors import LocalRunError
from include.local.load_run import DAG_ID, RUN_PREFIX, LoadRun
from include.local.runtime import RECORD, Running, Runtime
from include.local.stall import StallWatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from include.local.load_request import RunRequest
    from include.local.state import State

ENDING_SECONDS = 3.0
"""How long a server that has cut its connections may take to end."""


def run(state: State, request: RunRequest, console: Console) -> int:
    """Bring everything up, load, report. Returns 0 only if every lane succeeded; Airflow stays up."""
    state.prepare()
    with lock.hold(state.lock, "run"):
        runtime = Runtime(state, lambda text: console.print(escape(text), soft_wrap=True))
        running, was_up = None, runtime.is_up()
        try:
            running = runtime.up(request, DAG_ID)
            with explained(state):
                return _load(runtime, running, request, console)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or not was_up:
                with _uninterrupted():
                    _give_up(runtime, running, error, console)
            raise


def stop(state: State, console: Console) -> int:
    """End everything of ours, a running `make run` first."""
    if not state.exists():
        console.print("Nothing runs: `make run` was never started here.")
        return 0
    interrupted = lock.interrupt_holder(state.lock)
    with lock.hold(state.lock, "stop"):
        ended = Runtime(state, console.print).down()
    if interrupted:
        console.print("Stopped the running `make run`.")
    else:
        console.print(f"Stopped; {ended} processes ended." if ended else "Nothing was running.")
    return 0


def status(state: State, console: Console) -> int:
    """What runs, where, what the last load did, and what is stored. Returns 1 where something is down."""
    if not state.exists():
        console.print("Nothing runs: `make run` was never started here.")
        return 1
    runtime = Runtime(state, console.print)
    record = state.read(RECORD)
    simulated = bool(record.get("simulated"))
    if simulated:
        _banner(console)
    names = [*components.AIRFLOW, *([components.EXCHANGE] if record.get("own_exchange") else [])]
    found = {name: runtime.processes.find(name) for name in names}
    for name, process in found.items():
        console.print(f"{name:20} {'process ' + str(process.pid) if process else 'not running'}")
    server = databases.embedded_server(state)
    if record.get("embedded"):
        console.print(
            f"{'PostgreSQL':20} {f'process {server.pid()}, port {server.port}' if server.pid() else 'not running'}"
        )
    up = all(found.values()) and (server.pid() is not None or not record.get("embedded"))
    if up:
        api = AirflowApi(int(record["port"]), state.ui_password()[0])
        _show_last_run(api, console)
        _show_addresses(state, api, console, None)
        with psycopg.connect(record["market"], autocommit=True) as conn:
            terminal.show(console, gather(conn, datetime.now(UTC)))
    return 0 if up else 1


def write_report(state: State, console: Console) -> int:
    """The report as one HTML file in the state's folder. Returns 1 where the market database is not up."""
    given = os.environ.get("MARKET_DB_URL")
    if given:
        parse_address(given, "MARKET_DB_URL")
    address = given or state.read(RECORD).get("market")
    if not address:
        console.print("There is no market database yet: `make run` makes it, or name yours in MARKET_DB_URL.")
        return 1
    with explained(state), psycopg.connect(address, autocommit=True, connect_timeout=10) as conn:
        found = gather(conn, datetime.now(UTC))
    path = state.folder / "reports" / weekly.name(found.clock)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(found), encoding="utf-8")
    terminal.show(console, found)
    console.print(f"\nreport: {path}", soft_wrap=True)
    return 0


def airflow(state: State, words: Sequence[str], console: Console) -> int:
    """One of Airflow's own commands, for the Airflow of this folder; returns its exit code."""
    environment = airflow_home.command_environment(state)
    if environment is None or not Runtime(state, console.print).is_up():
        console.print("Airflow does not run: `make run` starts it.")
        return 1
    return subprocess.run([sys.executable, "-m", "airflow", *words], env=environment, check=False).returncode


@contextmanager
def explained(state: State) -> Iterator[None]:
    """Where the embedded server has ended, raise LocalRunError with that instead of what followed from it."""
    try:
        yield
    except (LocalRunError, psycopg.Error) as error:
        server = databases.embedded_server(state)
        if state.read(RECORD).get("embedded") and server.has_ended(ENDING_SECONDS):
            raise LocalRunError(
                f"PostgreSQL has ended, see {server.log}: `make run` starts it again and goes on."
            ) from error
        if isinstance(error, psycopg.Error):
            raise LocalRunError(f"The market database failed: {str(error).strip()}") from error
        raise


def _load(runtime: Runtime, running: Running, request: RunRequest, console: Console) -> int:
    simulated = running.exchange.simulated
    prefix = "[yellow]SIMULATED[/yellow] " if simulated else ""
    if simulated:
        _banner(console)
    if runtime.end_runs(running.api, "interrupted; a later `make run` goes on", dag_id=DAG_ID, prefix=RUN_PREFIX):
        console.print("an interrupted load was found: this one goes on where it stopped")
    with psycopg.connect(running.market, autocommit=True) as conn:
        load = LoadRun.trigger(running.api, conn, request.params)
        last = progress.follow(
            load, console, prefix, StallWatch(runtime.processes, running.api, running.environment, runtime.say)
        )
        scope = load.scope()
        if scope:
            window = Window(datetime.fromisoformat(scope["start"]), datetime.fromisoformat(scope["end"]))
            series = [(symbol, name) for name in scope["timeframes"] for symbol in scope["symbols"]]
            rows = measuring.coverage(conn, series, window, clock=window.end)
            report.show_coverage(console, rows, "SIMULATED candles" if simulated else "Stored")
            if rows and last.state == "success":
                best = next((row for row in rows if (row.symbol, row.timeframe) == ("BTC", "1h")), rows[0])
                report.show_first_rows(console, running.market, best)
            report.show_changes(console, last)
        failures = load.failures() if last.state != "success" else []
    if last.state != "success":
        report.show_failures(console, failures, loaded=scope is not None)
    _show_addresses(runtime.state, running.api, console, running.new_password)
    return 0 if last.state == "success" and not last.lanes_failed else 1


def _give_up(runtime: Runtime, running: Running | None, error: BaseException, console: Console) -> None:
    """Leave nothing running, neither after Ctrl-C nor half started; the terminal may be gone already."""
    with suppress(OSError):
        console.print("\nstopping …")
    if running is not None and isinstance(error, KeyboardInterrupt):
        with suppress(KlinesError):  # the next run ends it, if this one cannot
            runtime.end_runs(running.api, "stopped by Ctrl-C", dag_id=DAG_ID, prefix=RUN_PREFIX)
    runtime.down()
    with suppress(OSError):
        console.print("everything is stopped")


def _show_last_run(api: AirflowApi, console: Console) -> None:
    answer = api.get(f"dags/{DAG_ID}/dagRuns", limit=1, order_by="-run_after") or {}
    runs: list[dict[str, Any]] = answer.get("dag_runs") or []
    for last in runs:
        console.print(f"{'last load':20} {last['dag_run_id']}: {last['state']}", soft_wrap=True)


def _show_addresses(state: State, api: AirflowApi, console: Console, new_password: str | None) -> None:
    console.print(f"\nAirflow: {api.url}  user: admin  password: ", end="")
    if new_password:
        console.print(f"{escape(new_password)}  (kept in {state.password_file})", soft_wrap=True)
    else:
        console.print(f"in {state.password_file}", soft_wrap=True)


def _banner(console: Console) -> None:
    console.rule(f"[yellow]{SIMULATED_BANNER}[/yellow]", style="yellow")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Nobody stops the stopping: Ctrl-C and friends wait until it is done."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
