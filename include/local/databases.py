"""Where candles and Airflow's metadata live: the embedded server, or the server that MARKET_DB_URL names.

With MARKET_DB_URL the candles go into that very database, simulated ones into `market_sim` beside it, and Airflow's
metadata into `<name>_airflow_<id>` beside it, one for each runtime folder: several machines may load into the same
database, each with an Airflow of its own. Where the role may not create that, the metadata stay in the embedded server.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import psycopg
from cryptography.fernet import Fernet, InvalidToken
from psycopg import sql as compose
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from include.klines import sql
from include.klines.addresses import parse_address
from include.klines.errors import MigrationError
from include.klines.migrate import migrate
from include.local.errors import LocalRunError
from include.local.postgres import PostgresServer
from include.local.postgres_folder import postgres_folder
from include.server import cluster, identity
from include.server.cluster import MARKET, METADATA, READER, WRITER

if TYPE_CHECKING:
    from include.local.state import Secrets, State

SIMULATED = "market_sim"
ID_LENGTH = 8
LONGEST_NAME = 63 - len("_airflow_") - ID_LENGTH
"""PostgreSQL cuts what is longer than 63 bytes."""


@dataclass(frozen=True)
class Databases:
    """Addresses in libpq's key=value form; `server` is None where no embedded server is needed."""

    market: str
    metadata: str
    server: PostgresServer | None
    reader: str = ""
    """The market database as the role backtester, or as whoever can be had."""

    def describe(self) -> str:
        """Where the candles go, in a few words without a password."""
        target = conninfo_to_dict(self.market)
        where = f"database {target.get('dbname')} on {target.get('host')}:{target.get('port', 5432)}"
        if self.server is None:
            return f"{where} (MARKET_DB_URL)"
        binaries = self.server.binaries
        return f"{where}, PostgreSQL {binaries.major} ({binaries.origin})"

    @property
    def metadata_url(self) -> str:
        """The metadata database for SQLAlchemy."""
        return sqlalchemy_url(self.metadata)


def embedded_server(state: State) -> PostgresServer:
    """The embedded server of this folder, not started."""
    port = state.read("postgres").get("port")
    return PostgresServer(postgres_folder(state), state.secrets().postgres, preferred_port=port)


def prepare(state: State, market_url: str | None, *, simulated: bool) -> Databases:
    """Start what is needed, create roles and databases, migrate the market database, and give it to its exchange."""
    if market_url:
        databases = _given(state, market_url, simulated=simulated)
    else:
        databases = _embedded(state, start(state), SIMULATED if simulated else MARKET)
    _migrate(databases.market)
    name_database(databases.market, "simulated" if simulated else "binance")
    return databases if databases.reader else replace(databases, reader=_as_reader(databases.market))


def start(state: State) -> PostgresServer:
    """Start the embedded server and remember its port."""
    server = embedded_server(state)
    server.start()
    state.write("postgres", {"port": server.port, "major": server.binaries.major, "origin": server.binaries.origin})
    return server


def sqlalchemy_url(conninfo: str) -> str:
    """The address for SQLAlchemy with psycopg2, further libpq options included."""
    options = conninfo_to_dict(conninfo)
    user, password = (quote(str(options.pop(name, "") or ""), safe="") for name in ("user", "password"))
    host, port = options.pop("host", "localhost"), options.pop("port", 5432)
    database = quote(str(options.pop("dbname", user)), safe="")
    login = f"{user}:{password}@" if user else ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql+psycopg2://{login}{host}:{port}/{database}{query}"


def _embedded(state: State, server: PostgresServer, market: str) -> Databases:
    secrets = state.secrets()
    passwords = {METADATA: secrets.airflow, WRITER: secrets.market_writer, READER: secrets.backtester}
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        cluster.prepare(conn, passwords, {METADATA: METADATA, market: WRITER})
    return Databases(
        market=make_conninfo(server.dsn(market, WRITER, secrets.market_writer)),
        metadata=make_conninfo(server.dsn(METADATA, METADATA, secrets.airflow)),
        server=server,
        reader=make_conninfo(server.dsn(market, READER, secrets.backtester)),
    )


