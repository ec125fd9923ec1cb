"""What the tasks of every Dag have in common: `default_args` and the arguments of closing tasks and lanes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from include.klines.retry import ExchangeRetryPolicy
from include.klines.settings import POOL

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "klines",
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "retry_policy": ExchangeRetryPolicy(),
    "execution_timeout": timedelta(hours=6),
    "weight_rule": "absolute",
    "priority_weight": 10,
}
"""Three more tries after 1, 2 and 4 minutes, or up to twice as long; what the exchange said goes before that.

A slot that gets free goes to these before it goes to a lane: a long load must not keep health checks and sums waiting.
"""

CLOSING: dict[str, Any] = {
    "task_display_name": "Sum up",
    "trigger_rule": "all_done",
    "retries": 0,
}
"""Of the task that ends each Dag: it sums up whatever happened, and fails where something did."""

LANE: dict[str, Any] = {
    "pool": POOL,
    "priority_weight": 1,
    "map_index_template": "{{ task.lane['name'] }}",
    "execution_timeout": timedelta(hours=12),
}
"""Of mapped tasks that ask the exchange, each for a lane of series."""
