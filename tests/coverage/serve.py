"""`python -m tests.coverage.serve`: the Coverage page on loopback with realistic content, until Ctrl-C or SIGTERM.

--start 2022-01-01 chooses how much is loaded, --all starts scheduler, dag-processor and triggerer too, so that runs
run, --folder keeps everything in one place (deleted at the end otherwise). Prints address, users and passwords.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from include.klines.database import prepare
from include.klines.migrate import migrate
from include.klines.settings import POOL, ROOT
from include.local import components
from include.local.postgres import PostgresServer
from include.server import cluster
from tests.postgres import FAST_AND_UNSAFE

sys.path.insert(0, str(ROOT / "plugins"))  # as Airflow does

from tests.coverage import content, site
from tests.exchange import Exchange


def main() -> int:
    """Bring it up, wait for the end, take it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage.serve")
    parser.add_argument("--start", default="2023-01-01", help="first day to load (default 2023-01-01)")
    parser.add_argument("--all", action="store_true", help="scheduler, dag-processor and triggerer too")
    parser.add_argument("--prefix", default="", help="a path of base_url, such as /airflow")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="klines-coverage-"))
    folder.chmod(0o711)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = PostgresServer(folder / "postgres", "superuser", settings=FAST_AND_UNSAFE)
    running = None
    try:
        began = time.monotonic()
        server.start()
        passwords = {cluster.METADATA: "metadata", cluster.WRITER: "writer", cluster.READER: "reader"}
        owners = {cluster.METADATA: cluster.METADATA, "market_sim": cluster.WRITER}
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
            cluster.prepare(conn, passwords, owners)
        writer = server.dsn("market_sim", cluster.WRITER, "writer")
        with Exchange(process=True) as exchange:
            with psycopg.connect(writer) as conn:
                migrate(prepare(conn))
                content.fill(writer, conn, exchange, start=arguments.start)
                (candles,) = conn.execute("SELECT sum(total_records) FROM historical_data_range").fetchone() or (0,)
            say(f"{candles:,} candles are stored after {time.monotonic() - began:.0f} s")
            names = tuple(components.AIRFLOW) if arguments.all else (components.API_SERVER,)
            running = site.start(
                folder / "airflow",
                server.dsn(cluster.METADATA, cluster.METADATA, "metadata"),
                site.market_connections(writer, server.dsn("market_sim", cluster.READER, "reader"), exchange.url),
                names=names,
                prefix=arguments.prefix,
            )
            site.api(running).post("pools", {"name": POOL, "slots": 8, "description": "", "include_deferred": False})
            say(f"Coverage page: {running.url}/coverage/  in the UI: {running.url}/plugin/coverage")
            for user, password in running.passwords.items():
                say(f"  user {user}  password {password}")
            say(f"market database (writer): {writer}\nAirflow's logs: {folder / 'airflow' / 'logs'}")
            stop.wait()
    finally:
        if running:
            running.processes.stop()
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def say(text: str) -> None:
    """A line, now."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
