"""The world around Airflow: the exchange, the market database, a person's chat, and the one clock of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook

if TYPE_CHECKING:
    import psycopg

    from tests.exchange import Exchange
    from tests.receivers import Chat


@dataclass(frozen=True)
class Received:
    """One message as the webhook took it, and what time it was in the simulated world."""

    at: datetime
    title: str
    text: str


@dataclass
class World:
    """The simulated world; `now` runs on with the machine's clock between two moves."""

    exchange: Exchange
    market: psycopg.Connection
    chat: type[Chat]
    received: list[Received] = field(default_factory=list)
    deleted: int = 0
    _ahead: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move_to(self, moment: datetime) -> None:
        """Set every clock forward to `moment`; it stays where it is later than that."""
        self.collect()
        if moment > self.now:
            self.begin_at(moment)

    def begin_at(self, moment: datetime) -> None:
        """Set every clock: the exchange's and the database's."""
        self._ahead = moment - datetime.now(UTC)
        self.exchange.set_clock(moment, ticking=True)
        self.market.execute("UPDATE simulated.clock SET ahead = %s - pg_catalog.clock_timestamp()", (moment,))

    def sleep(self, seconds: float) -> None:
        """Wait in the simulated world."""
        self.move_to(self.now + timedelta(seconds=seconds))

    def collect(self) -> None:
        """Take the messages that have come, with the time of their coming."""
        while self.chat.messages:
            message = self.chat.messages.pop(0)
            self.received.append(Received(self.now, message["title"], message["message"]))

    def nobody_waits(self) -> None:
        """Whatever the hook waits for passes in the simulated world: its `sleep` is an argument, and this its value."""
        defaults: dict[str, Any] = BinanceHook.__init__.__kwdefaults__
        defaults["sleep"] = self.sleep
