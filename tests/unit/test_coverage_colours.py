"""The Coverage page's colours: readable in both themes, and told apart by the colour-blind.

Contrast is WCAG 2.2's. Colour blindness is simulated with the matrices of Machado, Oliveira and Fernandes (2009,
severity 1.0, on linear RGB); distances are CIE76 in L*a*b*, where 2 is just noticeable side by side.
"""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from include.klines.settings import ROOT

CSS = (ROOT / "plugins/coverage_page/static/colours.css").read_text()
STATES = ["complete", *(f"open-{step}" for step in range(1, 6)), "outage", "suspension", "not-published", "pruned"]
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1.0, 1.08883])
LEAST_DISTANCE = 10
TEXT, SIGN = 4.5, 3.0


def _tokens(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


LIGHT, _, DARK = CSS.partition(':root[data-theme="dark"]')
THEMES = {"light": _tokens(LIGHT), "dark": _tokens(LIGHT) | _tokens(DARK)}
each_theme = pytest.mark.parametrize("theme", THEMES)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def seen(colour: str, eyes: str) -> np.ndarray:
    """L*a*b* of a colour as such eyes see it."""
    xyz = TO_XYZ @ np.clip(EYES[eyes] @ linear(colour), 0, 1) / WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@each_theme
@pytest.mark.parametrize("ground", ["ground", "raised", "sunken"])
def test_every_text_is_readable(theme: str, ground: str) -> None:
    colours = THEMES[theme]
    for name in ("text", "quiet", "link", "bad", "warn", "good"):
        assert contrast(colours[name], colours[ground]) >= TEXT, (name, ground)


@each_theme
def test_every_sign_is_readable_on_its_state(theme: str) -> None:
    colours = THEMES[theme]
    for state in STATES:
        assert contrast(colours[f"ink-{state}"], colours[f"cell-{state}"]) >= TEXT, state
    for edge in ("line-strong", "focus", "ink-not-loaded", "cell-complete", "revision", "price"):
        assert contrast(colours[edge], colours["ground"]) >= SIGN, edge


@each_theme
@pytest.mark.parametrize("eyes", EYES)
def test_states_are_told_apart_by_everybody(theme: str, eyes: str) -> None:
    found = {state: seen(THEMES[theme][f"cell-{state}"], eyes) for state in STATES}
    near = {
        (one, other): round(float(np.linalg.norm(found[one] - found[other])), 1)
        for one, other in combinations(STATES, 2)
    }
    assert {pair: distance for pair, distance in near.items() if distance < LEAST_DISTANCE} == {}


@each_theme
def test_the_less_complete_a_month_the_further_its_colour_is_from_the_ground(theme: str) -> None:
    away = [contrast(THEMES[theme][f"cell-open-{step}"], THEMES[theme]["ground"]) for step in range(1, 6)]
    assert away == sorted(away)
