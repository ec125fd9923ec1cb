from __future__ import annotations

import io
import random
import subprocess
import sys
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.klines.candles import Candles, holes, microseconds, moment, split_valid
from include.klines.errors import MalformedFile, RefusedFile, TruncatedFile
from include.klines.intervals import TIMEFRAMES
from include.klines.ladder import archive_csv
from include.klines.ladder.archive_csv import from_archive_csv, period_window, read_archive_file

RECORDED = Path(__file__).resolve().parents[2].parent / "shared/data/binance/archive_csv"
HOUR = TIMEFRAMES["1h"]
MARCH = datetime(2024, 3, 1, tzinfo=UTC)
NAME = "BTCUSDT-1h-2024-03"
COLUMNS = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume"
HEADER = f"{COLUMNS},ignore\n".encode()


def line(hour: int, *, unit: int = 1000, close: str = "11.00000000", volume: str = "100.00000000") -> bytes:
    opened = microseconds(MARCH + timedelta(hours=hour)) // 10**6 * unit
    closed = opened + 3600 * unit - 1
    return f"{opened},10.00000000,12.50000000,9.00000000,{close},{volume},{closed},1050.0,7,40.0,420.0,0\n".encode()


def packed(content: bytes, member: str = f"{NAME}.csv", *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (member, *more):
            archive.writestr(name, content)
    return buffer.getvalue()


def whole_month() -> bytes:
    return b"".join(line(hour) for hour in range(744))


def read(zip_bytes: bytes) -> Candles:
    return read_archive_file(zip_bytes, "BTCUSDT", HOUR, "2024-03")


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"the recordings are not at {RECORDED}")
@pytest.mark.parametrize("period", ["2024-11", "2024-12", "2025-01", "2025-02", "2025-03", "2025-04", "2025-05"])
def test_a_recorded_file_decodes_to_the_numbers_in_its_text(period: str) -> None:
    text = (RECORDED / f"BTCUSDT-1h-{period}.csv").read_bytes()
    candles = read_archive_file(packed(text, f"BTCUSDT-1h-{period}.csv"), "BTCUSDT", HOUR, period)
    covers = period_window(period)
    assert not holes(candles, HOUR, [covers])
    valid, rejected = split_valid(candles, HOUR, covers, covers.end)
    assert (valid, rejected) == (candles, [])
    for index, written in enumerate(text.decode().splitlines()):
        fields = written.split(",")
        opened = int(fields[0]) * (1000 if period < "2025" else 1)
        found = candles.values(index)
        assert list(found.values()) == [
            opened, *map(float, fields[1:6]), float(fields[7]), int(fields[8]), float(fields[9]), float(fields[10])
        ]  # fmt: skip


@given(st.decimals(0, 10**12, places=8))
def test_numbers_are_the_nearest_doubles(value: object) -> None:
    text = f"{value:.8f}"
    assert from_archive_csv(line(0, volume=text), NAME).volume[0] == float(text)


def test_milliseconds_and_microseconds_are_told_by_magnitude() -> None:
    assert from_archive_csv(line(5, unit=10**6), NAME) == from_archive_csv(line(5), NAME)
    assert from_archive_csv(line(5), NAME).first_open == MARCH + timedelta(hours=5)


def test_a_file_that_changes_its_unit_of_time_is_refused() -> None:
    for content in (line(0) + line(1, unit=10**6), line(0) + line(1, unit=10**6) + line(2)):
        with pytest.raises(RefusedFile, match=rf"{NAME}.zip is refused: .*microseconds"):
            from_archive_csv(content, NAME)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", HEADER, b"\xef\xbb\xbf" + HEADER])
def test_one_header_and_a_byte_order_mark_are_tolerated(before: bytes) -> None:
    assert from_archive_csv(before + line(0) + line(1), NAME) == from_archive_csv(line(0) + line(1), NAME)


def test_windows_line_ends_blank_lines_and_a_missing_last_line_end_are_tolerated() -> None:
    expected = from_archive_csv(line(0) + line(1), NAME)
    assert from_archive_csv((line(0) + line(1)).replace(b"\n", b"\r\n"), NAME) == expected
    assert from_archive_csv(line(0) + b"\n" + line(1)[:-1], NAME) == expected


