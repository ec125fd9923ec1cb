"""No lie in any status table: every claim of a market database held against its candles, counted here once more.

Nothing of the project's own SQL is used to count: expected candles come from symbol_listing, stored ones from
market_data, and every other table has to agree with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from include.klines.intervals import TIMEFRAMES
from include.klines.reader.request import COLUMNS
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    Row = dict[str, Any]

SEARCHED = {"open", "not_published"}
EXPLAINED = {"exchange_outage", "suspension", "pruned"}


def assert_no_lie(conn: psycopg.Connection, *, deleted: int | None = 0) -> None:
    """Fail with every claim that is not so. `deleted`: how many candles were removed by hand; None: nobody counted."""
    assert lies(conn, deleted=deleted) == []


def fingerprint(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Every stored series: how many candles, and a digest of all of their values. Equal ones are the same rows."""
    return conn.execute(
        b"""SELECT symbol, timeframe, count(*), md5(string_agg(market_data::text, '|' ORDER BY timestamp))
        FROM market_data GROUP BY 1, 2 ORDER BY 1, 2"""
    ).fetchall()


def lies(conn: psycopg.Connection, *, deleted: int | None = 0) -> list[str]:
    """The sentences of what is not so; none where all is well."""
    found: list[str] = []
    for series in _series(conn):
        found += [
            f"{series.name}: {lie}" for lie in (*_range(series), *_gaps(series), *_quality(series), *_log(series))
        ]
    return [*found, *_evidence(conn), *_totals(conn, deleted), *_digests(conn)]


@dataclass(frozen=True)
class _Series:
    """One series, with every row that says something about it."""

    symbol: str
    timeframe: str
    opens: list[datetime]
    listings: list[Row]
    reach: list[Row]
    gaps: list[Row]
    quality: list[Row]
    log: list[Row]

    @property
    def name(self) -> str:
        return f"{self.symbol} {self.timeframe}"

    @cached_property
    def stored(self) -> set[datetime]:
        return set(self.opens)

    @cached_property
    def explained(self) -> set[datetime]:
        return {moment for gap in self.gaps if gap["cause"] in EXPLAINED for moment in self.grid(gap_window(gap))}

    @cached_property
    def searched(self) -> set[datetime]:
        return {moment for gap in self.gaps if gap["cause"] in SEARCHED for moment in self.grid(gap_window(gap))}

    def grid(self, window: Window) -> Iterator[datetime]:
        """Every open time in a window."""
        step = TIMEFRAMES[self.timeframe]
        moment = step.ceil(window.start)
        while moment < window.end:
            yield moment
            moment += step.delta

    def expected(self, window: Window) -> set[datetime]:
        """Every open time in a window at which the pair was listed."""
        floor = TIMEFRAMES[self.timeframe].floor
        lives = [(floor(row["listed_at"]), row["delisted_at"]) for row in self.listings if row["listed_at"]]
        return {
            moment
            for moment in self.grid(window)
            if any(start <= moment and (end is None or moment < end) for start, end in lives)
        }


def gap_window(gap: Row) -> Window:
    """The window of a row of data_gap."""
    return Window(gap["gap_start"], gap["gap_end"])


def _range(series: _Series) -> Iterator[str]:
    if not series.opens:
        if any(row["total_records"] for row in series.reach):
            yield "historical_data_range counts candles, and none is stored"
        return
    if not series.reach:
        yield "it has candles and no row in historical_data_range"
        return
    (reach,) = series.reach
    said = (reach["earliest_date"], reach["latest_date"], reach["total_records"])
    true = (series.opens[0], series.opens[-1], len(series.opens))
    if said != true:
        yield f"historical_data_range says {_text(said)}, stored is {_text(true)}"
    if reach["is_complete"] != (not series.searched):
        yield f"is_complete is {reach['is_complete']}, and {len(series.searched)} candles have no explanation"


