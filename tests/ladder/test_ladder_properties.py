"""Whatever the rungs have and however they fail: all there is, or an error; and only true confirmations of holes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from binance_plugin.archive import ArchiveDownload
from binance_plugin.errors import ArchiveNotFound, ArchiveUnavailable, BadSymbol, ExchangeUnavailable
from include.klines.candles import moment
from include.klines.intervals import TIMEFRAMES
from include.klines.ladder.archive_csv import period_window
from include.klines.ladder.climbing import fetch_parts
from include.klines.ladder.parts import Part, WindowUnavailable
from include.klines.windows import Window
from tests.ladder.conftest import span, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUR_HOURS = TIMEFRAMES["4h"]
MONTH = span("2022-02-01", "2022-03-01")
OPENS = [MONTH.start + index * FOUR_HOURS.delta for index in range(28 * 6)]
CLOCK = utc("2022-06-01")


@dataclass(frozen=True)
class Script:
    """What each rung lacks, and how it answers. Files: "ok", "absent", "broken"; REST: "ok", "down", "unknown"."""

    monthly: str
    monthly_lacks: frozenset[datetime]
    daily: dict[str, str]
    daily_lacks: frozenset[datetime]
    rest: str
    rest_lacks: frozenset[datetime]

    def archive_file(self, exchange_symbol: str, interval: str, period: str) -> ArchiveDownload:
        state, lacks = self.file(period)
        url = f"http://archive/{period}.zip"
        if state == "absent":
            raise ArchiveNotFound("HTTP 404", url=url)
        if state == "broken":
            raise ArchiveUnavailable("HTTP 503", url=url)
        covers, buffer = period_window(period), io.BytesIO()
        rows = [
            f"{int(opened.timestamp()) * 1000},1,1,1,1,0,0,0,0,0,0,0\n"
            for opened in OPENS
            if opened in covers and opened not in lacks
        ]
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(f"{exchange_symbol}-4h-{period}.csv", "".join(rows))
        return ArchiveDownload(url, "0" * 64, None, buffer.getvalue())

    def iter_klines(
        self, exchange_symbol: str, interval: str, start: datetime, end: datetime
    ) -> Iterator[list[list[Any]]]:
        if self.rest == "down":
            raise ExchangeUnavailable("HTTP 503")
        if self.rest == "unknown":
            raise BadSymbol("-1121")
        found = [opened for opened in OPENS if start <= opened < end and opened not in self.rest_lacks]
        if found:
            yield [[int(at.timestamp()) * 1000, *["1"] * 4, "0", 0, "0", 0, "0", "0", "0"] for at in found]

    def file(self, period: str) -> tuple[str, frozenset[datetime]]:
        if len(period) == len("2022-02"):
            return self.monthly, self.monthly_lacks
        return self.daily.get(period, "ok"), self.daily_lacks


holes = st.frozensets(st.sampled_from(OPENS), max_size=5)  # a day has six candles: no file is empty
file_states = st.sampled_from(["ok", "ok", "absent", "broken"])
scripts = st.builds(
    Script,
    monthly=file_states,
    monthly_lacks=holes,
    daily=st.dictionaries(st.integers(1, 28).map(lambda day: f"2022-02-{day:02d}"), file_states, max_size=28),
    daily_lacks=holes,
    rest=st.sampled_from(["ok", "ok", "down", "unknown"]),
    rest_lacks=holes,
)
windows = st.tuples(st.integers(0, 27), st.integers(1, 28)).map(
    lambda at: Window(MONTH.start + timedelta(days=at[0]), min(MONTH.end, MONTH.start + timedelta(days=at[0] + at[1])))
)


def load(script: Script, window: Window, source: Any) -> Part:
    (part,) = fetch_parts(
        script,
        symbol="BTC",
        exchange_symbol="BTCUSDT",
        timeframe=FOUR_HOURS,
        window=window,
        source=source,
        closed_before=CLOCK,
    )
    return part


@given(scripts, windows, st.sampled_from(["auto", "archive", "rest"]))
def test_a_part_has_all_there_is_or_is_an_error(script: Script, window: Window, source: str) -> None:
    try:
        part = load(script, window, source)
    except WindowUnavailable:
        a_file_is_broken = source != "rest" and "broken" in {script.monthly, *script.daily.values()}
        rest_is_silent = source != "archive" and script.rest != "ok"
        assert a_file_is_broken or rest_is_silent, "there was no reason to fail"
        return
    stored = {moment(at) for at in part.candles.open_time.tolist()}
    wanted = {opened for opened in OPENS if opened in window}
    assert stored <= wanted
    for missing in wanted - stored:
        day = f"{missing:%Y-%m-%d}"
        daily, lacks = script.file(day)
        if source != "archive":
            assert script.rest == "unknown" or missing in script.rest_lacks, "REST had it"
            assert script.rest != "down", "REST was not heard about it"
            assert any(missing in hole for hole in part.empty_by_rest) == (script.rest == "ok")
        if source == "archive":
            assert daily == "absent" or missing in lacks, "the daily file had it"
            assert script.monthly != "ok" or missing in script.monthly_lacks, "the monthly file had it"
    for hole in part.empty_by_archive:
        for opened in (opened for opened in OPENS if opened in hole):
            daily, lacks = script.file(f"{opened:%Y-%m-%d}")
            assert daily != "broken", "a broken file confirms nothing"
            monthly_confirms = script.monthly == "ok" and opened in script.monthly_lacks
            assert monthly_confirms or (daily == "ok" and opened in lacks)
    assert not part.empty_by_rest or source != "archive"
    assert not part.empty_by_archive or source != "rest"
