"""Sessions of tasks on the market database, which end when the way to it is gone."""

from __future__ import annotations

import json
from typing import Any

BOUNDS = {
    "connect_timeout": 30,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 9,
    "tcp_user_timeout": 120_000,  # milliseconds; on Linux it also stands for the count
}
"""libpq's, so that they hold whoever made the connection: an answer is waited for as long as the server can be reached.

Not shorter, because Linux also counts a server as gone that is too busy to take what COPY sends for so long.
"""


def connect(hook: Any) -> Any:
    """A new psycopg connection of a PostgresHook, within BOUNDS; what the extra of its Airflow connection says wins."""
    connection = hook.connection
    connection.extra = json.dumps(BOUNDS | connection.extra_dejson)
    return hook.get_conn()
