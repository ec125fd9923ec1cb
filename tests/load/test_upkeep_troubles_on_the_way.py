"""Whatever the exchange answers in the middle of a daily run: when that is over, the rows are those of a quiet day."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from binance_plugin.errors import BinanceError
from include.klines.errors import KlinesError
from tests.honesty import assert_no_lie, fingerprint
from tests.load.test_lanes_end_to_end import rows
from tests.load.upkeep import Upkeep, utc

if TYPE_CHECKING:
    from tests.exchange import Exchange

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}
MORNING = "2026-01-12T02:03:00Z"
YESTERDAY = "2026-01-11"
TROUBLES: list[dict[str, Any]] = [
    {"action": "limit", "retry_after": 1},
    {"action": "ban", "seconds": 60},
    {"action": "status", "status": 500, "kind": "klines", "times": 2},
    {"action": "status", "status": 503, "kind": "klines", "symbol": "ETHUSDT"},
    {"action": "status", "status": 418, "kind": "klines", "after": 2},
    {"action": "hang", "seconds": 0.5, "kind": "klines", "times": 3},
    {"action": "slow", "seconds": 0.5, "kind": "klines"},
    {"action": "reset", "kind": "any", "times": 4},
    {"action": "cut", "kind": "klines", "times": 2},
    {"action": "malformed", "kind": "klines"},
    {"action": "empty", "symbol": "BTCUSDT", "interval": "1h"},
    {"action": "rows", "defect": "high_below_low", "kind": "klines", "symbol": "ETHUSDT", "interval": "1h", "row": 30},
    {"action": "geo"},
    {"action": "forbidden", "kind": "klines"},
    {"action": "clock_skew", "seconds": 86_400},
]


@pytest.fixture
def quiet(another: Upkeep) -> Upkeep:
    """The same day without any trouble."""
    another.exchange.set_clock(MORNING)
    another.daily(YESTERDAY, **TWO)
    return another


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: "-".join(map(str, list(trouble.values())[:2])))
def test_trouble_in_a_daily_run_ends_in_the_same_rows(
    quiet: Upkeep, upkeep: Upkeep, exchange: Exchange, trouble: dict[str, Any]
) -> None:
    exchange.fault(**trouble)
    with suppress(BinanceError, KlinesError):
        upkeep.daily(YESTERDAY, **TWO)
    assert exchange.faults()[0]["hits"] > 0
    assert_no_lie(upkeep.conn)
    exchange.clear_faults()
    exchange.weight(next_minute=True)
    upkeep.daily(YESTERDAY, **TWO)
    assert fingerprint(upkeep.conn) == fingerprint(quiet.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]
    assert rows(upkeep.conn, "SELECT count(*) FROM market_data_revision") == [(0,)]


@pytest.mark.parametrize(
    "trouble",
    [
        {"action": "wrong_checksum"},
        {"action": "cut_zip"},
        {"action": "corrupt"},
        {"action": "missing"},
        {"action": "status", "status": 503, "kind": "archive"},
        {"action": "cut", "kind": "archive"},
    ],
    ids=lambda trouble: trouble["action"],
)
def test_trouble_with_the_archive_in_a_late_run_ends_in_the_same_rows(
    another: Upkeep, upkeep: Upkeep, exchange: Exchange, trouble: dict[str, Any]
) -> None:
    """A day of a month that is long over: its run loads the whole month from the archive, or else from REST."""
    another.daily("2025-11-11", **TWO)
    exchange.fault(**trouble, path="2025-11")
    with suppress(BinanceError, KlinesError):
        upkeep.daily("2025-11-11", **TWO)
    assert exchange.faults()[0]["hits"] > 0
    assert_no_lie(upkeep.conn)
    exchange.clear_faults()
    upkeep.daily("2025-11-11", **TWO)
    assert fingerprint(upkeep.conn) == fingerprint(another.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


@pytest.mark.parametrize(("days", "zone"), [((25, 26, 27), "Europe/Berlin"), ((28, 29, 30), "America/New_York")])
def test_a_day_on_which_clocks_are_changed_is_a_day_whatever_zone_the_server_is_in(
    another: Upkeep, upkeep: Upkeep, market_dsn: str, days: tuple[int, ...], zone: str
) -> None:
    month = "2025-10" if zone == "Europe/Berlin" else "2026-03"
    with psycopg.connect(market_dsn, options=f"-c timezone={zone}") as conn:
        abroad = Upkeep(conn, upkeep.exchange)
        conn.autocommit = True
        for day in days:
            upkeep.exchange.set_clock(f"{month}-{day + 1}T02:03:00Z")
            for each in (abroad, another):
                each.daily(f"{month}-{day}", **TWO)
        assert fingerprint(another.conn) == fingerprint(upkeep.conn)
    by_day = "SELECT count(*) FROM market_data WHERE timeframe = '1h' GROUP BY symbol, timestamp::date"
    whole = rows(upkeep.conn, f"{by_day} HAVING count(*) = 24")
    assert len(whole) == 2 * 4, "days of 24 hours"


def test_a_ticker_that_names_another_asset_has_candles_of_both_and_no_gap_between(
    upkeep: Upkeep, another: Upkeep, exchange: Exchange
) -> None:
    """LUNA ended on 2022-05-13 at 01:00, and another LUNA began on 2022-05-31 at 06:00."""
    pairs: dict[str, Any] = {"symbols": ["BTC", "LUNA"]}
    exchange.set_clock("2022-05-12T02:03:00Z")
    upkeep.load(**pairs, start="2022-05-01", end="2022-05-11")
    for day in (12, 13, 14, 17, 18, 30, 31):
        exchange.set_clock(f"2022-{'06-01' if day == 31 else f'05-{day + 1}'}T02:03:00Z")
        upkeep.daily(f"2022-05-{day}", **pairs)
    exchange.set_clock("2022-06-02T02:03:00Z")
    upkeep.daily("2022-06-01", **pairs)
    exchange.set_clock("2022-06-05T03:03:00Z")
    upkeep.weekly("2022-06-05", start="2022-05-01", end="2022-06-01")
    another.load(**pairs, start="2022-05-01", end="2022-06-01")
    both = "SELECT * FROM market_data WHERE symbol = 'LUNA' AND timestamp < '2022-06-02' ORDER BY timeframe, timestamp"
    assert rows(upkeep.conn, both) == rows(another.conn, both)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]
    lives = "SELECT listed_at, delisted_at FROM symbol_listing WHERE symbol = 'LUNA' ORDER BY listing_number"
    first, second = rows(upkeep.conn, lives)
    assert (first[1], second) == (utc("2022-05-13 01:00"), (utc("2022-05-31 06:00"), None))
