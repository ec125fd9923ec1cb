"""The request weight that all processes behind one address share, and the pauses that all of them obey.

The exchange counts weight per IP and minute; its minutes are not ours. So the budget looks at the last 62 to 63
seconds, whatever the clock says: no minute of the exchange can hold more than 80 % of its limit, even when a request
takes two seconds to arrive. The state is one row of exchange_budget; each decision is one statement on the
database's clock: see include/sql/migrations/0003_exchange_budget.sql.
"""

from __future__ import annotations

import abc
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from binance_plugin.errors import Banned, BudgetUnavailable, RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LONGEST_SLEEP = 120.0
PATIENCE = 300.0

ACQUIRE = (
    "SELECT verdict, wait_seconds, until, used_weight, allowed_weight"
    " FROM acquire_exchange_weight(%(address)s::text, %(weight)s::integer, %(cap)s::integer)"
)
OBSERVE = "SELECT observe_exchange_weight(%(address)s::text, %(observed)s::integer)"
PAUSE = "SELECT pause_exchange(%(address)s::text, %(seconds)s::double precision)"
BAN = "SELECT ban_exchange(%(address)s::text, %(seconds)s::double precision)"
SET_LIMIT = "SELECT set_exchange_weight_limit(%(address)s::text, %(weight_limit)s::integer)"
LIMIT_IS_FRESH = "SELECT exchange_weight_limit_is_fresh(%(address)s::text)"


@dataclass(frozen=True)
class Verdict:
    """The answer to one request for weight: granted, full, too_heavy, paused or banned.

    `wait`: seconds until asking again makes sense; `until`: the same as a time (UTC); `used` and `allowed`: weight of
    the last minute, this grant included, and 80 % of the limit.
    """

    kind: str
    wait: float = 0.0
    until: datetime | None = None
    used: int = 0
    allowed: int = 0


class Budget(abc.ABC):
    """Asked before each request: sleeps short waits and raises for long ones, which are no reason to hold a task slot.

    patience: seconds that one call may sleep in all.
    """

    def __init__(self, address: str, sleep: Callable[[float], None], patience: float = PATIENCE) -> None:
        self.address = address
        self._sleep = sleep
        self._patience = patience

    def acquire(self, weight: int) -> None:
        """Return when `weight` may be spent now. Each try of a request needs its own.

        Sleeps up to 120 s at a time and `patience` in all. Raises Banned at once while a ban lasts, RateLimited where
        the wait would be longer, BudgetUnavailable where the budget cannot be asked.
        """
        slept = 0.0
        while True:
            verdict = self._ask(weight)
            if verdict.kind == "granted":
                return
            if verdict.kind == "banned" and verdict.until is not None:
                raise Banned(
                    f"{self.address} bans this address until {verdict.until:%Y-%m-%d %H:%M:%S} UTC; nothing is sent.",
                    until=verdict.until,
                    retry_after=verdict.wait,
                )
            if verdict.kind == "too_heavy":
                raise BudgetUnavailable(
                    f"a request of weight {weight} can never fit into {verdict.allowed}, 80 % of the weight limit of"
                    f" {self.address}: raise weight_limit of the connection."
                )
            why = "it asked for a pause (429)" if verdict.kind == "paused" else "the weight of the last minute is spent"
            if verdict.wait > LONGEST_SLEEP or slept + verdict.wait > self._patience:
                raise RateLimited(
                    f"{self.address}: {why}; come back in {verdict.wait:.0f} s.", retry_after=verdict.wait
                )
            log.info("%s: %s; waiting %.1f s", self.address, why, verdict.wait)
            self._sleep(verdict.wait)
            slept += verdict.wait

    @abc.abstractmethod
    def _ask(self, weight: int) -> Verdict: ...

    @abc.abstractmethod
    def observe(self, used: int) -> None:
        """Take in the exchange's own count (X-MBX-USED-WEIGHT-1M): others behind this address count too."""

    @abc.abstractmethod
    def pause(self, seconds: float) -> None:
        """A 429: nobody sends for that long."""

    @abc.abstractmethod
    def open_circuit(self, seconds: float) -> datetime:
        """A 418: nobody sends for that long, and nobody waits for it in a slot. Returns its end (UTC)."""

    @abc.abstractmethod
    def needs_limit(self) -> bool:
        """Whether the weight limit should be read from the exchange (never read, or a day old)."""

    @abc.abstractmethod
    def set_limit(self, weight_limit: int) -> None:
        """Record the weight a minute that the exchange allows."""