@pytest.mark.parametrize("nothing", ["", "null", "NULL", "None"])
def test_a_missing_volume_is_zero_and_a_missing_price_is_refused_later(nothing: str) -> None:
    candles = from_archive_csv(line(0, volume=nothing) + line(1, close=nothing), NAME)
    assert candles.volume[0] == 0
    valid, rejected = split_valid(candles, HOUR, period_window("2024-03"), MARCH + timedelta(days=40))
    assert len(valid) == 1
    assert [candle.reason for candle in rejected] == ["a number is missing or not finite"]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", MalformedFile, "cannot be read"),
        (HEADER, MalformedFile, "no candles"),
        (b"\n\n", MalformedFile, "no candles"),
        (HEADER + HEADER + line(0), MalformedFile, "cannot be read"),
        (b"<html>not found</html>\n", MalformedFile, "cannot be read"),
        (line(0, close="eleven"), MalformedFile, "eleven"),
        (b"," + line(0).partition(b",")[2], MalformedFile, "without an open time"),
        (line(0) + b"1,2,3\n" + line(1), MalformedFile, "Expected 12 columns"),
        (line(0) + line(1)[:50], TruncatedFile, "middle of a row"),
    ],
)
def test_what_is_no_csv_of_candles_is_refused_with_its_name(content: bytes, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=rf"{NAME}\.csv.*{says}"):
        from_archive_csv(content, NAME)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (line(0) + line(1).replace(b"00000,", b"00001,", 1), "not on the 1h grid"),
        (line(0) + line(744), "1 candles are outside 2024-03, the first at 2024-04-01 00:00:00"),
        (line(-1) + line(0), "outside 2024-03"),
        (line(0) + line(0, close="12.00000000") + line(1), "2024-03-01 00:00 is there twice"),
    ],
)
def test_a_file_that_disagrees_with_itself_is_refused_with_its_name(content: bytes, says: str) -> None:
    with pytest.raises(RefusedFile, match=f"{NAME}.zip is refused: .*{says}") as refusal:
        read(packed(content))
    assert refusal.value.reason == "refused"


def test_identical_duplicates_and_disorder_are_put_right() -> None:
    assert read(packed(line(2) + line(0) + line(1) + line(0))) == read(packed(line(0) + line(1) + line(2)))


def test_another_files_csv_is_refused() -> None:
    with pytest.raises(RefusedFile, match=r"it holds 'ETHUSDT-1h-2024-03\.csv', expected BTCUSDT-1h-2024-03\.csv"):
        read(packed(line(0), "ETHUSDT-1h-2024-03.csv"))


def test_a_zip_with_more_than_one_member_is_refused() -> None:
    with pytest.raises(MalformedFile, match="2 members"):
        read(packed(line(0), f"{NAME}.csv", "readme.txt"))


def test_a_symbol_that_is_not_ascii_is_found_with_and_without_the_utf8_flag() -> None:
    member = "币安人生USDT-1h-2024-03.csv"
    flagged = packed(line(0), member)
    unflagged = flagged.replace(b"\x00\x08", b"\x00\x00")
    assert flagged != unflagged
    for zip_bytes in (flagged, unflagged):
        assert len(read_archive_file(zip_bytes, "币安人生USDT", HOUR, "2024-03")) == 1


def test_a_zip_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_csv, "MAX_CSV_BYTES", 1000)
    with pytest.raises(MalformedFile, match="unpacks to"):
        read(packed(whole_month()))


def test_a_zip_that_names_a_smaller_size_than_it_has_is_refused() -> None:
    content = whole_month()
    lying = packed(content).replace(len(content).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    with pytest.raises(RefusedFile, match=NAME):
        read(lying)


def test_a_cut_zip_is_truncated_and_a_corrupt_one_malformed() -> None:
    whole = packed(whole_month())
    for length in (40, len(whole) // 2, len(whole) - 30):
        with pytest.raises(TruncatedFile, match=NAME):
            read(whole[:length])
    middle = len(whole) // 2
    with pytest.raises(MalformedFile, match=NAME):
        read(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    with pytest.raises(MalformedFile, match=NAME):
        read(b"<html>Service Unavailable</html>")


@given(st.integers(0, 2**32))
def test_a_damaged_zip_gives_the_right_candles_or_a_refusal_but_never_wrong_ones(seed: int) -> None:
    dice = random.Random(seed)
    content = b"".join(line(hour, close=f"{10 + hour % 2}.{hour:08d}") for hour in range(48))
    damaged = bytearray(packed(content))
    for _ in range(dice.randint(1, 3)):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    with suppress(RefusedFile):
        assert read(bytes(damaged)) == read(packed(content))


def test_a_period_is_a_calendar_month_or_day() -> None:
    assert str(period_window("2024-02")) == "[2024-02-01 00:00, 2024-03-01 00:00)"
    assert str(period_window("2024-12-31")) == "[2024-12-31 00:00, 2025-01-01 00:00)"
    assert moment(microseconds(period_window("2024-02").start)) == datetime(2024, 2, 1, tzinfo=UTC)


def test_decoding_does_not_import_pandas() -> None:
    program = f"""
import sys
from include.klines.ladder.archive_csv import from_archive_csv
from include.klines.candles import from_rest
assert len(from_archive_csv({line(0)!r}, "file")) == len(from_rest([[0, *["1"] * 5, 0, "1", 1, "1", "1", "0"]])) == 1
sys.exit("pandas" in sys.modules)
"""
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0, (
        "0.4 s and 45 MB a task"
    )
