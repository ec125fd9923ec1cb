"""Percentages: 100 % is said where nothing is missing, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.klines.percent import percent, shown


@given(st.integers(1, 10**12), st.data(), st.integers(0, 4))
def test_less_than_all_is_never_100(whole: int, data: st.DataObject, places: int) -> None:
    part = data.draw(st.integers(0, whole - 1) | st.just(whole - 1))
    share = percent(part, whole)
    assert share is not None
    assert share <= 100 * part / whole
    assert share < 100
    assert not shown(share, places).startswith("100")
    assert not shown(100 * part / whole, places).startswith("100")
    assert shown(percent(whole, whole), places) == "100 %"


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (1_699_992, 1_700_000, "99.999 %"),
        (50_369, 50_400, "99.938 %"),
        (9_957, 10_000, "99.570 %"),
        (98_999, 100_000, "98.999 %"),
        (0, 744, "0.000 %"),
        (744, 744, "100 %"),
        (0, 0, "nothing expected"),
    ],
)
def test_a_share_is_cut_after_three_places(part: int, whole: int, words: str) -> None:
    assert shown(percent(part, whole)) == words
