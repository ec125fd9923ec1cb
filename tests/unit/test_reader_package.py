"""The reader is installed without the rest of the project, so it may import nothing else of it."""

from __future__ import annotations

import ast
import tomllib
from typing import TYPE_CHECKING

from include.klines.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "include/klines/reader"


def test_everything_that_the_reader_imports_of_this_project_comes_with_it() -> None:
    settings = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    brought = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in brought.items():
        assert (FOLDER / source).resolve() == ROOT / target
    files = {path for target in brought.values() for path in [ROOT / target, *(ROOT / target).rglob("*.py")]}
    modules = {path for path in files if path.suffix == ".py"}
    missing = {name for path in modules for name in imported(path) if not {ROOT / f"{name}.py", ROOT / name} & files}
    assert missing == set()
    assert len(modules) > 10


def imported(path: Path) -> set[str]:
    """The modules of this project that a file imports, as paths without a suffix."""
    tree = ast.parse(path.read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name.replace(".", "/") for name in names if name.startswith(("include", "binance_plugin", "plugins"))}
