"""The exchange without its socket: clock, candles, archive, faults, weight and the log of what was asked."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from tests.exchange import faults, listing, rest, rows
from tests.exchange.answers import REST_KINDS, Request, Response, error, no_such_key
from tests.exchange.archive import Archive, Edition, FileName, SimulatedArchive, build_zip, checksum_line
from tests.exchange.faults import Faults, Rule
from tests.exchange.files import FileStore, Stored
from tests.exchange.market import Market
from tests.exchange.replay import Replay
from tests.exchange.weight import WeightCounter

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How an exchange is set up; `now` None: the machine's clock; given: that moment, still unless `ticking`."""

    now: datetime | None = None
    ticking: bool = False
    replay: Path | None = None
    extended: int = 0
    weight_limit: int = 6000
    weight_clock: str = "wall"
    latency: float = 0.0
    cache: Path | None = None


class Clock:
    """The exchange's clock."""

    def __init__(self, now: datetime | None, ticking: bool) -> None:
        self.set(now, ticking)

    def set(self, now: datetime | None, ticking: bool = False) -> None:
        """Set it; None is the machine's clock."""
        self._base = now.timestamp() if now else None
        self._since = time.monotonic() if ticking else None

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        if self._base is None:
            return time.time()
        return self._base + (time.monotonic() - self._since if self._since is not None else 0.0)

    def advance(self, seconds: float) -> None:
        """Move it."""
        self._base = self.now() + seconds
        self._since = None if self._since is None else time.monotonic()


class RequestLog:
    """What was asked: counts of all, details of the last 50,000."""

    def __init__(self) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.by_kind: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.total = 0
        self.bytes = 0
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()

    def begin(self, request: Request) -> None:
        """A request came in."""
        self.open[request.kind] += 1
        self.most_open[request.kind] = max(self.most_open[request.kind], self.open[request.kind])

    def end(self, request: Request, response: Response, size: int, now: float) -> None:
        """A request was answered, or its fault has taken effect."""
        self.open[request.kind] -= 1
        self.total += 1
        self.bytes += size
        status = response.status if response.delivery.how not in ("hang", "reset") else 0
        self.by_kind[request.kind] += 1
        self.by_status[str(status)] += 1
        self.entries.append(
            {
                "number": self.total,
                "at": time.time(),
                "now": now,
                "method": request.method,
                "target": request.target,
                "kind": request.kind,
                "symbol": request.symbol,
                "interval": request.interval,
                "period": request.file.period if request.file else None,
                "status": status,
                "bytes": size,
                "weight": response.weight,
                "fault": response.fault,
            }
        )


