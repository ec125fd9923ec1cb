"""`make docs`: writes docs/dags.md, and the reference in docs/data-model.md."""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

import psycopg

from include.klines.migrate import migrate
from include.klines.settings import ROOT
from include.local.postgres import PostgresServer
from tests.docs.files import wanted
from tests.postgres import FAST_AND_UNSAFE


def main() -> int:
    """Migrate a database of its own, and write what is stale."""
    sys.path.append(str(ROOT / "plugins"))  # where Airflow puts it
    with tempfile.TemporaryDirectory(prefix="klines-docs-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(Path(folder) / "postgres", secrets.token_urlsafe(12), settings=FAST_AND_UNSAFE)
        server.start()
        try:
            with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
                migrate(conn)
                for path, text in wanted(conn).items():
                    changed = not path.exists() or path.read_text(encoding="utf-8") != text
                    path.write_text(text, encoding="utf-8")
                    sys.stdout.write(f"{path.name}: {'written' if changed else 'up to date'}\n")
        finally:
            server.stop("immediate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