def _gaps(series: _Series) -> Iterator[str]:
    before: Row | None = None
    for gap in series.gaps:
        missing = set(series.grid(gap_window(gap)))
        if len(missing) != gap["missing_records"]:
            yield f"the gap {gap_window(gap)} misses {len(missing)} candles and says {gap['missing_records']}"
        if missing & series.stored:
            yield f"the gap {gap_window(gap)} holds {len(missing & series.stored)} stored candles"
        if gap["cause"] != "pruned" and missing - series.expected(gap_window(gap)):
            yield f"the gap {gap_window(gap)} reaches out of the listing"
        if before is not None and before["gap_end"] > gap["gap_start"]:
            yield f"the gaps {gap_window(before)} and {gap_window(gap)} overlap"
        before = gap


def _quality(series: _Series) -> Iterator[str]:
    months = [row for row in series.quality if row["period"] == "month"]
    promised: set[datetime] = set()
    for row in months:
        promised |= series.expected(Window(row["date_range_start"], row["date_range_end"]))
    unknown = promised - series.stored - series.explained - series.searched
    if unknown:
        yield f"{len(unknown)} candles are missing and in no gap, the first of them {min(unknown):%Y-%m-%d %H:%M}"
    for row in series.quality:
        start, end = row["date_range_start"], row["date_range_end"]
        expected = {moment for moment in promised if start <= moment < end}
        missing = expected - series.stored
        unfillable = len(missing & series.explained)
        true = (len(expected), len(expected) - len(missing), len(missing), unfillable, len(missing) > unfillable)
        names = ("expected_records", "actual_records", "missing_records", "unfillable_records", "has_gaps")
        said = tuple(row[name] for name in names)
        if said != true:
            yield f"data_quality says {said} ({', '.join(names)}) of {row['period']} {start:%Y-%m-%d}, true is {true}"
        fillable = len(expected) - unfillable
        share = 100.0 * true[1] / fillable if fillable else 100.0
        if abs(row["adjusted_completeness_percentage"] - share) > 1e-9:
            yield f"adjusted completeness of {row['period']} {start:%Y-%m-%d} is {share}, and not what is said"


def _log(series: _Series) -> Iterator[str]:
    for row in series.log:
        window = Window(row["window_start"], row["window_end"])
        wrote = row["rows_inserted"] + row["rows_revised"] + row["rows_unchanged"]
        if row["rows_fetched"] != wrote:
            yield f"the log of {window} has {row['rows_fetched']} candles fetched and {wrote} accounted for"
        if row["status"] == "failed":
            continue
        known = series.stored | series.explained | series.searched
        silent = {moment for moment in series.expected(window) if moment not in known}
        closed = {moment for moment in silent if moment + TIMEFRAMES[series.timeframe].delta <= row["finished_at"]}
        if closed:
            yield f"the log calls {window} a success, and {len(closed)} of its candles are neither stored nor in a gap"


def _evidence(conn: psycopg.Connection) -> Iterator[str]:
    """Causes stand on evidence, and revisions on the values that are stored."""
    bare = _rows(
        conn,
        """SELECT symbol, timeframe, gap_start FROM data_gap WHERE resolved_at IS NULL AND cause = 'suspension'
        AND (cardinality(rest_empty_on) < 2 OR cardinality(archive_empty_on) < 2)""",
    )
    yield from (f"{row['symbol']} {row['timeframe']} {row['gap_start']}: a suspension nobody confirmed" for row in bare)
    alone = _rows(
        conn,
        """SELECT symbol, timeframe, gap_start FROM data_gap WHERE resolved_at IS NULL AND cause = 'exchange_outage'
        AND NOT tstzrange(gap_start, gap_end)
            <@ (SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') FROM exchange_outage)""",
    )
    yield from (f"{row['symbol']} {row['timeframe']} {row['gap_start']}: an outage that is not known" for row in alone)
    differing = " OR ".join(f"newest.new_{name} <> stored.{name}" for name in COLUMNS)
    revised = _rows(
        conn,
        f"""SELECT newest.symbol, newest.timeframe, newest.timestamp
        FROM (
            SELECT DISTINCT ON (symbol, timeframe, timestamp) * FROM market_data_revision
            ORDER BY symbol, timeframe, timestamp, revised_at DESC
        ) AS newest
        JOIN market_data AS stored USING (symbol, timeframe, timestamp) WHERE {differing}""",  # noqa: S608  # names above
    )
    yield from (f"{row['symbol']} {row['timeframe']} {row['timestamp']}: stored is not the revision" for row in revised)


