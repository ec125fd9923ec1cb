"""What Airflow shows of the Binance connection: its types, its form fields, and which hook tests it.

Airflow asks the distributions on sys.path for the entry point `apache_airflow_provider`; the folder
plugins/airflow_provider_binance-*.dist-info is such a distribution. So nothing has to be installed, but PYTHONPATH must
name the plugins folder: Airflow itself adds it to sys.path only after it has looked for providers.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from binance_plugin.settings import ARCHIVE_LIST_URL, ARCHIVE_URL, MARKET_DATA_URL, BinanceSettings

NUMBER = ["number", "null"]
WHOLE = ["integer", "null"]
TEXT = ["string", "null"]


def get_provider_info() -> dict[str, Any]:
    """The provider's description, as airflow/provider_info.schema.json has it.

    The type http, the type of `binance_default`, is taken only while Airflow's own HTTP provider is not installed.
    """
    types = [_connection_type("binance", "BinanceHook", "Binance market data")]
    if find_spec("airflow.providers.http") is None:
        types.append(_connection_type("http", "BinanceHttpHook", "Binance market data (http)"))
    return {
        "package-name": "airflow-provider-binance",
        "name": "Binance",
        "description": "Binance's public market data: REST, archive and listing.",
        "connection-types": types,
    }


def _connection_type(name: str, hook_class: str, label: str) -> dict[str, Any]:
    return {
        "connection-type": name,
        "hook-class-name": f"binance_plugin.hook.{hook_class}",
        "hook-name": label,
        "ui-field-behaviour": {
            "hidden-fields": ["login"],
            "relabeling": {"host": "REST address", "password": "API key (not needed)", "schema": "Scheme"},
            "placeholders": {"host": MARKET_DATA_URL, "schema": "https"},
        },
        "conn-fields": _fields(),
    }


def _fields() -> dict[str, Any]:
    settings = BinanceSettings
    return {
        "archive_url": _field(
            "Archive address", f"Empty: {ARCHIVE_URL}, or the REST address where that is not Binance's.", TEXT
        ),
        "archive_list_url": _field("Listing address", f"Empty: {ARCHIVE_LIST_URL}, or as above.", TEXT),
        "request_interval": _field(
            "Request interval (s)",
            "Between the starts of two REST requests of a task; 0 = none.",
            NUMBER,
            settings.request_interval,
        ),
        "burst_size": _field(
            "Burst size", "Requests after which a pause is made; 0 = no pauses.", WHOLE, settings.burst_size
        ),
        "burst_pause": _field("Burst pause (s)", "Pause after each burst.", NUMBER, settings.burst_pause),
        "retries": _field(
            "Retries", "After 5xx, time-outs and resets, with waits of 0.5, 1, 2 … s.", WHOLE, settings.retries
        ),
        "weight_limit": _field(
            "Weight limit a minute",
            "Empty: what the exchange allows. A lower one applies instead; 80 % of it is used.",
            WHOLE,
            smallest=1,
        ),
        "timeout": _field("Read time-out (s)", "Between two reads of an answer.", NUMBER, settings.timeout),
        "connect_timeout": _field("Connect time-out (s)", "For a new connection.", NUMBER, settings.connect_timeout),
        "archive_parallel": _field(
            "Archive downloads at once", "In one task.", WHOLE, settings.archive_parallel, smallest=1
        ),
    }


def _field(
    label: str, description: str, types: list[str], default: float | None = None, smallest: int = 0
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": types}
    if types is not TEXT:
        schema["minimum"] = smallest
    if default is not None:
        schema["default"] = default
    return {"label": label, "description": description, "schema": schema}
