"""Who gets in: whoever may read this project's Dags."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends

DAG_ID = "klines_health"
"""What a reader of the page has to be allowed to read. Named here: the check would else believe ?dag_id= in the URL."""

may_read_dags = Depends(requires_access_dag(method="GET", param_dag_id=DAG_ID))