def _as_reader(market: str) -> str:
    """The same login in the role backtester, where it may take it; else as it is."""
    options = " ".join(filter(None, (str(conninfo_to_dict(market).get("options") or ""), f"-c role={READER}")))
    taken = make_conninfo(market, options=options)
    try:
        with psycopg.connect(taken, autocommit=True, connect_timeout=10) as conn:
            conn.execute(sql.load("local/database_exchange").encode())
    except psycopg.Error:
        return market
    return taken


def _given(state: State, market_url: str, *, simulated: bool) -> Databases:
    options = parse_address(market_url, "MARKET_DB_URL")
    if "," in f"{options.get('host')}{options.get('port')}":
        raise LocalRunError(
            "MARKET_DB_URL names several servers, and a connection of Airflow holds one: name the primary."
        )
    market = make_conninfo(**options)
    try:
        with psycopg.connect(market, autocommit=True, connect_timeout=10) as conn:
            metadata = _metadata_name(state.secrets(), conn, market)
            if simulated:
                market = make_conninfo(market, dbname=SIMULATED)
                _create_database(conn, SIMULATED)
            try:
                _create_database(conn, metadata)
            except psycopg.errors.InsufficientPrivilege:
                return Databases(market, *_metadata_of_embedded(state))
    except psycopg.errors.InsufficientPrivilege as error:
        raise LocalRunError(
            f"The role of MARKET_DB_URL may not create the database {SIMULATED}: create it for that role, "
            "or use EXCHANGE=binance."
        ) from error
    except psycopg.Error as error:
        raise LocalRunError(f"MARKET_DB_URL cannot be used: {str(error).strip()}") from error
    return Databases(market, make_conninfo(market, dbname=metadata), None)


def _metadata_name(secrets: Secrets, conn: psycopg.Connection, market: str) -> str:
    """The database that only this folder's Airflow uses: it alone has the key of what is encrypted in it.

    Once there was one `<name>_airflow` for all. It stays that of the folder whose key fits, with its history.
    """
    name = conn.info.dbname
    shared = f"{name}_airflow"
    statement = "SELECT FROM pg_database WHERE datname = %(name)s::text AND has_database_privilege(oid, 'CONNECT')"
    found = conn.execute(statement, {"name": shared}).fetchone()
    if found is not None and _is_key_of(secrets.fernet, make_conninfo(market, dbname=shared)):
        return shared
    return f"{name[:LONGEST_NAME]}_airflow_{secrets.runtime_id[:ID_LENGTH]}"


def _is_key_of(fernet: str, metadata: str) -> bool:
    """Whether the key reads any secret that Airflow's connections in that database hold."""
    try:
        with psycopg.connect(metadata, autocommit=True, connect_timeout=10) as conn:
            encrypted = conn.execute(
                "SELECT coalesce(password, '') FROM connection WHERE is_encrypted"
                " UNION ALL SELECT coalesce(extra, '') FROM connection WHERE is_extra_encrypted"
            ).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return False
    return any(_reads(Fernet(fernet), secret) for (secret,) in encrypted)


def _reads(key: Fernet, secret: str) -> bool:
    try:
        key.decrypt(secret)
    except InvalidToken:
        return False
    return True


def _metadata_of_embedded(state: State) -> tuple[str, PostgresServer]:
    embedded = _embedded(state, server := start(state), SIMULATED)
    return embedded.metadata, server


def _create_database(conn: psycopg.Connection, name: str) -> None:
    found = conn.execute("SELECT FROM pg_database WHERE datname = %(name)s::text", {"name": name}).fetchone()
    if found is None:
        statement = compose.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
        conn.execute(statement.format(compose.Identifier(name)))


def _migrate(market: str) -> None:
    try:
        with psycopg.connect(market, autocommit=True, connect_timeout=10) as conn:
            migrate(conn)
    except (psycopg.Error, MigrationError) as error:
        raise LocalRunError(f"The market database cannot be brought up to date: {str(error).strip()}") from error


def name_database(market: str, exchange: str) -> None:
    """Give an unnamed market database to `exchange` (binance or simulated); LocalRunError where it is another's."""
    with psycopg.connect(market, autocommit=True, connect_timeout=10) as conn:
        held = identity.name_database(conn, exchange)
        name = conn.info.dbname
    if held != exchange:
        raise LocalRunError(
            f"The database {name} holds {held} candles, and this run would write {exchange} ones: "
            "name another database in MARKET_DB_URL, or choose another EXCHANGE."
        )
