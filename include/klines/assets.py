"""What the Dags make, as Airflow's asset graph shows it: candles, what was measured of them, that all is well."""

from __future__ import annotations

from airflow.sdk import Asset

MARKET_DATA = Asset("market_data")
"""An event: a run has loaded all it planned. Nobody needs it to run; the Dags have schedules of their own."""

DATA_QUALITY = Asset("data_quality")
"""An event: completeness, gaps and anomalies of a range were measured, and stand in data_quality and data_gap."""

HEALTHY_DATA = Asset("healthy_data")
"""An event: klines_health found every promise kept. Where it is old, something is broken: sla_miss says what."""
