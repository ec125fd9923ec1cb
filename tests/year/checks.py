"""What has to be true when the year is over. Each check returns the sentences of what is not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from include.klines.restore import restore
from include.klines.retention.cold_storage import ColdStorage
from include.klines.windows import Window
from tests.honesty import lies
from tests.year import messages
from tests.year.calendar import HEALTH, at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    import psycopg

    from tests.year.calendar import Period
    from tests.year.messages import Told
    from tests.year.timeline import Timeline

ROWS = """
    SELECT symbol, timeframe, to_char(timestamp, 'YYYY-MM') AS month, count(*),
        md5(string_agg(market_data::text, '|' ORDER BY timestamp))
    FROM market_data WHERE timestamp < %s GROUP BY 1, 2, 3"""


def holes(conn: psycopg.Connection, period: Period) -> dict[tuple[str, str], int]:
    """The candles of the period that are missing at the end, by cause and timeframe."""
    rows = conn.execute(
        """SELECT cause, timeframe, sum(missing_records)::integer FROM data_gap
        WHERE resolved_at IS NULL AND gap_start >= %s GROUP BY 1, 2""",
        (period.begin,),
    )
    return {(cause, timeframe): missing for cause, timeframe, missing in rows}


def complete(conn: psycopg.Connection, period: Period) -> Iterator[str]:
    """Every series has all candles that any load can bring, and every hole its cause."""
    short = conn.execute(
        """SELECT symbol, timeframe, period, date_range_start::date, adjusted_completeness_percentage
        FROM data_quality WHERE adjusted_completeness_percentage < 100"""
    )
    for symbol, timeframe, name, start, share in short:
        yield f"{symbol} {timeframe} has {share:.3f} % of {name} {start}"
    gaps = conn.execute(
        """SELECT symbol, timeframe, gap_start, gap_end, cause, attempts FROM data_gap
        WHERE resolved_at IS NULL AND cause IN ('open', 'not_published')"""
    )
    for symbol, timeframe, start, end, cause, attempts in gaps:
        yield f"{symbol} {timeframe} {Window(start, end)} is {cause} after {attempts} attempts"
    found = holes(conn, period)
    for key in sorted({*found, *period.holes}):
        if found.get(key, 0) != period.holes.get(key, 0):
            cause, timeframe = key
            numbers = f"{found.get(key, 0)} candles of {timeframe}, {period.holes.get(key, 0)} should be"
            yield f"missing by {cause}: {numbers}"
    ranges = conn.execute("SELECT symbol, timeframe FROM historical_data_range WHERE NOT is_complete")
    yield from (f"{symbol} {timeframe} is not complete by its range" for symbol, timeframe in ranges)


def same_rows(conn: psycopg.Connection, undisturbed: psycopg.Connection, until: datetime) -> Iterator[str]:
    """The rows are those of an undisturbed load, but for what retention took; nothing that is pinned was taken."""
    here, there = ({row[:3]: row[3:] for row in each.execute(ROWS, (until,))} for each in (conn, undisturbed))
    pruned = {
        (symbol, timeframe): end
        for symbol, timeframe, end in conn.execute(
            """SELECT symbol, timeframe, to_char(max(gap_end), 'YYYY-MM') FROM data_gap
            WHERE cause = 'pruned' AND resolved_at IS NULL GROUP BY 1, 2"""
        )
    }
    yield from (f"{symbol} {timeframe} was pruned, and is pinned" for symbol, timeframe in pruned if timeframe != "4h")
    for key in sorted({*here, *there}):
        symbol, timeframe, month = key
        if key not in here and month < pruned.get((symbol, timeframe), ""):
            continue
        if here.get(key) != there.get(key):
            counts = " and ".join(str(rows[key][0]) if key in rows else "no" for rows in (here, there))
            yield f"{symbol} {timeframe} {month}: {counts} rows here and in the undisturbed load, or other values"


def promised_runs(timeline: Timeline) -> Iterator[str]:
    """So many runs, and those red that should be."""
    good, bad = timeline.ended("success"), timeline.ended("failed")
    red = messages.expected_failures(timeline.period)
    for dag_id in {*good, *bad} - {HEALTH}:
        made, should = good[dag_id] + bad[dag_id], timeline.promised(dag_id)
        if (made, bad[dag_id]) != (should, red[dag_id]):
            yield f"{dag_id}: {made} runs, {bad[dag_id]} of them red; {should} and {red[dag_id]} should be"


def sent(told: Iterable[Told], should: Iterable[Told]) -> Iterator[str]:
    """The messages are those of the calendar, no more and no less."""
    told, should = Counter(told), Counter(should)
    yield from (f"was sent and should not be: {each}" for each in sorted((told - should).elements()))
    yield from (f"was not sent and should be: {each}" for each in sorted((should - told).elements()))


def written(conn: psycopg.Connection, period: Period) -> Iterator[str]:
    """sla_miss says the same as the messages."""
    found, should = messages.misses(conn), messages.expected_misses(period)
    yield from (f"sla_miss has {' '.join(each)}, which should not be" for each in sorted((found - should).elements()))
    yield from (f"sla_miss lacks {' '.join(each)}" for each in sorted((should - found).elements()))


def brought_back(conn: psycopg.Connection, period: Period, clock: datetime) -> Iterator[str]:
    """What the prunes took was not little, and all of it comes back out of its Parquet files."""
    (pruned,) = conn.execute(
        """SELECT coalesce(sum(missing_records), 0)::integer FROM data_gap
        WHERE cause = 'pruned' AND resolved_at IS NULL"""
    ).fetchone() or (0,)
    if bool(pruned) != period.prunes:
        yield f"{pruned} candles were pruned"
    everything = Window(at("2017-01-01"), clock)
    done = restore(conn, ColdStorage.open(conn), everything, clock=clock)
    restored = sum(back.candles for back in done.values())
    if restored != pruned:
        yield f"{restored} of {pruned} pruned candles came back"


def honest(conn: psycopg.Connection, deleted: int) -> list[str]:
    """No status table lies."""
    return lies(conn, deleted=deleted)
