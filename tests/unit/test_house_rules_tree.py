"""What every file of the repository must be."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from include.klines.settings import ROOT

MOST_LINES = 300
REASON = r"\s*(\(|–|-|#)\s*\S+"


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs git and a checkout: the rules are about tracked files")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def _texts() -> dict[str, str]:
    texts = {}
    for path in _tracked():
        try:
            texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
    return texts


def test_a_long_file_is_two_files() -> None:
    lengths = {name: len(text.splitlines()) for name, text in _texts().items() if name.endswith((".py", ".sql", ".sh"))}
    assert [name for name, lines in lengths.items() if lines > MOST_LINES] == []


def test_every_ignored_warning_has_its_reason_beside_it() -> None:
    silent = []
    for name, text in _texts().items():
        if not name.endswith(".py"):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            ignore = re.search(r"#\s*(noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[\w,\s-]+\])(.*)", line)
            if ignore and not re.match(REASON, ignore[2]):
                silent.append(f"{name}:{number}")
            if re.search(r"#\s*(noqa|type:\s*ignore)\s*(#|$)", line):
                silent.append(f"{name}:{number} ignores everything")
    assert silent == []


def test_every_rule_that_is_switched_off_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    tools = tomllib.loads(text)["tool"]
    off = [*tools["ruff"]["lint"]["ignore"], *tools["sqlfluff"]["core"]["exclude_rules"]]
    lines = text.splitlines()
    for rule in off:
        assert any(f'"{rule}"' in line and "#" in line for line in lines), rule


def test_the_tree_names_no_package_registry_and_no_machine() -> None:
    registries = re.compile(r"pypi\.org|pythonhosted\.|npmjs\.|(?:index-url|trusted-host|find-links)[ =]+\S*//")
    folders = re.compile(r"(?<![\w.$}])/(?:work|home|Users|root|mnt)/\w+")
    found = []
    for name, text in _texts().items():
        if ROOT / name == Path(__file__):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if registries.search(line) or folders.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []


def test_no_secret_and_no_leftover_is_tracked() -> None:
    names = set(_texts())
    assert not {name for name in names if Path(name).name == ".env" or name.startswith((".run/", ".venv/"))}
    assert not {name for name in names if name.endswith((".pyc", ".log", ".orig", ".rej", ".part"))}
    marks = re.compile(r"\b(TODO|FIXME)\b")
    tagged = {name for name, text in _texts().items() if marks.search(text) and ROOT / name != Path(__file__)}
    assert tagged == set()


def test_requirements_are_pinned_and_say_why() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+(\[\w+\])?==\S+\s+# .{5,}", line), line
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.match(r"[\w.-]+==\S+", line), line
