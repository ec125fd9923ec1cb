"""Wrong rows on purpose, for files and for klines: what a loader must refuse or reject.

`row` chooses where (an index; negative from the end; default the middle one), `count` how many.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

Row = list[Any]

DEFECTS = {
    "wrong_symbol": "the file holds another pair's rows (archive only)",
    "off_grid": "a row opens a second too late",
    "outside": "a further row opens far outside the file's period",
    "duplicate": "a row comes twice",
    "differing_duplicate": "a row comes twice, with different volumes",
    "missing": "`count` rows are left out",
    "truncated": "nothing follows after the row",
    "unsorted": "the rows come newest first",
    "header": "a header line (archive only)",
    "short_row": "a row has eleven fields",
    "not_a_number": "a price is no number",
    "nan": "a price is NaN",
    "negative": "a price is below zero",
    "high_below_low": "high and low are exchanged and do not bound the rest",
    "empty_volume": "a volume is empty (null in JSON)",
    "future": "a further row opens right after the last one",
}

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def damage(rows: list[Row], options: dict[str, Any], *, empty: Any) -> list[Row]:
    """The rows with the defect; open times keep their unit and type. `empty` is how the format says nothing."""
    defect, count = options["defect"], int(options.get("count", 1))
    if not rows:
        return rows
    at = int(options.get("row", len(rows) // 2)) % len(rows)
    rows = [list(row) for row in rows]
    second = 1000 if int(rows[0][0]) < 10**15 else 1_000_000
    row = rows[at]
    if defect == "off_grid":
        row[0] = _shifted(row[0], second)
    elif defect == "outside":
        rows.append([_shifted(rows[-1][0], 40 * 86_400 * second), *rows[-1][1:]])
    elif defect == "future":
        step = int(rows[-1][0]) - int(rows[-2][0]) if len(rows) > 1 else 60 * second
        rows.append([_shifted(rows[-1][0], step), *rows[-1][1:]])
    elif defect == "duplicate":
        rows.insert(at, list(row))
    elif defect == "differing_duplicate":
        rows.insert(at, [*row[:5], "1.00000000", *row[6:]])
    elif defect == "missing":
        del rows[at : at + count]
    elif defect == "truncated":
        del rows[at:]
    elif defect == "unsorted":
        rows.reverse()
    elif defect == "short_row":
        row.pop()
    elif defect == "not_a_number":
        row[1] = "12,5x"
    elif defect == "nan":
        row[4] = "NaN"
    elif defect == "negative":
        row[3] = f"-{row[3]}"
    elif defect == "high_below_low":
        row[2], row[3] = row[3], row[2] + "1"
    elif defect == "empty_volume":
        row[5] = empty
    return rows


def hidden(rows: list[Row], options: dict[str, Any]) -> list[Row]:
    """The rows without those that open in [start, end)."""
    start, end = (datetime.fromisoformat(options[name]).timestamp() for name in ("start", "end"))
    return [row for row in rows if not start <= _seconds(row[0]) < end]


def alter_csv(csv: bytes, options: dict[str, Any], action: str) -> bytes:
    """A file's rows with the defect, or with rows hidden."""
    rows = [line.split(",") for line in csv.decode().splitlines()]
    rows = hidden(rows, options) if action == "hide" else damage(rows, options, empty="")
    head = HEADER + "\n" if options.get("defect") == "header" else ""
    return (head + "".join(",".join(row) + "\n" for row in rows)).encode()


def alter_json(body: bytes, options: dict[str, Any], action: str) -> bytes:
    """A page of klines with the defect, or with rows hidden."""
    rows = json.loads(body)
    rows = hidden(rows, options) if action == "hide" else damage(rows, options, empty=None)
    return json.dumps(rows, separators=(",", ":")).encode()


def _shifted(open_time: Any, by: int) -> Any:
    return type(open_time)(int(open_time) + by)


def _seconds(open_time: Any) -> float:
    number = int(open_time)
    return number / (1_000_000 if number >= 10**15 else 1000)
