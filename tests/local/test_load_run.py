from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from include.klines.load.lanes import Lane, SeriesPlan
from include.klines.windows import Window
from include.local.load_run import DAG_ID, LoadRun

if TYPE_CHECKING:
    import psycopg

    from include.local.airflow_api import AirflowApi

WINDOW = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
LANES = [
    Lane(
        f"{', '.join(symbols)} 1d", tuple(SeriesPlan(symbol, f"{symbol}USDT", "1d", (WINDOW,)) for symbol in symbols)
    ).to_json()
    for symbols in (["ADA", "BTC"], ["WBTC"])
]


class Airflow:
    """Answers for an api-server on which both lanes' tries failed."""

    def __init__(self, log: list[dict[str, Any]]) -> None:
        self.log = log
        self.state, self.try_number = "up_for_retry", 1

    def get(self, path: str, **query: object) -> dict[str, Any]:
        if "/xcomEntries/" in path:
            return {"value": LANES}
        return {"content": self.log} if "/logs/" in path else {"state": "running"}

    def pages(self, path: str, key: str, **query: object) -> list[dict[str, Any]]:
        common = {"task_id": "load_lane", "state": self.state, "try_number": self.try_number, "end_date": None}
        return [common | {"map_index": index, "rendered_map_index": lane["name"]} for index, lane in enumerate(LANES)]


@pytest.fixture
def airflow() -> Airflow:
    return Airflow([{"error_detail": [{"exc_type": "MemoryError", "exc_value": "too much"}]}])


@pytest.fixture
def load(airflow: Airflow, market_conn: psycopg.Connection) -> LoadRun:
    market_conn.execute(
        "INSERT INTO data_sync_log (dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status,"
        " error, started_at, finished_at) VALUES (%s, 'r', 'ADA, BTC 1d', 'BTC', '1d', '2020-01-01', '2020-02-01',"
        " 'rest', 'failed', 'the exchange was busy', %s, %s)",
        [DAG_ID, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)],
    )
    return LoadRun(cast("AirflowApi", airflow), market_conn, "r")


def test_a_lane_that_left_no_failed_window_is_told_once_a_try_with_its_reason(load: LoadRun, airflow: Airflow) -> None:
    told = {failure.what: failure.reason for failure in load.snapshot().failures}
    assert told == {
        "BTC 1d, 2020-01-01 00:00 to 2020-02-01 00:00": "the exchange was busy",
        "load_lane WBTC 1d": "MemoryError: too much",
    }
    assert load.snapshot().failures == []
    airflow.try_number = 2
    assert [failure.what for failure in load.snapshot().failures] == ["load_lane WBTC 1d"]


def test_a_killed_lane_without_a_word_is_told_as_such(load: LoadRun, airflow: Airflow) -> None:
    airflow.log, airflow.state = [], "failed"
    assert any("ended without a word" in failure.reason for failure in load.snapshot().failures)
    assert [failure.what for failure in load.failures()] == [
        "BTC 1d, 2020-01-01 00:00 to 2020-02-01 00:00",
        "load_lane WBTC 1d",
    ]
