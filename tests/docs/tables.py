"""The reference of tables, views and functions, from the comments in a migrated database."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from include.klines.settings import SQL_DIR

if TYPE_CHECKING:
    import psycopg

RELATIONS = """
    SELECT relname, relkind IN ('v', 'm'), obj_description(oid, 'pg_class')
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
    ORDER BY relname
"""
COLUMNS = """
    SELECT
        relname, attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum),
        attnum = ANY (coalesce(conkey, '{}'))
    FROM pg_class
    INNER JOIN pg_attribute ON attrelid = pg_class.oid
    LEFT JOIN pg_constraint ON conrelid = pg_class.oid AND contype = 'p'
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
        AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum
"""
PROMISES = """
    SELECT relname, conname
    FROM pg_constraint
    INNER JOIN pg_class ON pg_class.oid = conrelid
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'x') AND NOT relispartition
    ORDER BY relname, conname
"""
FUNCTIONS = """
    SELECT proname, pg_get_function_identity_arguments(oid), obj_description(oid, 'pg_proc'),
        has_function_privilege('backtester', oid, 'EXECUTE')
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
    ORDER BY proname, 2
"""
DEFINITION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(")
FIRST = (
    "market_data", "historical_data_range", "symbol_listing", "data_quality", "data_gap", "exchange_outage",
    "data_sync_log", "market_data_revision", "archive_file", "rejected_candle", "dataset_pin", "sla_miss",
)  # fmt: skip
"""The tables people ask for, in this order; the others follow by name."""


def reference(conn: psycopg.Connection) -> str:
    """Markdown: one section a table and view, and the functions in one table."""
    relations = conn.execute(RELATIONS.encode()).fetchall()
    columns = {
        name: list(rows) for name, rows in groupby(conn.execute(COLUMNS.encode()).fetchall(), lambda row: row[0])
    }
    promises = {
        name: list(rows) for name, rows in groupby(conn.execute(PROMISES.encode()).fetchall(), lambda row: row[0])
    }
    place = {name: number for number, name in enumerate(FIRST)}
    lines: list[str] = []
    for is_view, title in ((False, "Tables"), (True, "Views")):
        chosen = [(name, comment) for name, view, comment in relations if view == is_view]
        if chosen:
            lines += [f"## {title}", ""]
        for name, comment in sorted(chosen, key=lambda row: (place.get(row[0], len(place)), row[0])):
            lines += [f"### {name}", "", comment, "", "| column | type | meaning |", "|---|---|---|"]
            lines += [
                f"| {f'**{column}**' if in_key else column} | {_type(kind, not_null or is_view)} | {_cell(meaning)} |"
                for _, column, kind, not_null, meaning, in_key in columns[name]
            ]
            kept = [constraint.replace("_", " ") for _, constraint in promises.get(name, ())]
            lines += ["", f"Kept by constraints: {'; '.join(kept)}.", ""] if kept else [""]
    defined_in = _defined_in()
    lines += ["## Functions", "", "*R* marks those that the role `backtester` may call.", ""]
    lines += ["| function | | meaning | defined in |", "|---|---|---|---|"]
    lines += [
        f"| `{name}({_cell(arguments)})` | {'R' if for_readers else ''} | {_cell(comment)} | {defined_in[name]} |"
        for name, arguments, comment, for_readers in conn.execute(FUNCTIONS.encode()).fetchall()
    ]
    return "\n".join(lines)


def _defined_in() -> dict[str, str]:
    """The last migration that defines each function: several are, by more than one."""
    return {
        name: f"[{path.stem[:4]}](../include/sql/migrations/{path.name})"
        for path in sorted((SQL_DIR / "migrations").glob("*.sql"))
        for name in DEFINITION.findall(path.read_text(encoding="utf-8"))
    }


def _type(kind: str, not_null: bool) -> str:
    short = kind.replace("timestamp with time zone", "timestamptz").replace("double precision", "double")
    return short if not_null else f"{short}, or null"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("timestamp with time zone", "timestamptz")
