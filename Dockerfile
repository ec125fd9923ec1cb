# Airflow and the packages that Dags need, in the versions that the tests ran with. The bundle itself is mounted read-only
# by docker-compose.yaml, so a new checkout needs a new image only when requirements.txt or constraints.txt changed.
#
# The slim image brings Airflow without providers: what we need of them comes from our own list. The tag is pinned; to pin
# the bytes as well, replace it by tag@digest (`docker buildx imagetools inspect apache/airflow:slim-3.3.2-python3.11`).
FROM apache/airflow:slim-3.3.2-python3.11

COPY --chown=airflow:root requirements.txt constraints.txt /tmp/packages/

# Up to the heading "make run" stands what the system needs; below it, what only a workstation and the tests need.
RUN sed '/^# --- `make run`/,$d' /tmp/packages/requirements.txt > /tmp/packages/server.txt \
    && grep -q '^apache-airflow==3\.3\.2' /tmp/packages/server.txt \
    && pip install --no-cache-dir -r /tmp/packages/server.txt -c /tmp/packages/constraints.txt \
    && rm -r /tmp/packages

# Where the prune puts candles before it removes them; a volume that is mounted here belongs to the same user.
RUN mkdir /opt/airflow/cold
