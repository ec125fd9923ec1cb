#!/usr/bin/env bash
# Brings a server to the state of this checkout: roles, databases, both schemas, pool, connections, the first user.
# docker-compose.yaml runs it before every start; a second run changes nothing. tests/e2e/test_compose_services.py runs
# this very file against a real PostgreSQL. Needs PGHOST, PGPORT, the passwords of .env, and Airflow's settings.
set -euo pipefail
market="dbname=market user=market_writer"

echo "1/4 roles and databases"
python -m include.server.databases

echo "2/4 tables of the market database"
PGPASSWORD=$MARKET_WRITER_PASSWORD python -m include.klines.migrate "$market"
PGPASSWORD=$MARKET_WRITER_PASSWORD python -m include.server.identity "$market" binance

echo "3/4 tables of Airflow's metadata"
airflow db migrate

echo "4/4 pool, connections and the first user"
python -m include.server.airflow_setup

echo "ready"
