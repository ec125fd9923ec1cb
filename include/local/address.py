"""`python -m include.local.address`: where the market database of `make run` is, for the role that may only read.

Made for `export KLINES_DSN="$(…)"`, which reader and psql understand; the word `writer` asks for market_writer's. A
database of your own (MARKET_DB_URL) has its own roles, so its address is printed as you gave it.
"""

from __future__ import annotations

import sys

from psycopg.conninfo import make_conninfo

from include.local.runtime import RECORD
from include.local.state import State
from include.server.cluster import READER


def address(state: State, *, writer: bool = False) -> str | None:
    """The address in libpq's key=value form; None where `make run` never got that far."""
    record = state.read(RECORD)
    if not record.get("market"):
        return None
    if writer or record.get("given"):
        return str(record["market"])
    return make_conninfo(str(record["market"]), user=READER, password=state.secrets().backtester)


def main() -> int:
    """Print it; exit code 1 where there is none."""
    found = address(State(), writer=sys.argv[1:] == ["writer"])
    if found is None:
        sys.stderr.write("There is no database yet: `make run` makes one.\n")
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
