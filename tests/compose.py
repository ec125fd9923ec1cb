"""docker-compose.yaml with its variables filled in, as far as the file uses Compose's syntax."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from include.klines.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


class MissingVariable(Exception):
    """A variable that Compose would refuse to start without."""


def read_env(path: Path) -> dict[str, str]:
    """The variables of a .env file."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """`text` with ${NAME}, ${NAME:-default} and ${NAME:?message} replaced; MissingVariable as Compose would say it."""

    def value(match: re.Match[str]) -> str:
        escaped, name, kind, argument = match.groups()
        if escaped:
            return "$"
        if given := variables.get(name):
            return given
        if kind == "?":
            raise MissingVariable(f"required variable {name} is missing a value: {argument}")
        return argument or ""

    return VARIABLE.sub(value, text)


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file as Compose understands it."""
    parsed: dict[str, Any] = yaml.safe_load(interpolate((ROOT / "docker-compose.yaml").read_text(), variables))
    return parsed
