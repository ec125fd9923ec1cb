"""Faults on demand: rules that match requests and change what is answered.

A rule is JSON: `{"action": "status", "status": 503, "kind": "klines", "symbol": "BTCUSDT", "times": 2}`.

Which requests: `kind` (a request kind, or "rest", "files", "any"; the default depends on the action), `path` (a
regular expression searched in the decoded path and query), `symbol`, `interval`, `period`, `after` (leave the first N
alone), `times` (then only N; default: until removed). The first rule in the list that matches decides.

| action | parameters | what happens |
|---|---|---|
| status | status 500, body, content_type | that status |
| hang | seconds 60 | no answer, then the connection closes |
| reset | | the connection is reset |
| slow | seconds 1 | the body trickles over that time |
| cut | fraction 0.5 | Content-Length promises all, the connection closes early |
| cut_zip | fraction 0.5, good_checksum | the zip itself is short |
| corrupt | good_checksum | bytes in the middle of the zip are flipped |
| wrong_checksum | | .CHECKSUM names another sum |
| missing | | 404 for zip and checksum, and not in the listing (a late or lost file) |
| forbidden | | 403 and HTML, as the firewall does |
| geo | | 451 with Binance's JSON |
| limit | retry_after 5, for_all | 429 (`for_all`: for every REST request until it is over) |
| ban | seconds 120, for_all | 418 (the same) |
| clock_skew | seconds | serverTime is wrong by that much |
| malformed | | JSON or XML that ends in the middle |
| empty | | klines answers [] |
| rows | defect, row, count, good_checksum true | rows that are wrong: see `rows.py` |
| hide | start, end | candles that open in [start, end) are left out, here and in files |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.exchange import rows
from tests.exchange.answers import FILE_KINDS, REST_KINDS, Delivery, Request, Response, error, no_such_key

if TYPE_CHECKING:
    from tests.exchange.weight import WeightCounter

GEO_BODY = (
    b'{"code":0,"msg":"Service unavailable from a restricted location according to \'b. Eligibility\' in '
    b"https://www.binance.com/en/terms. Please contact customer service if you believe you received this block in "
    b'error."}'
)
FORBIDDEN_BODY = (
    b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n"
    b"<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n"
)

_DEFAULT_KINDS = {
    "cut_zip": {"archive"}, "corrupt": {"archive"}, "wrong_checksum": {"checksum"}, "missing": {"archive", "checksum"},
    "limit": set(REST_KINDS), "ban": set(REST_KINDS), "geo": set(REST_KINDS), "clock_skew": {"time", "exchangeInfo"},
    "malformed": set(REST_KINDS), "empty": {"klines"}, "rows": {"archive", "klines"}, "hide": {"archive", "klines"},
}  # fmt: skip
_OTHERS = {"status", "hang", "reset", "slow", "cut", "forbidden"}
_GROUPS = {"rest": set(REST_KINDS), "files": set(FILE_KINDS), "any": set(REST_KINDS | FILE_KINDS)}
_CONTENT = {"cut_zip", "corrupt", "rows", "hide"}
_MATCHERS = {"action", "kind", "path", "symbol", "interval", "period", "after", "times", "id"}


@dataclass
class Rule:
    """One fault and how often it has struck."""

    number: int
    action: str
    kinds: set[str]
    path: re.Pattern[str] | None = None
    symbol: str | None = None
    interval: str | None = None
    period: str | None = None
    after: int = 0
    times: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, raw: dict[str, Any], number: int) -> Rule:
        """The rule of its JSON; ValueError in a sentence for one that nothing would follow."""
        action = raw.get("action")
        if action not in _DEFAULT_KINDS and action not in _OTHERS:
            known = ", ".join(sorted([*_DEFAULT_KINDS, *_OTHERS]))
            raise ValueError(f"A fault needs an action, one of {known}; not {action!r}.")
        kind = raw.get("kind")
        kinds = _DEFAULT_KINDS.get(action, _GROUPS["any"]) if kind is None else _GROUPS.get(kind, {kind})
        if not kinds <= _GROUPS["any"]:
            raise ValueError(f"Unknown kind {kind!r}: one of {', '.join(sorted(_GROUPS['any'] | set(_GROUPS)))}.")
        if action == "rows" and raw.get("defect") not in rows.DEFECTS:
            raise ValueError(f"Unknown defect {raw.get('defect')!r}: one of {', '.join(sorted(rows.DEFECTS))}.")
        return cls(
            number=number,
            action=action,
            kinds=kinds,
            path=re.compile(raw["path"]) if "path" in raw else None,
            symbol=raw.get("symbol"),
            interval=raw.get("interval"),
            period=raw.get("period"),
            after=raw.get("after", 0),
            times=raw.get("times"),
            options={name: value for name, value in raw.items() if name not in _MATCHERS},
        )

    @property
    def good_checksum(self) -> bool:
        """The checksum vouches for the altered file."""
        return bool(self.options.get("good_checksum", self.action in ("rows", "hide")))

    @property
    def spent(self) -> bool:
        """It has struck as often as it was to."""
        return self.times is not None and self.hits >= self.times

    def concerns(self, request: Request, kind: str) -> bool:
        """Whether the rule means this request (taken as one of `kind`)."""
        file = request.file
        return (
            kind in self.kinds
            and self.symbol in (None, request.symbol)
            and self.interval in (None, request.interval)
            and self.period in (None, file.period if file else None)
            and (self.path is None or self.path.search(request.target) is not None)
        )

    def strikes(self, request: Request) -> bool:
        """Count the request and tell whether the fault happens to it."""
        if self.spent or not self.concerns(request, request.kind):
            return False
        self.seen += 1
        if self.seen <= self.after:
            return False
        self.hits += 1
        return True

    def describe(self) -> dict[str, Any]:
        """The rule for the control address."""
        return {"id": self.number, "action": self.action, "seen": self.seen, "hits": self.hits, "spent": self.spent}


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._number = 0
        self._vouched: dict[str, str] = {}
        self._announced: set[str] = set()

    def add(self, raw: list[dict[str, Any]]) -> list[int]:
        """Add rules; their numbers."""
        parsed = [Rule.parse(one, self._number + i + 1) for i, one in enumerate(raw)]
        self._number += len(parsed)
        self.rules += parsed
        return [rule.number for rule in parsed]

    def clear(self, number: int | None = None) -> None:
        """Remove one rule, or all."""
        self.rules = [rule for rule in self.rules if number is not None and rule.number != number]
        if number is None:
            self._vouched.clear()
            self._announced.clear()

    def strike(self, request: Request) -> Rule | None:
        """The rule that decides about this request."""
        return next((rule for rule in self.rules if rule.strikes(request)), None)

    def hides(self, request: Request) -> bool:
        """Whether a file is missing for the listing."""
        return any(
            rule.action == "missing" and not rule.spent and rule.concerns(request, "archive") for rule in self.rules
        )

    def altering(self, request: Request) -> Rule | None:
        """The rule with which a checksum agrees: content altered, and vouched for."""
        for rule in self.rules:
            due = rule.good_checksum and not rule.spent and rule.seen >= rule.after
            if rule.action in _CONTENT and due and rule.concerns(request, "archive"):
                return rule
        return None

    def vouch(self, path: str, zip_bytes: bytes) -> None:
        """Remember the sum of an altered zip for the checksum that is asked for after it, unless it was before."""
        if path in self._announced:
            self._announced.discard(path)
        else:
            self._vouched[path] = sha256(zip_bytes).hexdigest()

    def announce(self, path: str) -> None:
        """The checksum of an altered zip was given out; the zip is about to follow."""
        self._announced.add(path)

    def vouched(self, path: str) -> str | None:
        """The sum of the altered zip that was served last, once."""
        return self._vouched.pop(path, None)


def early_answer(rule: Rule, request: Request, weight: WeightCounter) -> Response | None:
    """The answer of a fault that needs no real one."""
    options = rule.options
    if rule.action == "status":
        default = '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'
        body = str(options.get("body", default)).encode()
        return Response(int(options.get("status", 500)), body, str(options.get("content_type", "application/json")))
    if rule.action == "hang":
        return Response(delivery=Delivery("hang", float(options.get("seconds", 60))))
    if rule.action == "reset":
        return Response(delivery=Delivery("reset"))
    if rule.action == "missing":
        return no_such_key(request.path)
    if rule.action == "forbidden":
        return Response(403, FORBIDDEN_BODY, "text/html")
    if rule.action == "geo":
        return Response(451, GEO_BODY)
    if rule.action == "empty":
        return Response(200, b"[]")
    if rule.action == "limit":
        wait = float(options.get("retry_after", 5))
        if options.get("for_all"):
            weight.pause(wait)
        return error(-1003, "Too much request weight used; current limit is reached.", 429, Retry_After=f"{wait:g}")
    if rule.action == "ban":
        wait = float(options.get("seconds", 120))
        if options.get("for_all"):
            weight.ban(wait)
        message = "Way too much request weight used; IP banned."
        return error(-1003, message, 418, Retry_After=f"{wait:g}")
    return None


def late_answer(rule: Rule, response: Response) -> Response:
    """The real answer, damaged on its way."""
    options = rule.options
    if rule.action == "slow":
        return replace(response, delivery=Delivery("slow", float(options.get("seconds", 1))))
    if rule.action == "cut":
        return replace(response, delivery=Delivery("cut", fraction=float(options.get("fraction", 0.5))))
    if rule.action == "malformed":
        body = response.whole_body()
        return replace(response, body=body[: max(len(body) * 2 // 3, 1)], file=None)
    if rule.action == "wrong_checksum":
        digest, _, name = response.whole_body().partition(b" ")
        return replace(
            response,
            body=digest.translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0")) + b" " + name,
            file=None,
        )
    return response


def alter_zip(rule: Rule, zip_bytes: bytes) -> bytes:
    """The zip after a fault of its bytes (not of its rows)."""
    if rule.action == "cut_zip":
        return zip_bytes[: int(len(zip_bytes) * float(rule.options.get("fraction", 0.5)))]
    middle = len(zip_bytes) // 2
    return zip_bytes[:middle] + bytes(b ^ 0xFF for b in zip_bytes[middle : middle + 16]) + zip_bytes[middle + 16 :]
