"""The figures as gauges of Airflow's metrics, received on a real StatsD socket."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.observability import stats

from include.klines.coverage import airflow_metrics, figures, store
from include.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK = datetime.now(UTC)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A StatsD server's socket; Airflow's metrics go there until the end of the test."""
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        server.settimeout(10)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", LOOPBACK)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(server.getsockname()[1]))
        stats.initialize(factory=get_stats_factory(), export_legacy_names=False)
        yield server
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


def test_every_figure_is_a_gauge_of_airflow(reader: str, received: socket.socket) -> None:
    with store.read_connection(reader) as conn:
        expected = {airflow_metrics.gauge_name(one): one.value for one in figures.figures(conn, CLOCK)}
        assert airflow_metrics.send(conn, CLOCK) == len(expected)
    found: dict[str, float] = {}
    while set(found) < set(expected):  # a value below zero takes two datagrams
        name, _, value = received.recv(4096).decode().partition(":")
        found[name.removeprefix("airflow.")] = float(value.removesuffix("|g"))
    assert found["klines.series.1h"] == 9
    assert found["klines.healthy.ban"] == 1
    assert found["klines.missing_candles.1h.pruned"] == expected["klines.missing_candles.1h.pruned"]


def test_nothing_is_read_where_nobody_listens(reader: str) -> None:
    with store.read_connection(reader) as conn:
        assert airflow_metrics.send(conn, CLOCK) == 0


def test_a_label_never_divides_a_name() -> None:
    figure = figures.Figure("weight_used", (("address", "https://api.binance.com:443"),), 5.0)
    assert airflow_metrics.gauge_name(figure) == "klines.weight_used.https_api_binance_com_443"
