"""BinanceClient: klines, exchange info, server time, archive files and their listing.

It adds no meaning: rows are as Binance sends them. Times in and out are aware and UTC, ranges half open. Nothing here
knows of Airflow; hook.py puts it on an Airflow connection.
"""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from binance_plugin.archive import ArchiveClient, ArchiveDownload
from binance_plugin.archive_paths import MONTHLY_KLINES
from binance_plugin.budget import Budget, UnsharedBudget, weight_limit_of
from binance_plugin.errors import MalformedAnswer
from binance_plugin.listing import ArchiveKey, ListingClient
from binance_plugin.paging import PAGE_ROWS, Rows, pages_of
from binance_plugin.rest import RestClient
from binance_plugin.settings import BinanceSettings
from binance_plugin.stats import RequestStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROW_ITEMS = 12
SYMBOL_FOR_LIMITS = "BTCUSDT"  # a pair that always exists keeps the answer small
WEIGHTS = {"klines": 2, "exchange_info": 20, "time": 1}
INTERVAL_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
INTERVAL = re.compile(r"([1-9]\d*)([smhdw])")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class BinanceClient:
    """Binance's public market data.

    read_settings and open_budget are called when first needed, and not again once they answered: the budget is the
    request weight to spend from. sleep: replaced in tests.

    klines, exchange_info and server_time raise the REST half of the error tree of errors.py, the archive_* methods its
    ArchiveError half. All methods may be called from several threads; REST requests start one after the other.
    """

    def __init__(
        self,
        read_settings: Callable[[], BinanceSettings],
        open_budget: Callable[[], Budget],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stats = RequestStats()
        self._read_settings = read_settings
        self._open_budget = open_budget
        self._sleep = sleep
        self._lock = threading.RLock()
        self._limit_lock = threading.Lock()  # of its own: whoever has it waits for an answer
        self._settings: BinanceSettings | None = None
        self._budget: Budget | None = None
        self._rest_client: RestClient | None = None
        self._archive_client: ArchiveClient | None = None
        self._limit_is_read = False

    @staticmethod
    def of(settings: BinanceSettings, budget: Budget, sleep: Callable[[float], None] = time.sleep) -> BinanceClient:
        """A plain client with these settings, spending from this budget."""
        return BinanceClient(lambda: settings, lambda: budget, sleep)

    @staticmethod
    def from_url(
        url: str,
        *,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **settings: Any,
    ) -> BinanceClient:
        """A plain client of one address that serves REST, archive and listing, for scripts, notebooks and tests.

        settings: fields of BinanceSettings. Without `budget` no weight is counted and nothing is shared.
        """
        url = url.rstrip("/")
        addresses = {"rest_url": url, "archive_url": url, "archive_list_url": url}
        return BinanceClient.of(
            BinanceSettings(**(addresses | settings)), budget or UnsharedBudget(url, sleep=sleep), sleep
        )

    @property
    def settings(self) -> BinanceSettings:
        """Addresses, pace and patience."""
        with self._lock:
            if self._settings is None:
                self._settings = self._read_settings()
            return self._settings

    @property
    def budget(self) -> Budget:
        """The budget that this client spends from."""
        with self._lock:
            if self._budget is None:
                self._budget = self._open_budget()
            return self._budget

    def beside(self, stopped: threading.Event) -> BinanceClient:
        """A client for another thread: its own pace, this one's settings, budget, counts and archive downloads.

        Once `stopped` is set it sends no REST request any more, but raises InterruptedError.
        """
        client = self.of(self.settings, self.budget, self._sleep)
        client.stats, client._limit_is_read, client._archive_client = self.stats, self._limit_is_read, self._archive()
        client._rest_client = RestClient.of(self.settings, self.budget, self.stats, self._sleep, stopped)
        return client

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

        Pages ahead are asked for in threads while the caller reads; see paging.py.
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

    def archive_symbols(self) -> Iterator[str]:
        """Every symbol that has monthly files, delisted ones included, as the exchange writes it."""
        return self._listing().folders(MONTHLY_KLINES)

    def archive_keys(self, prefix: str) -> Iterator[ArchiveKey]:
        """The files whose path begins with `prefix`, for example data/spot/monthly/klines/BTCUSDT/1h/."""
        return self._listing().keys(prefix)

    def _read_limit_once(self) -> None:
        """The budget must know the limit before it is spent; one answer a day is enough for all processes."""
        with self._limit_lock:
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


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: times are aware UTC.")
    return (moment - EPOCH) // MILLISECOND
