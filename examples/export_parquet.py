"""Candles as partitioned Parquet, counted by DuckDB and by polars.

pip install ./include/klines/reader duckdb polars pyarrow
KLINES_DSN=postgresql://… python examples/export_parquet.py BTC,ETH 1h 2020-01-01 2022-01-01 lake
"""

import json
import sys

import duckdb
import polars as pl

from include.klines.reader import export_parquet

symbols, timeframe, start, end, folder = sys.argv[1:6]
export_parquet(symbols.split(","), timeframe, start, end, folder)

everything = f"{folder}/**/*.parquet"
by_duckdb = duckdb.execute(
    "SELECT symbol, count(*), max(high) FROM read_parquet(?, hive_partitioning = true) GROUP BY symbol ORDER BY symbol",
    [everything],
).fetchall()
by_polars = (
    pl.scan_parquet(everything, hive_partitioning=True)
    .group_by("symbol")
    .agg(pl.len(), pl.col("high").max())
    .sort("symbol")
    .collect()
    .rows()
)
print(json.dumps({"duckdb": by_duckdb, "polars": by_polars}))