class State:
    """Everything the server answers from; called from the server's thread, but `answer` for files from others too."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.market: Market | None = None
        self.replay: Replay | None = None
        self.archive: Archive
        self._first_now: datetime | None
        self.source: rest.RestSource
        if options.replay is not None:
            self.replay = Replay(options.replay)
            self.archive, self.source = self.replay, self.replay
            self._first_now = options.now or self.replay.now
        else:
            self.market = Market(options.extended)
            self.archive, self.source = SimulatedArchive(self.market), rest.SimulatedRest(self.market)
            self._first_now = options.now
        label = f"-{options.extended}" if options.replay is None else f"-{options.replay.name}"
        self.files = FileStore(self.archive, options.cache, label=label)
        self.clock = Clock(self._first_now, options.ticking)
        self.reset()

    def reset(self) -> None:
        """As it was at the start: no faults, no revisions, no weight, an empty log, the first clock."""
        self.clock.set(self._first_now, self.options.ticking)
        self.faults = Faults()
        self.log = RequestLog()
        clock = self.clock.now if self.options.weight_clock == "virtual" else time.time
        self.weight = WeightCounter(limit=self.options.weight_limit, clock=clock)
        self.latency = self.options.latency
        if self.market:
            self.market.reset()
        if self.replay:
            self.replay.whole_info = None

    @property
    def now(self) -> int:
        """The exchange's clock in whole seconds."""
        return int(self.clock.now())

    def forget_requests(self) -> None:
        """Empty the log; the weight's counters begin anew too, bans stay."""
        self.log = RequestLog()
        self.weight.peak, self.weight.refused, self.weight.sent_while_banned = self.weight.used, 0, 0

    @property
    def simulated(self) -> Market:
        """The market, where candles may be changed."""
        if self.market is None:
            raise ValueError("A replay changes nothing that was recorded: this works on simulated candles only.")
        return self.market

    def needs_building(self, request: Request) -> bool:
        """Whether the answer takes long enough to be made beside the server's thread."""
        if request.file is None:
            return request.kind == "listing"
        if self.faults.rules:
            return True
        edition = self.archive.edition(request.file, self.now)
        return edition is not None and self.files.ready(edition) is None

    def answer(self, request: Request, rule: Rule | None) -> Response:
        """The answer, with the fault that struck. Thread safe for files; REST is asked from one thread."""
        response = self._refusal(request)
        if response is None and rule:
            response = faults.early_answer(rule, request, self.weight)
        if response is None:
            response = self._real(request, rule)
            if rule:
                response = faults.late_answer(rule, response)
        if request.kind in REST_KINDS:
            response.headers |= self.weight.headers()
            response.weight = rest.WEIGHTS[request.kind]
        response.fault = rule.action if rule else None
        return response

    def _refusal(self, request: Request) -> Response | None:
        return self.weight.charge(rest.WEIGHTS[request.kind]) if request.kind in REST_KINDS else None

    def _real(self, request: Request, rule: Rule | None) -> Response:
        if request.kind in REST_KINDS:
            skew = float(rule.options.get("seconds", 0)) if rule and rule.action == "clock_skew" else 0.0
            response = rest.answer(
                request, self.source, now=self.clock.now(), skew=skew, weight_limit=self.weight.limit
            )
            if request.kind == "ping" and self.replay is None:
                response.headers["X-Simulated-Candles"] = "true"
            if rule and rule.action in ("rows", "hide") and request.kind == "klines" and response.status == 200:
                response.body = rows.alter_json(response.body, rule.options, rule.action)
            return response
        if request.kind == "listing":
            return listing.answer(request.params, _Shown(self.archive, self.faults), self.now)
        if request.file is not None:
            return self._file(request, request.file, rule)
        return error(-1, f"Nothing is at {request.path}.", 404)

    def _file(self, request: Request, name: FileName, rule: Rule | None) -> Response:
        edition = self.archive.edition(name, self.now)
        if edition is None:
            return no_such_key(request.path)
        headers = {"Last-Modified": formatdate(edition.modified, usegmt=True)}
        if request.kind == "checksum":
            body = self._checksum(request, edition)
            return Response(200, body, "binary/octet-stream", headers | {"ETag": f'"{edition.etag[::-1]}"'})
        headers["ETag"] = f'"{edition.etag}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(304, b"", "application/zip", headers)
        stored = self.files.get(edition, self.now)
        if rule and rule.action in ("cut_zip", "corrupt", "rows", "hide"):
            body = self._altered(rule, edition, stored)
            if rule.good_checksum:
                self.faults.vouch(name.path, body)
            return Response(200, body, "application/zip", headers)
        if stored.path:
            return Response(200, b"", "application/zip", headers, file=stored.path)
        return Response(200, stored.body, "application/zip", headers)

    def _checksum(self, request: Request, edition: Edition) -> bytes:
        stored = self.files.get(edition, self.now)
        vouched = self.faults.vouched(edition.name.path)
        if vouched:
            return f"{vouched}  {edition.name.stem}.zip\n".encode()
        rule = self.faults.altering(request)
        if rule:
            self.faults.announce(edition.name.path)
            return checksum_line(self._altered(rule, edition, stored), edition.name)
        return stored.checksum

    def _altered(self, rule: Rule, edition: Edition, stored: Stored) -> bytes:
        if rule.action not in ("rows", "hide"):
            return faults.alter_zip(rule, stored.read())
        name = edition.name
        if rule.options.get("defect") == "wrong_symbol":
            other = FileName(rule.options.get("other", "ETHUSDT"), name.interval, name.period)
            csv = self.archive.csv(Edition(other, edition.modified, 0), self.now)
            return build_zip(f"{other.stem}.csv", csv)
        csv = rows.alter_csv(self.archive.csv(edition, self.now), rule.options, rule.action)
        return build_zip(f"{name.stem}.csv", csv)


class _Shown:
    """The archive as the listing sees it: files that a fault keeps back are not there."""

    def __init__(self, archive: Archive, active: Faults) -> None:
        self._archive, self._faults = archive, active
        self.symbols, self.intervals, self.size = archive.symbols, archive.intervals, archive.size
        self.edition, self.csv = archive.edition, archive.csv

    def editions(self, symbol: str, interval: str, *, monthly: bool, after: str, now: int) -> list[Edition]:
        """The files that are not kept back."""
        found = self._archive.editions(symbol, interval, monthly=monthly, after=after, now=now)
        if not any(rule.action == "missing" for rule in self._faults.rules):
            return found
        return [edition for edition in found if not self._faults.hides(_request_for(edition.name))]


def _request_for(name: FileName) -> Request:
    return Request("GET", f"/{name.path}", {}, {}, b"", "archive", f"/{name.path}", name)


def moment(value: str | None) -> datetime | None:
    """An ISO time, UTC where it names no zone."""
    if value is None:
        return None
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
