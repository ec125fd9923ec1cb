"""What the "test connection" button of Airflow's form tries, and the sentence it shows."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from binance_plugin.budget import Budget, UnsharedBudget, weight_limit_of
from binance_plugin.client import SYMBOL_FOR_LIMITS, BinanceClient
from binance_plugin.errors import BudgetUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from binance_plugin.settings import BinanceSettings

TIMEOUT_OF_A_TEST = 10.0
PATIENCE_OF_A_TEST = 2.0


def quick(settings: BinanceSettings) -> BinanceSettings:
    """The settings with one try and no pauses: a test runs inside a request of Airflow's API server."""
    return dataclasses.replace(
        settings, retries=0, request_interval=0.0, burst_size=0, timeout=min(settings.timeout, TIMEOUT_OF_A_TEST)
    )


def describe(make_client: Callable[[Budget], BinanceClient], settings: BinanceSettings, budget: Budget) -> str:
    """Ask REST, archive and listing once each; one sentence on what they said. Raises the first BinanceError.

    A ban or pause in the shared budget is obeyed; where the budget cannot be asked, the test goes on and says so.
    """
    client, note = make_client(budget), ""
    try:
        client.server_time()
    except BudgetUnavailable as error:
        client = make_client(UnsharedBudget(settings.rest_url, patience=PATIENCE_OF_A_TEST))
        note = f" Without the shared weight budget: {error}"
    started = time.monotonic()
    off = (client.server_time() - datetime.now(UTC)).total_seconds()
    milliseconds = (time.monotonic() - started) * 1000
    limit = weight_limit_of(client.exchange_info([SYMBOL_FOR_LIMITS]))
    archive = client.archive_status()
    listed = "symbols" if next(iter(client.archive_symbols()), None) else "no symbol"
    return (
        f"{settings.rest_url} answers in {milliseconds:.0f} ms, its clock differs by {off:+.1f} s, its weight limit"
        f" is {limit or 'not given'} a minute; the archive {settings.archive_url} answers ({archive}); the listing"
        f" {settings.archive_list_url} names {listed}.{note}"
    )
