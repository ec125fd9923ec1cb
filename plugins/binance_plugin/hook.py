"""BinanceHook: klines, exchange info, server time, archive files and their listing, on an Airflow connection.

The hook adds no meaning: rows are as Binance sends them. Times in and out are aware and UTC, ranges half open.
"""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from airflow.sdk import BaseHook

from binance_plugin.archive import ArchiveClient, ArchiveDownload
from binance_plugin.budget import PATIENCE, Budget, UnsharedBudget, WeightBudget, weight_limit_of
from binance_plugin.errors import BinanceError, BudgetUnavailable, MalformedAnswer
from binance_plugin.listing import ArchiveKey, ListingClient
from binance_plugin.paging import PAGE_ROWS, Rows, pages_of
from binance_plugin.probe import PATIENCE_OF_A_TEST, SYMBOL_FOR_LIMITS, describe, quick
from binance_plugin.rest import RestClient
from binance_plugin.settings import BinanceSettings
from binance_plugin.stats import RequestStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BINANCE_CONN_ID = "binance_default"
MARKET_CONN_ID = "market_db"
KLINES_PREFIX = "data/spot/monthly/klines/"
ROW_ITEMS = 12
WEIGHTS = {"klines": 2, "exchange_info": 20, "time": 1}
INTERVAL_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
INTERVAL = re.compile(r"([1-9]\d*)([smhdw])")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class BinanceHook(BaseHook):
    """Binance's public market data.

    binance_conn_id: an Airflow connection of any type, read as settings.BinanceSettings says, when first needed.
    budget: shared request weight; by default the one in the market database behind `market_conn_id`, opened when first
    needed. sleep: replaced in tests.

    klines, exchange_info and server_time raise the REST half of the error tree of errors.py, the archive_* methods its
    ArchiveError half. All methods may be called from several threads; REST requests start one after the other.
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
        super().__init__()
        self.binance_conn_id = binance_conn_id
        self.market_conn_id = market_conn_id
        self.stats = RequestStats()
        self._sleep = sleep
        self._lock = threading.RLock()
        self._budget = budget
        self._opened: WeightBudget | None = None
        self._settings: BinanceSettings | None = None
        self._rest_client: RestClient | None = None
        self._archive_client: ArchiveClient | None = None
        self._limit_is_read = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **settings: Any,
    ) -> BinanceHook:
        """A hook for one address that serves REST, archive and listing, without an Airflow connection.

        settings: fields of BinanceSettings. Without `budget` no weight is counted and nothing is shared.
        """
        url = url.rstrip("/")
        addresses = {"rest_url": url, "archive_url": url, "archive_list_url": url}
        return cls._of(BinanceSettings(**(addresses | settings)), budget or UnsharedBudget(url, sleep=sleep), sleep)

    @classmethod
    def _of(cls, settings: BinanceSettings, budget: Budget, sleep: Callable[[float], None]) -> BinanceHook:
        hook = cls(budget=budget, sleep=sleep)
        hook._settings = settings
        return hook

    @property
    def settings(self) -> BinanceSettings:
        """The connection's settings; BadConnection names what is wrong with it."""
        if self._settings is None:
            self._settings = BinanceSettings.from_connection(self.get_connection(self.binance_conn_id))
        return self._settings

    @property
    def budget(self) -> Budget:
        """The budget that this hook spends from."""
        with self._lock:
            if self._budget is None:
                self._budget = self._opened = self._shared_budget()
            return self._budget

    def beside(self, stopped: threading.Event) -> BinanceHook:
        """A hook for another thread: its own pace, this one's settings, budget, counts and archive downloads.

        Once `stopped` is set it sends no REST request any more, but raises InterruptedError.
        """
        hook = self._of(self.settings, self.budget, self._sleep)
        hook.stats, hook._limit_is_read, hook._archive_client = self.stats, self._limit_is_read, self._archive()
        hook._rest_client = RestClient.of(self.settings, self.budget, self.stats, self._sleep, stopped)
        return hook

    def take_stats(self) -> RequestStats:
        """Counts since the last call; they start again at zero."""
        return self.stats.take()

    def server_time(self) -> datetime:
        """The exchange's clock, UTC, to the millisecond."""
        answer = self._rest().get("/api/v3/time", weight=WEIGHTS["time"])
        try:
            return EPOCH + int(answer["serverTime"]) * MILLISECOND
        except (KeyError, TypeError, ValueError, OverflowError):
            raise MalformedAnswer(f"GET {self.settings.rest_url}/api/v3/time: no serverTime in milliseconds.") from None

    def exchange_info(self, symbols: list[str] | None = None) -> dict[str, Any]:
        """The answer of exchangeInfo as it comes, without permission sets; `symbols` are the exchange's.

        BadSymbol if one of them is unknown. The weight limit it names goes into the budget.
        """
        params = {"showPermissionSets": "false"}
        if symbols is not None:
            params["symbols"] = json.dumps(symbols, ensure_ascii=False, separators=(",", ":"))
        answer = self._rest().get("/api/v3/exchangeInfo", params, weight=WEIGHTS["exchange_info"])
        if not isinstance(answer, dict) or not isinstance(answer.get("symbols"), list):
            raise MalformedAnswer(f"GET {self.settings.rest_url}/api/v3/exchangeInfo: no list of symbols.")
        limit = weight_limit_of(answer)
        if limit is not None:
            self.budget.set_limit(limit)
        self._limit_is_read = True
        return answer

    def klines(
        self,
        exchange_symbol: str,
        interval: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = PAGE_ROWS,
    ) -> Rows:
        """One page: at most `limit` (1000) rows of 12 items with start <= open time < end, oldest first.

        `start` alone begins at the oldest candle from there; the unfinished candle is among them.
        """
        self._read_limit_once()
        params = {"symbol": exchange_symbol, "interval": interval, "limit": str(limit)}
        if start is not None:
            params["startTime"] = str(_milliseconds(start))
        if end is not None:
            params["endTime"] = str(_milliseconds(end) - 1)
        rows = self._rest().get("/api/v3/klines", params, weight=WEIGHTS["klines"])
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == ROW_ITEMS for row in rows):
            where = f"GET {self.settings.rest_url}/api/v3/klines {exchange_symbol} {interval}"
            raise MalformedAnswer(f"{where}: not a list of rows of {ROW_ITEMS} items.")
        return rows

    def iter_klines(self, exchange_symbol: str, interval: str, start: datetime, end: datetime) -> Iterator[Rows]:
        """All rows with start <= open time < end, a page at a time, in order; empty pages are not yielded.

        Behind a full page the next ones are asked for in threads while the caller reads it; see paging.py.
        """
        match = INTERVAL.fullmatch(interval)
        if match is None:
            raise ValueError(f"interval is {interval!r}, expected one of fixed length like 1m, 1h, 1d.")
        step = int(match[1]) * INTERVAL_SECONDS[match[2]] * 1000

        def ask(since: int) -> Rows:
            return self.klines(exchange_symbol, interval, start=EPOCH + since * MILLISECOND, end=end)

        name = f"GET {self.settings.rest_url}/api/v3/klines {exchange_symbol} {interval}"
        return pages_of(ask, _milliseconds(start), _milliseconds(end), step, name=name)

    def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        """The verified zip of a month ("2024-03") or a day ("2024-03-05")."""
        return self._archive().download(exchange_symbol, interval, period)

    def archive_status(self) -> str:
        """What the archive's address answers to a request for no file in particular."""
        return self._archive().reachable()

    def archive_symbols(self, prefix: str = KLINES_PREFIX) -> Iterator[str]:
        """Every symbol that has files, delisted ones included, as the exchange writes it."""
        return self._listing().folders(prefix)

    def archive_keys(self, prefix: str) -> Iterator[ArchiveKey]:
        """The files of one folder, for example data/spot/monthly/klines/BTCUSDT/1h/."""
        return self._listing().keys(prefix)

    def test_connection(self) -> tuple[bool, str]:
        """Whether REST, archive and listing answer, and a sentence on how, or what to change; for Airflow's form."""
        shared = None
        try:
            settings = quick(self.settings)
            shared = self._shared_budget(patience=PATIENCE_OF_A_TEST) if self._budget is None else None
            return True, describe(
                lambda budget: self._of(settings, budget, self._sleep), settings, shared or self.budget
            )
        except BinanceError as error:
            return False, str(error)
        finally:
            if shared is not None:
                shared.close()

    def close(self) -> None:
        """Close the database connection of the budget that this hook opened itself; the next request opens another."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    def get_conn(self) -> BinanceHook:
        """The hook itself: HTTP has no connection to hand out."""
        return self

    def _read_limit_once(self) -> None:
        """The budget must know the limit before it is spent; one answer a day is enough for all processes."""
        if not self._limit_is_read:
            if self.budget.needs_limit():
                self.exchange_info([SYMBOL_FOR_LIMITS])
            self._limit_is_read = True

    def _rest(self) -> RestClient:
        with self._lock:
            if self._rest_client is None:
                self._rest_client = RestClient.of(self.settings, self.budget, self.stats, self._sleep)
            return self._rest_client

    def _archive(self) -> ArchiveClient:
        with self._lock:
            if self._archive_client is None:
                self._archive_client = ArchiveClient.of(self.settings, self.stats, self._sleep)
            return self._archive_client

    def _listing(self) -> ListingClient:
        return ListingClient.of(self.settings, self.stats, self._sleep)

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
            conn: Any = PostgresHook(self.market_conn_id).get_conn()
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


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: times are aware UTC.")
    return (moment - EPOCH) // MILLISECOND
