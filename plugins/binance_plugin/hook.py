"""BinanceHook: the client of Binance's public market data on an Airflow connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
from airflow.sdk import BaseHook

from binance_plugin import market
from binance_plugin.budget import PATIENCE, Budget, WeightBudget
from binance_plugin.client import BinanceClient
from binance_plugin.errors import BinanceError, BudgetUnavailable
from binance_plugin.probe import PATIENCE_OF_A_TEST, describe, quick
from binance_plugin.settings import BinanceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

BINANCE_CONN_ID = "binance_default"
MARKET_CONN_ID = "market_db"
"""As include/klines/settings.py has them, which no plugin imports: a test holds both to the same."""


class BinanceHook(BinanceClient, BaseHook):
    """Binance's public market data, as client.py has it, on an Airflow connection and the shared budget.

    binance_conn_id: an Airflow connection of any type, read as settings.BinanceSettings says, when first needed.
    BadConnection names what is wrong with it. budget: shared request weight; by default the one in the market database
    behind `market_conn_id`, opened when first needed. sleep: replaced in tests.
    """

    conn_name_attr = "binance_conn_id"
    default_conn_name = BINANCE_CONN_ID
    conn_type = "binance"
    hook_name = "Binance market data"

    def __init__(
        self,
        binance_conn_id: str = BINANCE_CONN_ID,
        *,
        market_conn_id: str = MARKET_CONN_ID,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        BaseHook.__init__(self)
        BinanceClient.__init__(self, self._settings_of_connection, self._shared_budget, sleep)
        self.binance_conn_id = binance_conn_id
        self.market_conn_id = market_conn_id
        self._budget = budget  # where it is given, none is opened

    def test_connection(self) -> tuple[bool, str]:
        """Whether REST, archive and listing answer, and a sentence on how, or what to change; for Airflow's form."""
        shared = None
        try:
            settings = quick(self.settings)
            shared = self._shared_budget(patience=PATIENCE_OF_A_TEST) if self._budget is None else None
            return True, describe(
                lambda budget: self.of(settings, budget, self._sleep), settings, shared or self.budget
            )
        except BinanceError as error:
            return False, str(error)
        finally:
            if shared is not None:
                shared.close()

    def get_conn(self) -> BinanceHook:
        """The hook itself: HTTP has no connection to hand out."""
        return self

    def _settings_of_connection(self) -> BinanceSettings:
        return BinanceSettings.from_connection(self.get_connection(self.binance_conn_id))

    def _shared_budget(self, patience: float = PATIENCE) -> WeightBudget:
        settings = self.settings
        return WeightBudget(
            self._open_market_database,
            settings.rest_url,
            cap=settings.weight_limit,
            sleep=self._sleep,
            patience=patience,
        )

    def _open_market_database(self) -> psycopg.Connection[Any]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        try:
            conn = market.connect(PostgresHook(self.market_conn_id))
        except psycopg.Error:
            raise
        except Exception as error:  # Airflow's own error for an unknown connection differs between its processes
            raise BudgetUnavailable(f"connection {self.market_conn_id} cannot be used: {error}") from error
        conn.autocommit = True
        return conn  # type: ignore[no-any-return]  # the hook has no type for its connection


class BinanceHttpHook(BinanceHook):
    """The same hook for connections of type http, the type of `binance_default`; see provider.py."""

    conn_type = "http"
    hook_name = "Binance market data (http)"
