"""Brings the whole system up on this machine, or finds it up, and takes it down."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from include.local import airflow_home, components, connections, databases
from include.local.airflow_api import AirflowApi
from include.local.exchange_choice import ExchangeChoice, choose
from include.local.ports import free_port
from include.local.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.local.load_request import RunRequest
    from include.local.state import State

RECORD = "runtime"
IRRELEVANT = ("market", "given", "own_exchange")
"""What may change in the record while Airflow goes on as it is."""


@dataclass(frozen=True)
class Running:
    """The system while it is up. `market` is a libpq address, `environment` that of its components."""

    api: AirflowApi
    exchange: ExchangeChoice
    market: str
    environment: dict[str, str]
    new_password: str | None


class Runtime:
    """One folder's system: embedded server, Airflow's components, simulated exchange."""

    def __init__(self, state: State, say: Callable[[str], None]) -> None:
        self.state = state
        self.say = say
        self.processes = Processes(state)

    def up(self, request: RunRequest, dag_id: str) -> Running:
        """Start what does not run. Returns when Airflow answers, knows the Dag, and its connections are set."""
        started_at = time.time()
        password, is_new = self.state.ui_password()
        with ThreadPoolExecutor(max_workers=1) as pool:
            was_real = self.state.read(RECORD).get("simulated") is False
            choosing = pool.submit(choose, request.exchange, was_real=was_real)
            if not request.market_url:
                self._start_database()
            exchange = choosing.result()
        own_exchange = exchange.simulated and not exchange.rest_url
        if own_exchange:
            self.say(f"{exchange.reason}: using the simulated exchange, whose candles are not real")
            exchange = exchange.at(self._start_exchange())
        elif exchange.simulated:
            self.say(f"{exchange.reason}: they go into {databases.SIMULATED}, never beside real ones")
        stores = databases.prepare(self.state, request.market_url, simulated=exchange.simulated)
        self.say(f"PostgreSQL is up: {stores.describe()}")

        port = self._port(components.API_SERVER, RECORD)
        api = AirflowApi(port, password)
        environment = airflow_home.environment(
            self.state, metadata_url=stores.metadata_url, port=port, simulated=exchange.simulated
        )
        wanted = {
            "port": port,
            "fingerprint": airflow_home.fingerprint(environment),
            "airflow": version("apache-airflow"),
            "metadata": stores.metadata_url.rpartition("@")[2],
            "embedded": stores.server is not None,
            "given": request.market_url is not None,
            "simulated": exchange.simulated,
            "market": stores.market,
            "own_exchange": own_exchange,
        }
        warm = self._fits(wanted) and api.healthy()
        if not warm:
            self._start(environment, api, wanted)
        self.state.write(RECORD, wanted)
        airflow_home.write_settings(self.state, environment)
        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(api.answers_tasks)  # what it has to build first is built while the Dags are parsed
            for note in connections.prepare(
                api, self.state, exchange, stores.market, chosen=request.exchange_given, reader=stores.reader
            ):
                self.say(note)
            components.start_airflow(self.processes, environment)
            components.wait_for_dag(self.processes, api, dag_id, None if warm else started_at)
        return Running(api, exchange, stores.market, environment, password if is_new else None)

    def is_up(self) -> bool:
        """Whether all of Airflow's components run."""
        return all(self.processes.find(name) for name in components.AIRFLOW)

    def down(self) -> int:
        """Stop everything; returns how many processes there were."""
        ended = self.processes.stop()
        server = databases.embedded_server(self.state)
        ended += server.pid() is not None
        server.stop()
        return ended

    def end_runs(self, api: AirflowApi, note: str, *, dag_id: str = "~", prefix: str = "") -> int:
        """Mark unfinished runs as failed, with a note; returns how many."""
        runs = api.pages(f"dags/{dag_id}/dagRuns", "dag_runs", state=["running", "queued"])
        chosen = [run for run in runs if run["dag_run_id"].startswith(prefix)]
        for run in chosen:
            api.patch(f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}", {"state": "failed", "note": note})
        return len(chosen)

    def pause_scheduled(self, api: AirflowApi) -> None:
        """Pause every scheduled Dag, and say which: a day done for one exchange counts as done for the other."""
        found = [dag["dag_id"] for dag in api.pages("dags", "dags", tags=["scheduled"], paused=False)]
        for dag_id in found:
            api.patch(f"dags/{dag_id}", {"is_paused": True}, update_mask=["is_paused"])
        if found:
            self.say(
                f"paused because EXCHANGE was changed: {', '.join(found)}. "
                "A day that they run for one exchange counts as done for the other too: unpause them in the UI "
                "once EXCHANGE is what they shall load from"
            )

    def _fits(self, wanted: dict[str, Any]) -> bool:
        record = self.state.read(RECORD)
        same = all(record.get(key) == value for key, value in wanted.items() if key not in IRRELEVANT)
        return same and self.is_up()

    def _start(self, environment: dict[str, str], api: AirflowApi, wanted: dict[str, Any]) -> None:
        record = self.state.read(RECORD)
        self.processes.stop(keep=components.EXCHANGE)
        airflow_home.write_local_settings(self.state, simulated=wanted["simulated"])
        if any(record.get(key) != wanted[key] for key in ("airflow", "metadata")):
            self.say("preparing Airflow's own database")
            components.migrate_metadata(self.processes, environment)
        switching = record.get("simulated") not in (None, wanted["simulated"])
        # until the other side is left, the record says so: a start that is interrupted is a switch again
        self.state.write(RECORD, wanted | {"simulated": record["simulated"]} if switching else wanted)
        self.say(f"starting Airflow: {', '.join(components.AIRFLOW)}")
        first = (components.API_SERVER,) if switching else components.NEEDED_FIRST
        components.start_airflow(self.processes, environment, first)
        components.wait_for_api(self.processes, api)
        if switching:  # what was planned for the other exchange must not go on, and no task may run until both
            self.end_runs(api, "ended because EXCHANGE was changed")  # connections point to the same side
            self.pause_scheduled(api)

    def _start_database(self) -> None:
        server = databases.embedded_server(self.state)
        if server.pid() is None and self.state.read(RECORD).get("embedded"):
            self.processes.stop(keep=components.EXCHANGE)  # not every component finds back to a restarted database
        databases.start(self.state)

    def _start_exchange(self) -> str:
        port = self._port(components.EXCHANGE, "exchange")
        self.state.write("exchange", {"port": port})
        return components.start_exchange(self.processes, port, self.state.folder / "exchange-cache")

    def _port(self, component: str, record: str) -> int:
        """The port of a running component; else the one it had where that is free, else a free one."""
        before = self.state.read(record).get("port")
        if before and self.processes.find(component):
            return int(before)
        return free_port(before)