class WeightBudget(Budget):
    """The budget in Postgres, shared by every process and machine with the same `address`.

    connect: opens an autocommit psycopg 3 connection to a migrated market database; called when first needed and when
    the connection is lost. address: the REST base URL, without credentials. cap: a lower limit than the exchange's.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        address: str,
        *,
        cap: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(address, sleep, patience)
        self._connect = connect
        self._cap = cap
        self._conn: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._used = 0

    def _ask(self, weight: int) -> Verdict:
        verdict = Verdict(*self._call(ACQUIRE, weight=weight, cap=self._cap))
        self._used = verdict.used
        return verdict

    def observe(self, used: int) -> None:
        """See Budget. Costs nothing where the exchange counts no more than the budget knew at the last grant."""
        if used > self._used:
            self._call(OBSERVE, observed=used)

    def pause(self, seconds: float) -> None:  # noqa: D102  (Budget says it)
        self._call(PAUSE, seconds=seconds)

    def open_circuit(self, seconds: float) -> datetime:  # noqa: D102  (Budget says it)
        until: datetime = self._call(BAN, seconds=seconds)[0]
        return until.astimezone(UTC)

    def needs_limit(self) -> bool:  # noqa: D102  (Budget says it)
        return not self._call(LIMIT_IS_FRESH)[0]

    def set_limit(self, weight_limit: int) -> None:  # noqa: D102  (Budget says it)
        self._call(SET_LIMIT, weight_limit=weight_limit)

    def close(self) -> None:
        """Close the database connection; the next use opens another."""
        with self._lock:
            conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _call(self, statement: str, **binds: object) -> Any:
        """One row of one statement. A lost connection is opened again once: weight asked for twice is counted twice."""
        binds["address"] = self.address
        with self._lock:
            for last in (False, True):
                try:
                    if self._conn is None or self._conn.closed:
                        self._conn = self._connect()
                    return self._conn.execute(statement.encode(), binds).fetchone()
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    if self._conn is not None:
                        self._conn.close()
                        self._conn = None
                    if last:
                        raise BudgetUnavailable(
                            f"the weight budget of {self.address} cannot be asked, nothing is sent: {_one_line(error)}"
                        ) from error
                    log.warning("the connection to the weight budget was lost (%s); opening it again", _one_line(error))
                except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable) as error:
                    raise BudgetUnavailable(
                        "the market database has no weight budget: apply its migrations first."
                    ) from error
        raise AssertionError("unreachable")


class UnsharedBudget(Budget):
    """Obeys 429 and 418 within one client only and counts no weight: for benchmarks and tests without a database."""

    def __init__(
        self,
        address: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(address, sleep, patience)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._banned_until = 0.0

    def _ask(self, weight: int) -> Verdict:
        now = self._monotonic()
        kind, end = ("banned", self._banned_until) if self._banned_until > now else ("paused", self._paused_until)
        if end <= now:
            return Verdict("granted")
        return Verdict(kind, end - now, datetime.now(UTC) + timedelta(seconds=end - now))

    def observe(self, used: int) -> None:
        """Nothing is counted."""

    def pause(self, seconds: float) -> None:  # noqa: D102  (Budget says it)
        with self._lock:
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def open_circuit(self, seconds: float) -> datetime:  # noqa: D102  (Budget says it)
        with self._lock:
            self._banned_until = max(self._banned_until, self._monotonic() + seconds)
        return datetime.now(UTC) + timedelta(seconds=seconds)

    def needs_limit(self) -> bool:  # noqa: D102  (Budget says it)
        return False

    def set_limit(self, weight_limit: int) -> None:
        """No limit is kept."""


def weight_limit_of(info: dict[str, Any]) -> int | None:
    """REQUEST_WEIGHT a minute of an exchangeInfo answer; None where it names none."""
    lengths = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
    limits = info.get("rateLimits")
    for entry in limits if isinstance(limits, list) else []:
        if isinstance(entry, dict) and entry.get("rateLimitType") == "REQUEST_WEIGHT":
            try:
                seconds = lengths[entry["interval"]] * int(entry["intervalNum"])
                return max(int(entry["limit"]) * 60 // seconds, 1)
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                continue
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
