"""Frames for other tools: Arrow and polars, where they are installed."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from include.klines.errors import InvalidRequest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

METADATA_KEY = b"klines"


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame of this reader as an Arrow table: `timestamp` (and `symbol`) become columns.

    The frame's attrs, fingerprint included, are JSON in the schema's metadata under b"klines" and travel into Parquet.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise InvalidRequest("pyarrow is not installed here: pip install pyarrow.") from error
    plain = frame.reset_index()
    plain.attrs = {}
    table = pa.Table.from_pandas(plain, preserve_index=False)
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(frame.attrs).encode()})


def to_polars(frame: pd.DataFrame) -> Any:
    """A frame of this reader as a polars frame: `timestamp` (and `symbol`) become columns. polars keeps no metadata."""
    try:
        polars = import_module("polars")
    except ImportError as error:
        raise InvalidRequest("polars is not installed here: pip install polars pyarrow.") from error
    return polars.from_arrow(to_arrow(frame))
