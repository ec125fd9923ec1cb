"""Recorded candles served again, exactly as they were recorded. Nothing is synthesised.

A folder holds `klines/{SYMBOL}-{interval}[-…].csv.gz` (REST recordings: five numbers a row, or all twelve fields),
`archive_csv/{SYMBOL}-{interval}-{YYYY-MM}.csv` (original archive files), `exchange_info/*.json.gz` and `manifest.json`.

- REST answers from all of them. Where recordings of one series overlap, the one that was made first answers while the
  clock is not past its end (so BTC 1h of 2020 shows the values of before Binance's revision until 2020-11-28, and the
  revised ones later).
- A recording's last row is an unfinished candle where the manifest says so (or where there is no manifest). It is
  served while the clock is inside it; afterwards nobody knows its final values, so it is left out.
- Fields a recording lacks are "0", times of closing are computed, numbers are the recording's own characters.
- Monthly files: the original CSV byte for byte where there is one, else built for months that one recording covers from
  end to end. A month in which a recording begins or ends has daily files for its whole days and REST for the rest: a
  recording cannot tell a listing from its own beginning.
- Intervals and times that nobody recorded are empty. They will look like gaps, and are.
- The clock, unless given: four days after the newest recorded row or file, so that all closed months are published.
"""

from __future__ import annotations

import csv
import gzip
import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.exchange.archive import MICROSECONDS_FROM, Edition, FileName, periods, publication
from tests.exchange.candles import INTERVALS

if TYPE_CHECKING:
    from pathlib import Path

Row = tuple[int, list[str]]
"""Open time (milliseconds) and the twelve fields as the archive writes them, in milliseconds."""


@dataclass(frozen=True)
class Recording:
    """One recorded series: rows by open time. `end` is when its last candle closes (milliseconds)."""

    opens: list[int]
    rows: list[list[str]]
    width: int
    unfinished: bool

    @property
    def end(self) -> int:
        """When the last candle closes (milliseconds)."""
        return self.opens[-1] + self.width

    def between(self, start: int, end: int, now: int, first: int | None = None, last: int | None = None) -> list[Row]:
        """Rows that open in [start, end) and are known at `now` (all milliseconds): the first or last so many."""
        low, high = bisect_left(self.opens, start), bisect_left(self.opens, min(end, now + 1))
        high = min(high, low + first) if first is not None else high
        low = max(low, high - last) if last is not None else low
        found = list(zip(self.opens[low:high], self.rows[low:high], strict=True))
        if found and self.unfinished and found[-1][0] == self.opens[-1] and now >= self.end:
            found.pop()
        return found


