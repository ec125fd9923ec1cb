"""The figures as Airflow's own metrics, where StatsD or OpenTelemetry is on; klines_health sends them every hour.

Labels become parts of the name (`klines.missing_candles.1h.open`): plain StatsD has no labels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.klines.coverage import figures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import psycopg

    from include.klines.coverage.figures import Figure

SWITCHES = ("statsd_on", "statsd_datadog_enabled", "otel_on")


def send(conn: psycopg.Connection, clock: datetime) -> int:
    """Read the figures and hand them to Airflow; returns how many, 0 where nobody listens: then nothing is read."""
    from airflow.sdk.configuration import conf

    if not any(conf.getboolean("metrics", switch, fallback=False) for switch in SWITCHES):
        return 0
    return emit(figures.figures(conn, clock))


def emit(found: Iterable[Figure]) -> int:
    """A gauge for each figure; returns how many."""
    from airflow.sdk.observability import stats

    given = list(found)
    for figure in given:
        stats.gauge(gauge_name(figure), figure.value)
    return len(given)


def gauge_name(figure: Figure) -> str:
    """`klines.<figure>.<label>.<label>`, with nothing in a label that would divide the name."""
    labels = [re.sub(r"[^a-zA-Z0-9_-]+", "_", value) for _, value in figure.labels]
    return ".".join(("klines", figure.name, *labels))
