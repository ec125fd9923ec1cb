"""The note of a run: as long as Airflow can keep."""

from __future__ import annotations

from airflow.models.dagrun import DagRunNote

from run_notes_plugin import LONGEST, MORE, fitting

ROOM = DagRunNote.__table__.c.content.type.length


def test_a_note_that_fits_is_kept_as_it_is() -> None:
    assert fitting("") == ""
    assert fitting("x" * LONGEST) == "x" * LONGEST


def test_a_longer_one_ends_with_a_whole_line_and_says_where_the_rest_is() -> None:
    lines = [f"- last_sync SYMBOL{number} 1h" for number in range(100)]
    short = fitting("\n".join(lines))
    assert len(short) <= ROOM == LONGEST
    assert short.endswith(MORE)
    kept = short.removesuffix(MORE).split("\n")
    assert kept == lines[: len(kept)]
    assert len(kept) > 30
    assert len(fitting("x" * 5000)) == LONGEST
