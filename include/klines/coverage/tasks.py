"""The body of the task that ends the weekly gap fill: Airflow in, JSON out."""

from __future__ import annotations

from typing import Any

from include.klines.coverage.report import weekly
from include.klines.database import market_connection
from include.klines.settings import REPORTS
from include.klines.spans import clock_of


def publish_report(context: Any) -> dict[str, Any]:
    """Write the report as of the run's time; a scheduled run mails it: ten gap fills by hand are not ten mails."""
    run = context["dag_run"]
    with market_connection() as conn:
        return weekly.publish(conn, clock_of(run), REPORTS, by_mail=run.run_type == "scheduled")
