from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from include.klines.settings import ROOT
from tests.docs.files import DOCS, wanted

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))


def test_generated_pages_are_not_stale(market_conn: psycopg.Connection) -> None:
    for path, text in wanted(market_conn).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make docs`"


def _anchors(page: Path) -> set[str]:
    """What links may name behind `#`: the page's headings, as GitHub turns them into anchors."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        if "://" in target:
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`((?:include|plugins|tests|docs|docker|dags)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_the_readme_fits_on_three_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_in_four_parts(page: Path) -> None:
    text = page.read_text()
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", page.stem)
    positions = [text.index(f"**{part}**") for part in ("Status", "Context", "Decision", "Consequences")]
    assert positions == sorted(positions)
    assert len(text.splitlines()) <= 60
    assert (page.parent / "README.md").read_text().count(page.name) == 1


QUERIES = [
    pytest.param(query, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL))
    for query in block.split(";")
    if query.strip()
]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_in_the_pages_run(query: str, market_conn: psycopg.Connection) -> None:
    market_conn.execute(query.encode())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", page.read_text())) <= targets
