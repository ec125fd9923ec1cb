"""Which files are written from what, and how a stale one is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.klines.settings import ROOT
from tests.docs.runbooks import page
from tests.docs.tables import reference

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

DOCS = ROOT / "docs"
BEGIN = "<!-- From here on `make docs` writes this file, from the comments in the migrated database. -->"


def wanted(conn: psycopg.Connection) -> dict[Path, str]:
    """The generated files as they should be; `conn` is a migrated database."""
    data_model = DOCS / "data-model.md"
    own_words, marker, _ = data_model.read_text(encoding="utf-8").partition(BEGIN)
    if not marker:
        raise ValueError(f"{data_model} has lost its marker: {BEGIN}")
    return {
        DOCS / "dags.md": page(),
        data_model: f"{own_words}{BEGIN}\n\n{reference(conn)}\n",
    }
