"""Archive files as candles: the zip in memory, its one CSV, and whether the file agrees with itself.

The CSV has twelve columns in the API's order and no header (one is tolerated). Bytes become columns in Arrow's reader,
with no Python object per candle. Arrow is imported when there is a file to read: most tasks of a day have none.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib

from include.klines.candles import MICROSECONDS_FROM, VOLUMES, Candles, microseconds, moment
from include.klines.errors import MalformedFile, RefusedFile, TruncatedFile
from include.klines.windows import Window, day_of, month_of

if TYPE_CHECKING:
    from include.klines.intervals import Timeframe

MAX_CSV_BYTES = 64 << 20
"""Seven times a month of 1m candles: what unpacks to more is no file of candles."""
COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time",
    "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_READ = [name for name in COLUMNS if name not in {"close_time", "ignore"}]
_NULLS = (("",), ("", "null", "NULL", "None"))
"""How a missing value is written. Each spelling costs time in every field, so the rare ones are a second try."""


def read_archive_file(zip_bytes: bytes, exchange_symbol: str, timeframe: Timeframe, period: str) -> Candles:
    """The candles of one archive file, sorted and without duplicates.

    period: "2024-03" or "2024-03-05". Raises RefusedFile (TruncatedFile, MalformedFile) naming the file where it cannot
    be read or disagrees with itself: another pair's or period's CSV, open times off the grid or outside the period,
    candles that occur twice with different values.
    """
    name = f"{exchange_symbol}-{timeframe.name}-{period}"
    candles = from_archive_csv(unzip(zip_bytes, name), name)
    step = timeframe.seconds * 1_000_000
    covers = period_window(period)
    if ((off_grid := candles.open_time % step) != 0).any():
        _refuse(name, f"the candle of {_text(candles, off_grid != 0)} is not on the {timeframe.name} grid")
    outside = (candles.open_time < microseconds(covers.start)) | (candles.open_time >= microseconds(covers.end))
    if outside.any():
        _refuse(name, f"{outside.sum()} candles are outside {period}, the first at {_text(candles, outside)}")
    unique = candles.sorted_unique()
    if len(unique) < len(candles) and len(twice := candles.contradictions()):
        _refuse(name, f"the candle of {moment(int(twice[0])):%Y-%m-%d %H:%M} is there twice with different values")
    return unique


def unzip(zip_bytes: bytes, name: str) -> bytes:
    """The CSV inside the zip: exactly one member called `<name>.csv`, of at most MAX_CSV_BYTES, with the right CRC."""
    try:
        with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise MalformedFile(f"{name}.zip has {len(members)} members, expected {name}.csv alone.")
            if (found := _member_name(members[0])) != f"{name}.csv":
                _refuse(name, f"it holds {found!r}, expected {name}.csv")
            if members[0].file_size > MAX_CSV_BYTES:
                raise MalformedFile(
                    f"{name}.zip unpacks to {members[0].file_size:,} bytes, more than {MAX_CSV_BYTES:,}."
                )
            with archive.open(members[0]) as member:  # checks the member's own header
                if members[0].compress_type == zipfile.ZIP_DEFLATED:
                    return _inflate(zip_bytes, members[0])
                # never more than the size it names: what lies beyond fails the CRC
                return member.read(members[0].file_size + 1)
    except EOFError as error:
        raise TruncatedFile(f"{name}.zip ends in the middle of its data.") from error
    except zipfile.BadZipFile as error:
        if zip_bytes.startswith(b"PK\x03\x04") and b"PK\x05\x06" not in zip_bytes[-66_000:]:
            raise TruncatedFile(f"{name}.zip has no directory at its end: it was cut.") from error
        raise MalformedFile(f"{name}.zip cannot be read: {error}.") from error
    except (zlib.error, struct.error, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise MalformedFile(f"{name}.zip cannot be unpacked: {error}.") from error


def _inflate(zip_bytes: bytes, member: zipfile.ZipInfo) -> bytes:
    """The deflated member, as zipfile would read it, in half the time: inflating is the dearest step of reading a file.

    EOFError where the data end too early, BadZipFile where they unpack to more than the member names or fail its CRC,
    zlib.error where they are no deflated data.
    """
    name_length, extra_length = struct.unpack_from("<HH", zip_bytes, member.header_offset + 26)
    start = member.header_offset + 30 + name_length + extra_length
    packed = memoryview(zip_bytes)[start : start + member.compress_size]
    inflater = isal_zlib.decompressobj(-15)
    try:
        unpacked: bytes = inflater.decompress(packed, member.file_size + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub takes the class for an instance
        raise zlib.error(str(error)) from error
    if not inflater.eof and len(unpacked) <= member.file_size:
        raise EOFError
    if len(unpacked) > member.file_size or isal_zlib.crc32(unpacked) != member.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")
    return unpacked


def from_archive_csv(csv_bytes: bytes, name: str) -> Candles:
    """The rows of an archive CSV as candles, in the order of the file.

    name: of the file, for errors. Milliseconds or microseconds by magnitude, one of them for the whole file. Null and
    empty volumes become 0; prices that are missing become NaN. Raises TruncatedFile or MalformedFile.
    """
    import pyarrow as pa

    try:
        table = _parse(csv_bytes)
    except pa.ArrowException as error:
        last = csv_bytes[csv_bytes.rfind(b"\n") + 1 :]
        if last and last.count(b",") < len(COLUMNS) - 1:
            raise TruncatedFile(f"{name}.csv ends in the middle of a row.") from error
        raise MalformedFile(f"{name}.csv cannot be read: {str(error)[:300]}.") from error
    if not len(table):
        raise MalformedFile(f"{name}.csv holds no candles.")
    if table.column("open_time").null_count:
        raise MalformedFile(f"{name}.csv has a row without an open time.")
    opened = _numbers(table, "open_time")
    in_microseconds = opened >= MICROSECONDS_FROM
    if in_microseconds[0] != in_microseconds[-1] or in_microseconds.any() != in_microseconds.all():
        _refuse(name, "some of its open times are milliseconds and some microseconds")
    columns = {column: _numbers(table, column) for column in _READ[1:]}
    return Candles(open_time=opened if in_microseconds[0] else opened * 1000, **columns)


def period_window(period: str) -> Window:
    """The calendar month ("2024-03") or day ("2024-03-05") that a file covers, UTC."""
    if len(period) == len("2024-03"):
        return month_of(datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC))
    return day_of(datetime.strptime(period, "%Y-%m-%d").replace(tzinfo=UTC))


def _parse(csv_bytes: bytes) -> Any:
    """An Arrow table of the columns that are kept, in one chunk."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    types = {name: pa.int64() if name in {"open_time", "trades"} else pa.float64() for name in COLUMNS}
    csv_bytes = csv_bytes.removeprefix(b"\xef\xbb\xbf")
    has_header = csv_bytes[:1].isalpha()
    for spellings in _NULLS:
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(csv_bytes),
                arrow_csv.ReadOptions(
                    column_names=COLUMNS, skip_rows=int(has_header), use_threads=False, block_size=len(csv_bytes) + 1
                ),
                arrow_csv.ParseOptions(quote_char=False, double_quote=False),
                arrow_csv.ConvertOptions(
                    column_types=types, include_columns=_READ, null_values=spellings, check_utf8=False
                ),
            )
        except pa.ArrowInvalid:
            if spellings is _NULLS[-1]:
                raise
    raise AssertionError("unreachable: the last spelling returns or raises")


def _numbers(table: Any, column: str) -> np.ndarray[Any, Any]:
    chunks = table.column(column)
    values = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if values.null_count:
        values = values.fill_null(0 if column in {*VOLUMES, "trades"} else float("nan"))
    dtype = np.int64 if column in {"open_time", "trades"} else np.float64
    # The buffer as it is: Arrow's own to_numpy imports pandas, 0.4 s and 45 MB.
    numbers: np.ndarray[Any, Any] = np.frombuffer(values.buffers()[1], dtype=dtype)
    return numbers[values.offset : values.offset + len(values)]


def _member_name(member: zipfile.ZipInfo) -> str:
    """The member's name; UTF-8 is also understood where the zip does not announce it."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _text(candles: Candles, chosen: np.ndarray[Any, Any]) -> str:
    first = int(candles.open_time[chosen][0])
    try:
        return f"{moment(first):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{first} µs"


def _refuse(name: str, why: str) -> None:
    raise RefusedFile(f"{name}.zip is refused: {why}.")
