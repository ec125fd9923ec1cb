"""The control address: what tests use to steer the exchange and to see what it was asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.exchange.answers import Request, Response, json_answer
from tests.exchange.revisions import Revision
from tests.exchange.state import moment

if TYPE_CHECKING:
    from tests.exchange.state import State


def answer(request: Request, state: State) -> Response:
    """The answer to /control/…; 400 with a sentence for what cannot be followed."""
    what = request.path.removeprefix("/control/").rstrip("/")
    try:
        body = json.loads(request.body) if request.body else {}
        result = _ACTIONS[request.method, what](state, body, request.params)
    except KeyError as missing:
        return json_answer({"error": f"Nothing to do at {request.method} {request.path}, or it lacks {missing}."}, 400)
    except (ValueError, TypeError) as wrong:
        return json_answer({"error": str(wrong)}, 400)
    return json_answer(result)


def _faults_add(state: State, body: Any, params: dict[str, str]) -> Any:
    return {"ids": state.faults.add(body if isinstance(body, list) else [body])}


def _faults_list(state: State, body: Any, params: dict[str, str]) -> Any:
    return [rule.describe() for rule in state.faults.rules]


def _faults_clear(state: State, body: Any, params: dict[str, str]) -> Any:
    state.faults.clear(int(params["id"]) if "id" in params else None)
    return {}


def _clock_set(state: State, body: Any, params: dict[str, str]) -> Any:
    if "now" in body:
        state.clock.set(moment(body["now"]), bool(body.get("ticking", False)))
    if "advance" in body:
        state.clock.advance(float(body["advance"]))
    return _clock(state, body, params)


def _clock(state: State, body: Any, params: dict[str, str]) -> Any:
    return {"now": datetime.fromtimestamp(state.clock.now(), UTC).isoformat()}


def _revise(state: State, body: Any, params: dict[str, str]) -> Any:
    hour, at = moment(body["open_time"]), moment(body.get("at"))
    if hour is None or hour.timestamp() % 3600:
        raise ValueError(
            f"A revision names the open time of an hour, not {body['open_time']!r}: its minutes and its day follow."
        )
    market = state.simulated
    market.revisions = (
        *market.revisions,
        Revision(
            symbol=body["symbol"],
            hour=int(hour.timestamp()),
            at=state.now if at is None else int(at.timestamp()),
            volume_percent=int(body.get("volume_percent", 131)),
            high_ticks=int(body.get("high_ticks", 0)),
            archive=bool(body.get("archive", True)),
        ),
    )
    return {}


def _pair(state: State, body: Any, params: dict[str, str]) -> Any:
    state.simulated.change_pair(
        body["symbol"],
        listed=_hour(body.get("listed")),
        delisted=_hour(body.get("delisted")),
        relisted=_hour(body.get("relisted")),
        price=str(body.get("price", "1")),
        status=body.get("status"),
        holes=tuple((_hour(start) or 0, _hour(end) or 0) for start, end in body.get("holes", [])),
    )
    return {}


def _outage(state: State, body: Any, params: dict[str, str]) -> Any:
    market = state.simulated
    market.outages = (*market.outages, (_hour(body["start"]) or 0, _hour(body["end"]) or 0))
    return {}


def _exchange_info(state: State, body: Any, params: dict[str, str]) -> Any:
    if state.replay is None:
        raise ValueError("Only a replay has recorded exchange infos to show.")
    state.replay.show_info(body["recorded"])
    return {}


def _hour(text: str | None) -> int | None:
    at = moment(text)
    if at is not None and at.timestamp() % 3600:
        raise ValueError(f"Pairs begin and end, and the exchange stands still, on the hour; not at {text}.")
    return None if at is None else int(at.timestamp())


def _weight_set(state: State, body: Any, params: dict[str, str]) -> Any:
    weight = state.weight
    if "limit" in body:
        weight.limit = int(body["limit"])
    if "patience" in body:
        weight.patience = int(body["patience"])
    if "ban_seconds" in body:
        weight.ban_seconds = float(body["ban_seconds"])
    if "next_minute" in body:
        weight.next_minute(int(body["next_minute"]))
    if "used" in body:
        weight.preset(int(body["used"]))
    return _weight(state, body, params)


def _weight(state: State, body: Any, params: dict[str, str]) -> Any:
    weight = state.weight
    return {
        "limit": weight.limit,
        "used": weight.used,
        "peak": weight.peak,
        "refused": weight.refused,
        "sent_while_banned": weight.sent_while_banned,
        "banned_for": max(weight.banned_until - weight.clock(), 0),
    }


def _latency(state: State, body: Any, params: dict[str, str]) -> Any:
    state.latency = float(body["seconds"])
    return {}


def _requests(state: State, body: Any, params: dict[str, str]) -> Any:
    log = state.log
    chosen = [
        entry
        for entry in log.entries
        if all(str(entry.get(name)) == value for name, value in params.items() if name != "last")
    ]
    last = int(params.get("last", 1000))
    return {
        "total": log.total,
        "bytes": log.bytes,
        "by_kind": dict(log.by_kind),
        "by_status": dict(log.by_status),
        "most_at_once": dict(log.most_open),
        "weight": _weight(state, body, params),
        "matching": len(chosen),
        "requests": chosen[-last:] if last else [],
    }


def _requests_clear(state: State, body: Any, params: dict[str, str]) -> Any:
    state.forget_requests()
    return {}


def _reset(state: State, body: Any, params: dict[str, str]) -> Any:
    state.reset()
    return {}


_ACTIONS = {
    ("POST", "faults"): _faults_add,
    ("GET", "faults"): _faults_list,
    ("DELETE", "faults"): _faults_clear,
    ("POST", "clock"): _clock_set,
    ("GET", "clock"): _clock,
    ("POST", "revise"): _revise,
    ("POST", "pair"): _pair,
    ("POST", "outage"): _outage,
    ("POST", "exchange_info"): _exchange_info,
    ("POST", "weight"): _weight_set,
    ("GET", "weight"): _weight,
    ("POST", "latency"): _latency,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _requests_clear,
    ("POST", "reset"): _reset,
}
