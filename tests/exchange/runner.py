"""The exchange from Python: in a thread or in a process of its own, with its controls as methods."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from tests.exchange.server import Server
from tests.exchange.state import Options, State, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class ExchangeError(Exception):
    """The exchange did not start, or could not follow a control call; the sentence says why."""


class Exchange:
    """A simulated exchange on loopback; a context manager.

    `now` (a datetime or ISO text, UTC) sets its clock and lets it stand still, or run on with `ticking`; without it the
    machine's clock counts. `process=True` runs it in a process of its own, so that it does not share this one's
    interpreter lock; there, `prebuild` orders (SYMBOLS:INTERVALS:START:END[:daily], dates) build files before it
    listens.
    """

    def __init__(
        self,
        *,
        now: datetime | str | None = None,
        ticking: bool = False,
        replay: Path | str | None = None,
        extended: int = 0,
        weight_limit: int = 6000,
        weight_clock: str = "wall",
        latency: float = 0.0,
        cache: Path | str | None = None,
        prebuild: Sequence[str] = (),
        port: int = 0,
        process: bool = False,
    ) -> None:
        self.options = Options(
            now=moment(now) if isinstance(now, str) else now,
            ticking=ticking,
            replay=Path(replay) if replay else None,
            extended=extended,
            weight_limit=weight_limit,
            weight_clock=weight_clock,
            latency=latency,
            cache=Path(cache) if cache else None,
        )
        self.port = port
        self.prebuild = tuple(prebuild)
        self._process = process
        self._child: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Its address: REST, archive and listing."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it listens."""
        if self._process:
            self._start_process()
        else:
            self._start_thread()
        return self

    def stop(self) -> None:
        """Stop it and drop its connections."""
        if self._child:
            self._child.terminate()
            self._child.wait(10)
            if self._child.stdout:
                self._child.stdout.close()
            self._child = None
        if self._thread and self._loop and self._stop:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # controls

    def fault(self, action: str, **rule: Any) -> int:
        """Add a fault (see `tests.exchange.faults`); its number."""
        ids: list[int] = self.control("POST", "faults", [{"action": action, **rule}])["ids"]
        return ids[0]

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force and how often they struck."""
        found: list[dict[str, Any]] = self.control("GET", "faults")
        return found

    def clear_faults(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        self.control("DELETE", "faults" if number is None else f"faults?id={number}")

    def set_clock(self, now: datetime | str, *, ticking: bool = False) -> None:
        """Set the exchange's clock."""
        text = now if isinstance(now, str) else now.isoformat()
        self.control("POST", "clock", {"now": text, "ticking": ticking})

    def advance(self, by: timedelta) -> None:
        """Move the exchange's clock."""
        self.control("POST", "clock", {"advance": by.total_seconds()})

    def revise(self, symbol: str, open_time: datetime | str, **how: Any) -> None:
        """Change an old hour: `volume_percent`, `high_ticks`, `at` (a moment of its clock; default now), `archive`."""
        text = open_time if isinstance(open_time, str) else open_time.isoformat()
        self.control("POST", "revise", {"symbol": symbol, "open_time": text, **how})

    def change_pair(self, symbol: str, **how: Any) -> None:
        """`listed`, `delisted`, `relisted` (ISO hours), `status`, `price`, `holes` (pairs of ISO hours) of a pair."""
        self.control("POST", "pair", {"symbol": symbol, **how})

    def add_outage(self, start: str, end: str) -> None:
        """A further outage of the whole exchange (ISO hours)."""
        self.control("POST", "outage", {"start": start, "end": end})

    def show_recorded_info(self, name: str | None) -> None:
        """Let a replay answer exchangeInfo with a recorded answer as a whole, such as `live_2022-12-03`."""
        self.control("POST", "exchange_info", {"recorded": name})

    def weight(self, **change: Any) -> dict[str, Any]:
        """Read or change the weight: `limit`, `used`, `patience`, `ban_seconds`, `next_minute` (minutes pass)."""
        found: dict[str, Any] = self.control("POST" if change else "GET", "weight", change or None)
        return found

    def requests(self, **match: Any) -> list[dict[str, Any]]:
        """The requests so far, oldest first, that match (`kind`, `symbol`, `interval`, `period`, `status`, `fault`)."""
        found: list[dict[str, Any]] = self.summary(last=50_000, **match)["requests"]
        return found

    def count(self, **match: Any) -> int:
        """How many requests match."""
        found: int = self.summary(last=0, **match)["matching"]
        return found

    def summary(self, **match: Any) -> dict[str, Any]:
        """Counts by kind and status, weight, most requests at once, and the last requests that match."""
        query = urlencode({name: value for name, value in match.items() if value is not None})
        found: dict[str, Any] = self.control("GET", f"requests?{query}")
        return found

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self.control("DELETE", "requests")

    def reset(self) -> None:
        """Back to how it was at the start: clock, faults, revisions, weight, log. Built files are kept."""
        self.control("POST", "reset")

    def control(self, method: str, what: str, body: Any = None) -> Any:
        """A call to /control/…; ExchangeError with its sentence where it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/control/{what}", json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ExchangeError(answer.get("error", f"{method} /control/{what} answered {response.status}."))
        return answer

    # running

    def _start_thread(self) -> None:
        started = threading.Event()
        failure: list[BaseException] = []

        async def serve() -> None:
            server = Server(State(self.options))
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self.port = await server.start("127.0.0.1", self.port)
            started.set()
            await self._stop.wait()
            await server.close()

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                failure.append(error)
                started.set()

        self._thread = threading.Thread(target=run, name="simulated-exchange", daemon=True)
        self._thread.start()
        started.wait(30)
        if failure:
            raise ExchangeError(f"The simulated exchange did not start: {failure[0]}") from failure[0]

    def _start_process(self) -> None:
        options = self.options
        command = [sys.executable, "-m", "tests.exchange", "--port", str(self.port)]
        if options.now:
            command += ["--now", options.now.isoformat()]
        command += ["--ticking"] if options.ticking else []
        command += ["--replay", str(options.replay)] if options.replay else []
        command += ["--cache", str(options.cache)] if options.cache else []
        command += [word for order in self.prebuild for word in ("--prebuild", order)]
        command += ["--extended", str(options.extended), "--weight-limit", str(options.weight_limit)]
        command += ["--weight-clock", options.weight_clock, "--latency-ms", str(options.latency * 1000)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        line = self._child.stdout.readline() if self._child.stdout else ""
        if not line.startswith("listening on "):
            raise ExchangeError(f"The simulated exchange did not start: {line.strip() or 'it ended without a word'}.")
        self.port = int(line.rsplit(":", 1)[1])