def _totals(conn: psycopg.Connection, deleted: int | None) -> Iterator[str]:
    """What the log says was written is what is there."""
    (row,) = _rows(
        conn,
        """SELECT
            (SELECT count(*) FROM market_data) AS stored,
            (SELECT coalesce(sum(missing_records), 0)::bigint FROM data_gap
             WHERE cause = 'pruned' AND resolved_at IS NULL) AS pruned,
            (SELECT count(*) FROM market_data_revision) AS revisions,
            (SELECT count(*) FROM rejected_candle) AS rejections,
            coalesce(sum(rows_inserted), 0)::bigint AS inserted,
            coalesce(sum(rows_revised), 0)::bigint AS revised,
            coalesce(sum(rows_rejected), 0)::bigint AS rejected
        FROM data_sync_log""",
    )
    gone = row["inserted"] - row["stored"] - row["pruned"]
    if gone < 0 if deleted is None else gone != deleted:
        yield f"the log counts {row['inserted']} candles in, and {row['stored']} are stored, {deleted} deleted by hand"
    if row["revised"] != row["revisions"]:
        yield f"the log counts {row['revised']} revisions, and {row['revisions']} are kept"
    if row["rejected"] != row["rejections"]:
        yield f"the log counts {row['rejected']} refused candles, and {row['rejections']} are kept"


def _digests(conn: psycopg.Connection) -> Iterator[str]:
    stale = _rows(
        conn,
        """SELECT kept.symbol, kept.timeframe, kept.month
        FROM series_fingerprint AS kept,
            candle_digest(kept.symbol, kept.timeframe, kept.month::timestamp AT TIME ZONE 'UTC',
                (kept.month + interval '1 month') AT TIME ZONE 'UTC') AS now
        WHERE kept.digest IS NOT NULL AND (kept.digest, kept.candles) IS DISTINCT FROM (now.digest, now.candles)""",
    )
    yield from (f"{row['symbol']} {row['timeframe']} {row['month']:%Y-%m}: its digest is another" for row in stale)


def _series(conn: psycopg.Connection) -> Iterator[_Series]:
    candles: dict[tuple[str, str], list[datetime]] = {}
    for symbol, timeframe, moment in conn.execute(
        b"SELECT symbol, timeframe, timestamp FROM market_data ORDER BY symbol, timeframe, timestamp"
    ):
        candles.setdefault((symbol, timeframe), []).append(moment)
    listings = _rows(conn, "SELECT symbol, listed_at, delisted_at FROM symbol_listing")
    reach, quality, log = (
        _rows(conn, f"SELECT * FROM {table}")  # noqa: S608  # the names that follow
        for table in ("historical_data_range", "data_quality", "data_sync_log")
    )
    gaps = _rows(conn, "SELECT * FROM data_gap WHERE resolved_at IS NULL ORDER BY symbol, timeframe, gap_start")
    spoken_of = {(row["symbol"], row["timeframe"]) for rows in (reach, quality, log, gaps) for row in rows}
    for symbol, timeframe in sorted({*candles, *spoken_of}):
        yield _Series(
            symbol,
            timeframe,
            candles.get((symbol, timeframe), []),
            [row for row in listings if row["symbol"] == symbol],
            *(
                [row for row in rows if (row["symbol"], row["timeframe"]) == (symbol, timeframe)]
                for rows in (reach, gaps, quality, log)
            ),
        )


def _rows(conn: psycopg.Connection, statement: str) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode()).fetchall()


def _text(values: Sequence[Any]) -> str:
    return ", ".join(f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value) for value in values)
