from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from include.local import components, exchange_choice
from include.local.errors import LocalRunError
from include.local.load_request import RunRequest
from include.local.runtime import Runtime
from include.local.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from include.local.airflow_api import AirflowApi

AIRFLOW = {"airflow": "3", "metadata": "host/airflow"}
NOBODY = "postgresql://127.0.0.1:9/market"
"""A database that would be asked next, and does not answer."""


class Scheduled:
    """Answers for an api-server with these scheduled Dags, unpaused."""

    def __init__(self, *dag_ids: str) -> None:
        self.unpaused = list(dag_ids)

    def pages(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        asked = {"tags": ["scheduled"], "paused": False}
        return [{"dag_id": dag_id} for dag_id in self.unpaused] if path == "dags" and query == asked else []

    def patch(self, path: str, body: dict[str, Any], **query: Any) -> None:
        assert (body, query) == ({"is_paused": True}, {"update_mask": ["is_paused"]})
        self.unpaused.remove(path.removeprefix("dags/"))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def runtime(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A runtime whose components start and answer at once."""
    monkeypatch.setattr(components, "start_airflow", lambda *_: None)
    monkeypatch.setattr(components, "wait_for_api", lambda *_: None)
    state = State(tmp_path / "run")
    state.prepare()
    return Runtime(state, said.append)


@pytest.mark.parametrize("simulated", [True, False])
def test_who_changes_the_exchange_decides_anew_which_dags_run_by_themselves(
    runtime: Runtime, said: list[str], simulated: bool
) -> None:
    runtime.state.write("runtime", AIRFLOW | {"simulated": not simulated})
    api = Scheduled("klines_daily_increment", "klines_health")
    runtime._start({}, cast("AirflowApi", api), AIRFLOW | {"simulated": simulated})
    assert api.unpaused == []
    assert "paused because EXCHANGE was changed: klines_daily_increment, klines_health" in said[-1]


def test_while_the_exchange_stays_the_scheduled_dags_go_on(runtime: Runtime) -> None:
    api = Scheduled("klines_daily_increment")
    for record in ({}, AIRFLOW | {"simulated": False}):
        runtime.state.write("runtime", record)
        runtime._start({}, cast("AirflowApi", api), AIRFLOW | {"simulated": False})
    assert api.unpaused == ["klines_daily_increment"]


def test_a_change_of_the_exchange_that_was_interrupted_is_one_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise LocalRunError("waited 180 s")

    runtime.state.write("runtime", AIRFLOW | {"simulated": False})
    api = Scheduled("klines_daily_increment")
    monkeypatch.setattr(components, "wait_for_api", interrupted)
    with pytest.raises(LocalRunError, match="waited"):
        runtime._start({}, cast("AirflowApi", api), AIRFLOW | {"simulated": True})
    monkeypatch.setattr(components, "wait_for_api", lambda *_: None)
    runtime._start({}, cast("AirflowApi", api), AIRFLOW | {"simulated": True})
    assert api.unpaused == []


def test_a_system_of_real_candles_stays_as_it_is_while_binance_does_not_answer(
    runtime: Runtime, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_choice, "why_unreachable", lambda: "no connection to the host")
    record = AIRFLOW | {"simulated": False, "market": "dbname=market"}
    runtime.state.write("runtime", record)
    with pytest.raises(LocalRunError, match="Binance cannot be used from here: no connection to the host"):
        runtime.up(RunRequest("auto", exchange_given=False, market_url=NOBODY, params={}), "klines_initial_load")
    assert runtime.state.read("runtime") == record
    assert said == []
