"""The bodies of the scheduled Dags' small tasks: Airflow in, JSON out. What they do is in the modules they call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook
from include.klines.clock import ExchangeClock
from include.klines.database import market_connection
from include.klines.errors import IncompleteMonth, LoadError
from include.klines.load.lanes import Lane
from include.klines.load.planning import Scope
from include.klines.load.summary import coverage_lines, listed
from include.klines.params import MAX_ATTEMPTS, validate_increment_request, validate_range_request
from include.klines.settings import BINANCE_CONN_ID, enabled_timeframes
from include.klines.spans import increment_span, last_midnight, month_before
from include.klines.summing_up import ended, lanes_failed, leave_note
from include.klines.universe.selection import fetch_listings
from include.klines.upkeep.gap_filling import find_gaps, gap_lanes, outcome
from include.klines.upkeep.increments import increment_lanes, increment_scope
from include.klines.upkeep.notes import file_lines, gap_lines, month_lines, quality_lines, too_short
from include.klines.upkeep.scope import keep_universe, stored_series
from include.klines.upkeep.second_look import file_lanes

if TYPE_CHECKING:
    from collections.abc import Sequence


log = logging.getLogger(__name__)

Json = dict[str, Any]
SAYS_WHY = "the first red task says why."


def choose_increment(context: Any) -> Json:
    """The scope of a daily run."""
    hook = BinanceHook(BINANCE_CONN_ID)
    clock = ExchangeClock.read(hook).now()
    request = validate_increment_request(context["params"])
    span = increment_span(context["dag_run"], clock)
    with market_connection() as conn:
        notes = keep_universe(hook, conn, clock=clock, symbols=request.symbols)
        return increment_scope(conn, fetch_listings(conn), request, span, notes).to_json()


def make_increment_lanes(scope: Json, context: Any) -> list[Json]:
    """The lanes of a daily run."""
    clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
    lookback = validate_increment_request(context["params"]).lookback
    with market_connection() as conn:
        return _json(increment_lanes(conn, fetch_listings(conn), Scope.from_json(scope), lookback, clock))


def choose_range(context: Any) -> Json:
    """The stored series and the days that a weekly run or a quality check looks at."""
    clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
    request = validate_range_request(context["params"], until=last_midnight(context["dag_run"], clock))
    with market_connection() as conn:
        series = stored_series(
            conn, fetch_listings(conn), symbols=request.symbols, timeframes=request.timeframes, limit=request.limit
        )
    return Scope.of_series(series, request.window).to_json()


def choose_month(context: Any) -> Json:
    """Every stored series, and the month before."""
    hook = BinanceHook(BINANCE_CONN_ID)
    clock = ExchangeClock.read(hook).now()
    with market_connection() as conn:
        notes = keep_universe(hook, conn, clock=clock)
        series = stored_series(conn, fetch_listings(conn), timeframes=enabled_timeframes())
    return Scope.of_series(series, month_before(context["dag_run"], clock), notes).to_json()


def make_gap_lanes(scope: Json, context: Any) -> list[Json]:
    """The lanes of the gaps that are worth asking for."""
    with market_connection() as conn:
        return _json(gap_lanes(fetch_listings(conn), find_gaps(conn, Scope.from_json(scope), _max_attempts(context))))


def make_file_lanes(scope: Json) -> list[Json]:
    """The lanes of archive files to be read again."""
    with market_connection() as conn:
        return _json(file_lanes(BinanceHook(BINANCE_CONN_ID), conn, fetch_listings(conn), Scope.from_json(scope)))


def publish_gap_fill(scope: Json | None, lanes: list[Json] | None, context: Any) -> Json:
    """The note of a weekly run; LoadError where a lane did not end well. What is still open does not fail the run."""
    if scope is None or lanes is None:
        raise LoadError(f"nothing was planned, so nothing was loaded: {SAYS_WHY}")
    work = Scope.from_json(scope)
    _, lost = ended(context, "load_lane", lanes)
    most = _max_attempts(context)
    with market_connection() as conn:
        result = outcome(conn, _lanes(lanes), work, most)
        lines = [*gap_lines(result, most), *coverage_lines(conn, work), *_lost(lost)]
    leave_note(context, "\n".join(lines))
    if lost:
        raise LoadError(lanes_failed(lost, len(lanes)))
    return {"found": result.found, "filled": result.filled, "open": len(result.left)}


def publish_month(scope: Json | None, lanes: list[Json] | None, again: list[Json] | None, context: Any) -> Json:
    """The note of a monthly run; LoadError where a lane or a plan failed, IncompleteMonth naming every short series.

    The month is judged whatever failed before it, as soon as there is a scope.
    """
    if scope is None:
        raise LoadError(f"nothing was chosen, so nothing was loaded: {SAYS_WHY}")
    work = Scope.from_json(scope)
    no_gaps = "make_lanes did not end well: no gap was asked for" if lanes is None else ""
    no_files = "make_file_lanes did not end well: no archive file was looked at again" if again is None else ""
    lanes, again = lanes or [], again or []
    _, lost = ended(context, "load_lane", lanes)
    reports, lost_files = ended(context, "load_changed_files", again)
    lost = [*lost, *lost_files]
    with market_connection() as conn:
        result = outcome(conn, _lanes(lanes), work, MAX_ATTEMPTS)
        lines, short = month_lines(conn, work)
    lines += [f"{no_gaps}."] if no_gaps else gap_lines(result, MAX_ATTEMPTS)
    lines += [f"{no_files}."] if no_files else file_lines(reports)
    leave_note(context, "\n".join([*lines, *_lost(lost), *listed("Universe", work.notes)]))
    failed = [f"{each}; {SAYS_WHY}" for each in (no_gaps, no_files) if each]
    if short:
        raise IncompleteMonth(" ".join([too_short(work, short), *failed, *(f"Failed lanes: {name}." for name in lost)]))
    if lost:
        failed.append(lanes_failed(lost, len(lanes) + len(again)))
    if failed:
        raise LoadError(" ".join(failed))
    return {"series": len(work.series), "found": result.found, "filled": result.filled}


def publish_quality(scope: Json | None, context: Any) -> Json:
    """The note of a quality check."""
    if scope is None:
        raise LoadError(f"nothing was chosen, so nothing was measured: {SAYS_WHY}")
    work = Scope.from_json(scope)
    with market_connection() as conn:
        lines = quality_lines(conn, work)
    leave_note(context, "\n".join(lines))
    return {"series": len(work.series)}


def _max_attempts(context: Any) -> int:
    return int(context["params"].get("max_attempts") or MAX_ATTEMPTS)


def _lanes(lanes: Sequence[Json]) -> list[Lane]:
    return [Lane.from_json(lane) for lane in lanes]


def _lost(lost: Sequence[str]) -> list[str]:
    return listed("Lanes that did not end well", lost)


def _json(lanes: Sequence[Lane]) -> list[Json]:
    log.info("%s lanes: %s", len(lanes), ", ".join(lane.name for lane in lanes[:20]))
    return [lane.to_json() for lane in lanes]