class Replay:
    """Recordings as REST source and as archive. Times are seconds unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.whole_info: str | None = None
        manifest = folder / "manifest.json"
        notes = {one["file"]: one["note"] for one in json.loads(manifest.read_text())} if manifest.exists() else None
        self._series: dict[tuple[str, str], list[Recording]] = {}
        for path in sorted((folder / "klines").glob("*.csv.gz")):
            symbol, interval = path.name.removesuffix(".csv.gz").split("-")[:2]
            unfinished = notes is None or "unfinished" in notes.get(f"klines/{path.name}", "unfinished")
            recording = _read_klines(path, INTERVALS[interval] * 1000, unfinished)
            self._series.setdefault((symbol, interval), []).append(recording)
        self._originals: dict[FileName, Path] = {}
        for path in sorted((folder / "archive_csv").glob("*.csv")):
            symbol, interval, period = path.stem.split("-", 2)
            self._originals[FileName(symbol, interval, period)] = path
            recording = _read_archive(path, INTERVALS[interval] * 1000)
            self._series.setdefault((symbol, interval), []).append(recording)
        if not self._series:
            raise ValueError(f"Nothing to replay: {folder} has neither klines/*.csv.gz nor archive_csv/*.csv.")
        for recordings in self._series.values():
            recordings.sort(key=lambda recording: recording.end)

    @property
    def now(self) -> datetime:
        """Four days after the newest recorded row."""
        newest = max(recording.end for recordings in self._series.values() for recording in recordings)
        return datetime.fromtimestamp(newest / 1000, UTC) + timedelta(days=4)

    # REST

    def listed(self, now: int) -> list[dict[str, Any]]:
        """The recorded entries of the recorded pairs, or one recorded answer as a whole (`whole_info`)."""
        if self.whole_info:
            path = self._folder / "exchange_info" / f"{self.whole_info}.json.gz"
            whole: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))["symbols"]
            return whole
        recorded = {symbol for symbol, _ in self._series}
        entries = [
            self._recorded_info.get(symbol, {"symbol": symbol, "status": "TRADING"}) for symbol in sorted(recorded)
        ]
        return [{"permissionSets": [], **entry} for entry in entries]

    def show_info(self, name: str | None) -> None:
        """Answer exchangeInfo with one recorded answer as a whole (a file's name without endings), or no longer."""
        if name and not (self._folder / "exchange_info" / f"{name}.json.gz").exists():
            raise ValueError(f"No exchange info named {name} was recorded in {self._folder}.")
        self.whole_info = name

    def has(self, symbol: str, now: int) -> bool:
        """Whether anything of the pair was recorded."""
        return any(name == symbol for name, _ in self._series)

    def klines(self, symbol: str, interval: str, start: int | None, end: int | None, limit: int, now: int) -> bytes:
        """One page: candles that open in [start, end] (milliseconds) as JSON."""
        until = (1 << 60) if end is None else end + 1
        # one more than asked for: the unfinished last row may fall away
        if start is not None:
            page = self._rows(symbol, interval, start, until, now * 1000, first=limit + 1)[:limit]
        else:
            page = self._rows(symbol, interval, 0, until, now * 1000, last=limit + 1)[-limit:]
        return json.dumps([_rest_row(fields) for _, fields in page], separators=(",", ":")).encode()

    @cached_property
    def _recorded_info(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for path in sorted((self._folder / "exchange_info").glob("live_*.json.gz")):
            for entry in json.loads(gzip.decompress(path.read_bytes()))["symbols"]:
                found[entry["symbol"]] = entry
        return found

    def _rows(
        self,
        symbol: str,
        interval: str,
        start: int,
        end: int,
        now: int,
        first: int | None = None,
        last: int | None = None,
    ) -> list[Row]:
        """Rows of all recordings of the series; the first made wins while it is not outdated (milliseconds)."""
        recordings = self._series.get((symbol, interval), [])
        found: dict[int, list[str]] = {}
        for recording in reversed(recordings):
            outdated = now >= recording.end
            for open_time, fields in recording.between(start, end, now, first, last):
                if open_time not in found or not outdated:
                    found[open_time] = fields
        return sorted(found.items())

    # archive

    def edition(self, name: FileName, now: int) -> Edition | None:
        """A published file: an original, or a period that one recording covers."""
        published = publication(name)
        if published > now or (name.symbol, name.interval) not in self._series:
            return None
        return Edition(name, published, 0) if name in self._originals or self._covered(name) else None

    def csv(self, edition: Edition, now: int) -> bytes:
        """The original file, or rows of the recording that covers the period."""
        name = edition.name
        if name in self._originals:
            return self._originals[name].read_bytes()
        rows = self._rows(name.symbol, name.interval, name.start * 1000, name.end * 1000, now * 1000)
        scale = "000" if name.start >= MICROSECONDS_FROM else ""
        return "".join(_archive_line(fields, scale) for _, fields in rows).encode()

    def symbols(self, now: int, *, monthly: bool) -> list[str]:
        """The recorded pairs."""
        return sorted({symbol for symbol, _ in self._series})

    def intervals(self, symbol: str) -> list[str]:
        """The recorded intervals of a pair."""
        return sorted(interval for name, interval in self._series if name == symbol)

    def editions(self, symbol: str, interval: str, *, monthly: bool, after: str, now: int) -> list[Edition]:
        """The published files of a series whose period is not before `after`, in order."""
        found: dict[str, Edition] = {}
        for recording in self._series.get((symbol, interval), []):
            for period in periods(recording.opens[0] // 1000, recording.end // 1000, monthly=monthly):
                edition = self.edition(FileName(symbol, interval, period), now) if period >= after else None
                if edition:
                    found[period] = edition
        return [found[period] for period in sorted(found)]

    def size(self, edition: Edition) -> int:
        """About what the zip will have."""
        return 200 + (edition.name.end - edition.name.start) // INTERVALS[edition.name.interval] * 40

    def _covered(self, name: FileName) -> bool:
        """One recording reaches from before the period to after it, and has rows in it."""
        start, end = name.start * 1000, name.end * 1000
        for recording in self._series[name.symbol, name.interval]:
            known_until = recording.opens[-1] if recording.unfinished else recording.end
            if recording.opens[0] <= start and end <= known_until:
                return bisect_left(recording.opens, start) < bisect_left(recording.opens, end)
        return False


def _read_klines(path: Path, width: int, unfinished: bool) -> Recording:
    """A recording with five numbers a row (open_time_ms, …) or with all fields (timestamp, …)."""
    with gzip.open(path, "rt", newline="") as file:
        reader = csv.reader(file)
        head = next(reader)
        if head[0] == "open_time_ms":
            rows = [_twelve(int(row[0]), row[1:6], width) for row in reader]
        else:
            rows = [_twelve_recorded(row) for row in reader]
    return Recording([int(row[0]) for row in rows], rows, width, unfinished)


def _read_archive(path: Path, width: int) -> Recording:
    """An original archive file, brought to milliseconds for REST."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for row in rows:
        row[0], row[6] = (value if len(value) < 16 else value[:-3] for value in (row[0], row[6]))
    return Recording([int(row[0]) for row in rows], rows, width, unfinished=False)


def _twelve(open_time: int, numbers: list[str], width: int) -> list[str]:
    return [str(open_time), *numbers, str(open_time + width - 1), "0", "0", "0", "0", "0"]


def _twelve_recorded(row: list[str]) -> list[str]:
    opened = datetime.fromisoformat(row[0]).replace(tzinfo=UTC)
    close_time, quote, trades, taker, taker_quote = row[6:11]
    whole = [str(int(float(value))) for value in (close_time, trades)]
    return [str(int(opened.timestamp() * 1000)), *row[1:6], whole[0], quote, whole[1], taker, taker_quote, "0"]


def _rest_row(fields: list[str]) -> list[Any]:
    return [int(fields[0]), *fields[1:6], int(fields[6]), fields[7], int(fields[8]), fields[9], fields[10], "0"]


def _archive_line(fields: list[str], scale: str) -> str:
    times = [fields[0] + scale, fields[6] + scale.replace("0", "9")]
    return ",".join([times[0], *fields[1:6], times[1], *fields[7:11], "0"]) + "\n"
