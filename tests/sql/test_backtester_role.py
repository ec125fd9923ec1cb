from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest

from include.klines.migrate import migrate
from include.klines.reader import load_ohlcv
from tests.sql.stored import COLUMNS, grid, made_up, store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reader(postgres_server: Any, market_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection as the role backtester."""
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    with psycopg.connect(postgres_server.dsn(name, "backtester"), autocommit=True) as connection:
        yield connection


FORBIDDEN = {
    "write candles": "INSERT INTO market_data SELECT * FROM market_data",
    "change candles": "UPDATE market_data SET open = 1",
    "delete candles": "DELETE FROM market_data",
    "empty a table": "TRUNCATE market_data",
    "drop a table": "DROP TABLE market_data",
    "drop a view": "DROP VIEW symbols",
    "change a table": "ALTER TABLE market_data ADD COLUMN x integer",
    "make a table": "CREATE TABLE mine (x integer)",
    "make a schema": "CREATE SCHEMA mine",
    "make a function": "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql RETURN 1",
    "pin a dataset": "DELETE FROM dataset_pin",
    "forget fingerprints": "SELECT touch_fingerprints('BTC', '1h', '2024-03-01', '2024-04-01')",
    "compute fingerprints": "SELECT refresh_fingerprints()",
    "make partitions": "SELECT ensure_market_data_partitions('1h', '2030-01-01', '2030-02-01')",
    "read the exchange's budget": "SELECT * FROM exchange_budget",
    "read the migrations": "SELECT * FROM schema_migration",
    "become the writer": "SET ROLE market_writer",
    "run a program": "COPY market_data TO PROGRAM 'cat'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_backtester_may_not(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement)


def test_a_backtester_may_not_make_temporary_tables(postgres_server: Any, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        migrate(conn)
        name = conn.info.dbname
    with (
        psycopg.connect(postgres_server.dsn(name, "backtester"), autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute("CREATE TEMP TABLE mine (x integer)")
    with psycopg.connect(empty_dsn) as writer:
        writer.execute("CREATE TEMP TABLE mine (x integer)")


def test_a_backtester_reads_with_the_python_reader(reader: psycopg.Connection, market_conn: psycopg.Connection) -> None:
    march = made_up(grid("2024-03-01", "2024-04-01"))
    store(market_conn, "BTC", "1h", march)
    market_conn.commit()

    frame = load_ohlcv("BTC", "1h", "2024-03-01", "2024-04-01", dsn=reader)

    np.testing.assert_array_equal(frame, march[COLUMNS[:5]])


def test_nobody_else_may_run_the_functions(market_conn: psycopg.Connection) -> None:
    public = market_conn.execute(
        "SELECT proname FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')"
    ).fetchall()

    assert public == []


def test_everything_explains_itself(market_conn: psycopg.Connection) -> None:
    silent = market_conn.execute(
        """
        SELECT relname, attname FROM pg_class INNER JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
            AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
        UNION ALL
        SELECT relname, 'the whole' FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
            AND obj_description(oid, 'pg_class') IS NULL
        UNION ALL
        SELECT proname, 'function' FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
        """
    ).fetchall()

    assert silent == []


def test_a_backtesters_statements_end_after_a_minute_and_its_transactions_after_an_idle_hour(
    postgres_server: Any, empty_dsn: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty_dsn)["dbname"]
    with postgres_server.admin(name) as superuser:
        migrate(superuser)
    with psycopg.connect(postgres_server.dsn(name, "backtester")) as reader:
        assert reader.execute("SHOW statement_timeout").fetchone() == ("1min",)
        assert reader.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1h",)


def test_a_backtester_cannot_read_another_database(postgres_server: Any, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as airflow:
        airflow.execute("CREATE TABLE connection (password text)")
        name = airflow.info.dbname
    with (
        psycopg.connect(postgres_server.dsn(name, "backtester")) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute("SELECT * FROM connection")
