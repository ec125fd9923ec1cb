"""The library that the Coverage page brings along is the one vendor.json names, and the page loads nothing else."""

from __future__ import annotations

import re

import pytest

from include.klines.settings import ROOT
from tests.tools.vendor import FOLDER, RECORD, kept, sha256

STATIC = ROOT / "plugins/coverage_page/static"
PAGES = sorted(path for path in STATIC.glob("*") if path.suffix in {".html", ".js", ".css", ".svg"})


def test_every_vendored_file_is_the_recorded_one() -> None:
    record = kept()
    assert {path.name for path in FOLDER.iterdir()} == {*record["files"], RECORD.name}
    assert {name: sha256((FOLDER / name).read_bytes()) for name in record["files"]} == {
        name: one["sha256"] for name, one in record["files"].items()
    }
    assert f"v{record['version']}" in (FOLDER / "uPlot.iife.min.js").read_text()[:400]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(page: object) -> None:
    text = (STATIC / str(page)).read_text()
    addresses = set(re.findall(r"https?://[^\s\"')]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=\"", text)


def test_every_module_of_the_page_is_reachable_from_its_first_one() -> None:
    found, waiting = set(), {"main.js"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(re.findall(r'from "\./([\w.]+)"', (STATIC / name).read_text())) - found
    loaded = set(re.findall(r'(?:src|href)="static/([\w./]+)"', (STATIC / "index.html").read_text()))
    assert {path.name for path in PAGES} == found | {"index.html"} | {
        name for name in loaded if not name.startswith("vendor/")
    }
