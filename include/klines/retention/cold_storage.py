"""Pruned candles as Parquet: one file a symbol, timeframe and year, in a folder or an object store.

`<root>/<exchange>/timeframe=1h/symbol=BTC/year=2020/candles.parquet`, zstd, the layout of export_parquet(), which
DuckDB and polars scan. A file only grows: what it holds stays, and a candle that comes again replaces the older one.
"""

from __future__ import annotations

import errno
import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from include.klines import sql
from include.klines.candles import Candles
from include.klines.errors import PruneError
from include.klines.packing import VALUES, digest, pack
from include.klines.settings import COLD_STORAGE

if TYPE_CHECKING:
    import psycopg

UNNAMED = "unnamed"
"""The exchange's folder of a database that was not given to an exchange."""
COLUMNS = tuple(name for name, _ in VALUES)
TIME = pa.timestamp("us", tz="UTC")
THIS_MACHINE = ("", "file", "local")
NO_FLUSH_OF_FOLDERS = (errno.EACCES, errno.EINVAL, errno.EBADF)


@dataclass(frozen=True)
class ColdStorage:
    """The files of one exchange. root: an ObjectStoragePath."""

    root: Any
    exchange: str

    @classmethod
    def open(cls, conn: psycopg.Connection, address: str = COLD_STORAGE) -> ColdStorage:
        """The files beside the market database of `conn`, which names its exchange."""
        from airflow.sdk import ObjectStoragePath

        (exchange,) = conn.execute(sql.load("local/database_exchange").encode()).fetchone() or (UNNAMED,)
        return cls(ObjectStoragePath(address), exchange)

    def path(self, symbol: str, timeframe: str, year: int) -> Any:
        """Where the candles of a symbol, timeframe and year are, or would be."""
        folder = self.root / self.exchange / f"timeframe={timeframe}" / f"symbol={quote(symbol, safe='')}"
        return folder / f"year={year}" / "candles.parquet"

    def read(self, symbol: str, timeframe: str, year: int) -> Candles:
        """The candles of a file, in order; none where there is no file. PruneError where it is not what was written."""
        path = self.path(symbol, timeframe, year)
        return _read(path) if path.exists() else Candles.empty()

    def keep(self, symbol: str, timeframe: str, year: int, candles: Candles) -> int:
        """Merge `candles` into their file and read it back; returns its bytes.

        The new file is written beside the old one, verified, and only then takes its place. An unchanged file is not
        written. When this returns, a crash of the machine cannot take the file any more. Raises PruneError where what
        is read back is not what was written; then the old file is as it was.
        """
        path = self.path(symbol, timeframe, year)
        known = self.read(symbol, timeframe, year)
        merged = Candles.concat([known, candles]).sorted_unique()
        if len(known) != len(merged) or pack(known) != pack(merged):
            is_first = not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.parent / "candles.parquet.new"
            beside.write_bytes(_encode(merged, {"symbol": symbol, "timeframe": timeframe, "year": year}))
            _same(beside, merged)
            _flush(beside, *(path.parent.parents if is_first else ()))
            beside.fs.mv(beside.path, path.path)
            _same(path, merged)
        _flush(path.parent)  # also of an unchanged file: whoever moved it there may have died before this
        return int(path.stat().st_size)


def _flush(*paths: Any) -> None:
    """Wait until files and folders of this machine are on its disk; what an object store has taken is stored.

    Passes over folders that their file system cannot flush, or that this user may not read and so has not made.
    """
    for path in paths:
        if path.protocol not in THIS_MACHINE:
            continue
        try:
            opened = os.open(path.path, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        except OSError as error:
            if error.errno not in NO_FLUSH_OF_FOLDERS or not path.is_dir():
                raise


def _encode(candles: Candles, about: dict[str, Any]) -> bytes:
    columns = {"timestamp": pa.array(candles.open_time, pa.int64()).cast(TIME)}
    columns |= {name: pa.array(getattr(candles, name)) for name in COLUMNS}
    about = about | {"candles": len(candles), "digest": digest(candles).hex()}
    table = pa.table(columns).replace_schema_metadata({b"klines": json.dumps(about).encode()})
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd")
    return target.getvalue()


def _read(path: Any) -> Candles:
    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        about = json.loads((table.schema.metadata or {})[b"klines"])
        times = table["timestamp"].cast(pa.int64()).to_numpy()
        candles = Candles(open_time=times, **{name: table[name].to_numpy() for name in COLUMNS})
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise PruneError(f"{path} cannot be read ({error}): restore it from a backup, or move it away.") from error
    if (about["candles"], about["digest"]) != (len(candles), digest(candles).hex()):
        raise PruneError(f"{path} is not what was written: restore it from a backup, or move it away.")
    return candles


def _same(path: Any, candles: Candles) -> None:
    found = _read(path)
    if len(found) != len(candles) or digest(found) != digest(candles):
        raise PruneError(
            f"{path} holds {len(found)} candles that are not the {len(candles)} written: nothing was removed."
        )
