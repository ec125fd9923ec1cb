"""The hook's settings: the Airflow connection, checked, with defaults."""

from __future__ import annotations

import difflib
import ipaddress
import json
import logging
import math
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from binance_plugin.errors import BadConnection

log = logging.getLogger(__name__)

MARKET_DATA_URL = "https://data-api.binance.vision"
ARCHIVE_URL = "https://data.binance.vision"
ARCHIVE_LIST_URL = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"
BINANCE_DOMAINS = ("binance.com", "binance.vision", "binance.us")


class AirflowConnection(Protocol):
    """What the hook reads of an Airflow connection, whatever its type."""

    conn_id: str
    schema: str | None
    host: str | None
    port: int | None
    password: str | None
    extra: str | None


@dataclass(frozen=True)
class BinanceSettings:
    """Addresses have no trailing slash; times are in seconds; zero turns a pause off.

    request_interval: between the starts of two REST requests of one client; burst_pause: after each burst_size of them;
    retries: tries after the first, after 0.5, 1, 2 … s; weight_limit: request weight a minute, where it shall be lower
    than what the exchange allows (80 % of the lower one is used); timeout: between two reads of an answer;
    connect_timeout: to connect; archive_parallel: downloads at once, each with its checksum; api_key: not needed for
    market data.
    """

    rest_url: str
    archive_url: str = ARCHIVE_URL
    archive_list_url: str = ARCHIVE_LIST_URL
    request_interval: float = 0.2
    burst_size: int = 20
    burst_pause: float = 2.0
    retries: int = 3
    weight_limit: int | None = None
    timeout: float = 30.0
    connect_timeout: float = 5.0
    archive_parallel: int = 4
    api_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_connection(cls, conn: AirflowConnection) -> BinanceSettings:
        """Settings of an Airflow connection of any type; BadConnection names the field or extra that is wrong.

        host: the REST address, with or without scheme (https if none is given, http on loopback); port and schema are
        added where set; password: the API key, if any. Without `archive_url` an address that is not Binance's is taken
        to serve archive and listing too, so that data of two sources are never mixed.
        """
        extras = _extras(conn)
        rest_url = _rest_url(conn)
        own = not _is_binance(rest_url)
        source = _Extras(conn.conn_id, extras)
        settings = cls(
            rest_url=rest_url,
            archive_url=source.url("archive_url", rest_url if own else ARCHIVE_URL),
            archive_list_url=source.url("archive_list_url", rest_url if own else ARCHIVE_LIST_URL),
            request_interval=source.number("request_interval", cls.request_interval),
            burst_size=source.count("burst_size", cls.burst_size),
            burst_pause=source.number("burst_pause", cls.burst_pause),
            retries=source.count("retries", cls.retries),
            weight_limit=source.count("weight_limit", 0, smallest=1) or None,
            timeout=source.number("timeout", cls.timeout, positive=True),
            connect_timeout=source.number("connect_timeout", cls.connect_timeout, positive=True),
            archive_parallel=source.count("archive_parallel", cls.archive_parallel, smallest=1),
            api_key=(conn.password or "").strip() or None,
        )
        source.warn_of_unknown()
        return settings


class _Extras:
    """Extras as numbers and addresses. The form and JSON give numbers, a URI gives text: both are read."""

    def __init__(self, conn_id: str, extras: dict[str, Any]) -> None:
        self._conn_id = conn_id
        self._extras = extras
        self._known: set[str] = set()

    def _value(self, name: str) -> Any:
        self._known.add(name)
        value = self._extras.get(name)
        return value.strip() if isinstance(value, str) else value

    def _refuse(self, name: str, value: object, expected: str) -> BadConnection:
        return BadConnection(f"connection {self._conn_id}: extra {name} is {str(value)[:60]!r}, expected {expected}.")

    def number(self, name: str, default: float, *, positive: bool = False) -> float:
        value = self._value(name)
        if value is None or value == "":
            return default
        expected = "a number of seconds above 0" if positive else "a number of seconds, 0 or more"
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0 or (positive and number == 0):
            raise self._refuse(name, value, expected)
        return number

    def count(self, name: str, default: int, *, smallest: int = 0) -> int:
        value = self._value(name)
        if value is None or value == "":
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not number.is_integer() or number < smallest:
            raise self._refuse(name, value, f"a whole number, {smallest} or more")
        return int(number)

    def url(self, name: str, default: str) -> str:
        value = self._value(name)
        if value is None or value == "":
            return default
        if not isinstance(value, str) or not _is_address(value):
            raise self._refuse(name, "(not shown)", "an address like https://host without user, query or fragment")
        return value.rstrip("/")

    def warn_of_unknown(self) -> None:
        for name in sorted(set(self._extras) - self._known):
            near = difflib.get_close_matches(name, self._known, n=1)
            log.warning(
                "connection %s: extra %s is not known and not used%s",
                self._conn_id,
                name,
                f", is {near[0]} meant?" if near else "",
            )


def _extras(conn: AirflowConnection) -> dict[str, Any]:
    try:
        extras = json.loads(conn.extra or "{}")
    except ValueError:
        extras = None
    if not isinstance(extras, dict):
        raise BadConnection(f"connection {conn.conn_id}: extra is not a JSON object.")
    return extras


def _rest_url(conn: AirflowConnection) -> str:
    host = (conn.host or "").strip().rstrip("/")
    if not host:
        raise BadConnection(
            f"connection {conn.conn_id}: host is empty, expected the REST address, for example {MARKET_DATA_URL}."
        )
    if "://" not in host:
        scheme = (conn.schema or "").strip() or ("http" if _is_loopback(host) else "https")
        host = f"{scheme}://{host}"
    if not _is_address(host):
        raise BadConnection(
            f"connection {conn.conn_id}: host is not an address like {MARKET_DATA_URL} without user, query or fragment."
        )
    parts = urlsplit(host)
    if conn.port and parts.port is None:
        host = f"{parts.scheme}://{parts.netloc}:{conn.port}{parts.path}"
    return host


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return usable and not parts.username and not parts.password and not parts.query and not parts.fragment


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _is_binance(url: str) -> bool:
    name = urlsplit(url).hostname or ""
    return any(name == domain or name.endswith(f".{domain}") for domain in BINANCE_DOMAINS)
