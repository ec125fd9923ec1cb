"""docs/grafana/klines.json: Grafana's schema knows every key, and the page exposes every metric that it asks for."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.coverage.figures import HELP, PREFIX
from include.klines.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "klines.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
LABELS = {"timeframe", "days", "cause", "what", "check", "address"}


def test_the_schema_of_grafana_knows_every_key() -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(DASHBOARD)))
    assert list(lost(DASHBOARD, read)) == []


def lost(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """What of a JSON value was not taken in."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in read:
                yield f"{path}/{key}"
            else:
                yield from lost(value, read[key], f"{path}/{key}")
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(one, other, f"{path}[{number}]")
    elif given != read:
        yield f"{path}: {given!r} became {read!r}"


def test_every_metric_is_exposed_and_every_exposed_one_is_drawn() -> None:
    asked = {name for query in QUERIES for name in re.findall(rf"\b{PREFIX}\w+", query)}
    assert asked == {PREFIX + name for name in HELP}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_only_labels_that_there_are(query: str) -> None:
    named = set(re.findall(r"(\w+)=~?\"", query)) | set(re.findall(r"by \((\w+)\)", query))
    assert named <= LABELS
    assert query.count("(") == query.count(")")


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(PANELS)
    assert set(re.findall(r"\$\{?(\w+)", text)) == variables
