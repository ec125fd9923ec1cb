"""The one place for paths, names and timeframe settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from include.klines.errors import ConfigurationError
from include.klines.intervals import TIMEFRAMES, Timeframe

ROOT = Path(__file__).resolve().parents[2]
SQL_DIR = ROOT / "include" / "sql"
CONFIG_DIR = Path(os.environ.get("KLINES_CONFIG_DIR", ROOT / "include" / "config"))
"""universe.yaml and timeframes.yaml; KLINES_CONFIG_DIR names another folder, so that the bundle can stay read-only."""

STATE_DIR = Path(os.environ.get("KLINES_STATE") or ROOT / ".run").resolve()
"""What `make run` keeps: databases, logs, secrets, and what the two settings below name otherwise."""

COLD_STORAGE = os.environ.get("KLINES_COLD_STORAGE", (STATE_DIR / "cold").as_uri())
"""Where the prune puts candles before it removes them: file:///folder, or an object store, s3://connection@bucket/folder."""

REPORTS = os.environ.get("KLINES_REPORTS", (STATE_DIR / "reports").as_uri())
"""Where the weekly report goes: file:///folder, or an object store, s3://connection@bucket/folder."""

BINANCE_CONN_ID = "binance_default"
MARKET_CONN_ID = "market_db"
READ_CONN_ID = "market_db_read"
"""The market database as a role that may only read: the Coverage page, its health and its metrics."""
POOL = "binance_api"
POOL_SLOTS = 8
"""As many lanes run side by side, and as many pairs are dated at a time, each at its own pace."""

CANDLES_A_LANE = 60_000
"""A lane is filled up to here: 5.75 years of 1h have one for themselves, those of 1d share. A task costs 0.4 s."""
SERIES_A_LANE = 25
"""But no more series than this share a lane, so that many small requests are spread over tasks."""
MAX_LANES = 300
"""Where there would be more lanes, they get longer: Airflow allows 1,024 mapped instances of a task."""

FLOOR_MONTHS = {"1m": 12, "5m": 12, "15m": 24, "1h": 24, "4h": 60, "1d": 60}
"""Retention may not be set below these."""


@dataclass(frozen=True)
class TimeframeSettings:
    """One line of include/config/timeframes.yaml."""

    timeframe: Timeframe
    enabled: bool
    status: Literal["required", "optional", "experimental"]
    chunk: Literal["month", "year", "all"]
    retention_months: int


@cache
def timeframe_settings(path: Path = CONFIG_DIR / "timeframes.yaml") -> dict[str, TimeframeSettings]:
    """Settings by timeframe name, in loading order (longest candles first); ConfigurationError names a bad line."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(raw, dict) or set(raw) - set(TIMEFRAMES):
        raise ConfigurationError(f"{path} must map timeframes ({', '.join(TIMEFRAMES)}) to settings.")
    return {name: _timeframe_settings(path, name, line) for name, line in raw.items()}


def _timeframe_settings(path: Path, name: str, line: Any) -> TimeframeSettings:
    allowed = {
        "enabled": (True, False),
        "status": ("required", "optional", "experimental"),
        "chunk": ("month", "year", "all"),
    }
    if not isinstance(line, dict) or set(line) != {*allowed, "retention_months"}:
        raise ConfigurationError(f"{path}: {name} needs exactly {', '.join(allowed)} and retention_months.")
    for key, values in allowed.items():
        if line[key] not in values:
            raise ConfigurationError(f"{path}: {name}.{key} is {line[key]!r}, but must be one of {values}.")
    months = line["retention_months"]
    if not isinstance(months, int) or months < FLOOR_MONTHS[name]:
        raise ConfigurationError(f"{path}: {name}.retention_months is {months!r}, but at least {FLOOR_MONTHS[name]}.")
    return TimeframeSettings(timeframe=TIMEFRAMES[name], **line)


def enabled_timeframes() -> list[str]:
    """Names of the enabled timeframes, in loading order: 1d before 1h."""
    return [name for name, settings in timeframe_settings().items() if settings.enabled]
