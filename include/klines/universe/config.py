"""The universe as configured: symbols, tiers, renames and the rules that leave pairs out.

A project symbol is a base asset ("BTC"); with the quote of include/config/universe.yaml it names a pair ("BTCUSDT").
Which pairs exist, and from when to when, is not configured: see include/klines/universe/listings.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from include.klines.errors import ConfigurationError, InvalidRequest
from include.klines.settings import CONFIG_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

TIERS = ("core", "extended", "all")


@dataclass(frozen=True)
class Rename:
    """The asset `old` goes on as `new`; one old unit became `new_per_old` new ones."""

    old: str
    new: str
    new_per_old: Decimal


@dataclass(frozen=True)
class ExclusionRule:
    """Why a pair is left out of the extended tier. Each given part is one way to match; `keep` never matches."""

    name: str
    reason: str
    bases: frozenset[str] = frozenset()
    suffixes: tuple[tuple[str, str], ...] = ()
    twin_needed_below: int = 0
    report_like: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()
    without_permission: str | None = None

    def matches_name(self, base: str, bases: frozenset[str]) -> bool:
        """True where the name alone decides; `bases` are all base assets the exchange knows or knew."""
        if base in self.keep:
            return False
        return base in self.bases or any(self._leveraged(rest, twin, bases) for rest, twin in self._rests(base))

    def doubt(self, base: str, bases: frozenset[str]) -> str | None:
        """Why a base that does not match looks as if it should, None where it does not."""
        if base in self.keep:
            return None
        if part := next((part for part in self.report_like if part in base), None):
            return f"its name contains {part}: is it a {self.name}? Name it in universe.yaml, under bases or keep"
        if any(rest in bases for rest, _ in self._rests(base)):
            return f"its name looks like a {self.name} without its twin: name it in universe.yaml, under bases or keep"
        return None

    def _rests(self, base: str) -> list[tuple[str, str]]:
        return [(base.removesuffix(suffix), twin) for suffix, twin in self.suffixes if base.endswith(suffix)]

    def _leveraged(self, rest: str, twin: str, bases: frozenset[str]) -> bool:
        return rest in bases and (len(rest) >= self.twin_needed_below or rest + twin in bases)


@dataclass(frozen=True)
class Universe:
    """What include/config/universe.yaml says, checked."""

    quote: str
    core: tuple[str, ...]
    renames: tuple[Rename, ...]
    reused_tickers: frozenset[str]
    rules: tuple[ExclusionRule, ...]

    def exchange_symbol(self, symbol: str) -> str:
        """The exchange's name of the pair: "BTC" -> "BTCUSDT"."""
        return symbol + self.quote

    def base_of(self, exchange_symbol: str) -> str | None:
        """The base asset of a pair with our quote ("BTCUSDT" -> "BTC"), None for any other name."""
        base = exchange_symbol.removesuffix(self.quote)
        return base if base and base != exchange_symbol else None

    def rename_of(self, symbol: str) -> Rename | None:
        """Into what `symbol` was renamed, None where it was not."""
        return next((rename for rename in self.renames if rename.old == symbol), None)

    def normalise(self, text: str) -> str:
        """What a person typed as a project symbol: " btc ", "BTCUSDT" and "BTC/USDT" all mean "BTC".

        Only ASCII letters are raised: other scripts have names that upper-casing would change.
        """
        upper = "".join(letter.upper() if letter.isascii() else letter for letter in text.strip())
        base = self.base_of(upper)
        return (base.rstrip("/-_") or upper) if base else upper

    def resolve(self, requested: Iterable[str], known: Iterable[str]) -> list[str]:
        """The project symbols that were asked for, each once, in the order given.

        `known` are the symbols that exist besides the core. InvalidRequest names every unknown one
        with the nearest known names, in one sentence.
        """
        names = dict.fromkeys([*self.core, *known])
        symbols = list(dict.fromkeys(self.normalise(text) for text in requested))
        unknown = [symbol for symbol in symbols if symbol not in names]
        if unknown:
            verb = "is not a known symbol" if len(unknown) == 1 else "are not known symbols"
            listed = ", ".join(symbol + _did_you_mean(symbol, list(names)) for symbol in unknown)
            raise InvalidRequest(f"{listed} {verb}: give base assets of {self.quote} pairs, such as BTC.")
        return symbols


@cache
def load_universe(path: Path = CONFIG_DIR / "universe.yaml") -> Universe:
    """The universe of the file `path`; ConfigurationError says in one sentence what is wrong with it."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        raise ConfigurationError(f"{path} cannot be read as YAML: {detail}.") from error
    return _Reader(path).universe(raw)


def _did_you_mean(symbol: str, names: list[str]) -> str:
    near = get_close_matches(symbol, names, n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


@dataclass(frozen=True)
class _Reader:
    """Turns parsed YAML into a Universe, naming the place of the first thing that is wrong."""

    path: Path

    def universe(self, raw: Any) -> Universe:
        top = self.mapping(raw, "the file", required={"quote", "core"}, optional={"renames", "reused_tickers", "rules"})
        core = self.names(top["core"], "core")
        if not core:
            raise self.wrong("core", "must name at least one symbol")
        renames = top.get("renames") or []
        if not isinstance(renames, list):
            raise self.wrong("renames", "must be a list")
        rules = self.mapping(top.get("rules") or {}, "rules")
        universe = Universe(
            quote=self.name(top["quote"], "quote"),
            core=core,
            renames=tuple(self.rename(line, f"renames[{index}]", core) for index, line in enumerate(renames)),
            reused_tickers=frozenset(self.names(top.get("reused_tickers") or [], "reused_tickers")),
            rules=tuple(self.rule(str(name), line) for name, line in rules.items()),
        )
        if len({rename.old for rename in universe.renames}) < len(universe.renames):
            raise self.wrong("renames", "name an old symbol twice")
        return universe

    def rename(self, raw: Any, where: str, core: tuple[str, ...]) -> Rename:
        line = self.mapping(raw, where, required={"old", "new", "new_per_old"})
        old, new = self.name(line["old"], f"{where}.old"), self.name(line["new"], f"{where}.new")
        try:
            ratio = Decimal(str(line["new_per_old"]))
        except InvalidOperation:
            ratio = Decimal(0)
        if not (ratio.is_finite() and ratio > 0):
            raise self.wrong(f"{where}.new_per_old", f"is {line['new_per_old']!r}, but must be a number above 0")
        if old in core and new not in core:
            raise self.wrong(where, f"renames the core symbol {old}, so {new} must be in core too")
        return Rename(old, new, ratio)

    def rule(self, name: str, raw: Any) -> ExclusionRule:
        where = f"rules.{name}"
        options = {"bases", "suffixes", "twin_needed_below", "report_like", "keep", "without_permission"}
        line = self.mapping(raw, where, required={"reason"}, optional=options)
        if not isinstance(line["reason"], str) or not line["reason"].strip():
            raise self.wrong(f"{where}.reason", "must be a sentence")
        suffixes = self.mapping(line.get("suffixes") or {}, f"{where}.suffixes")
        twin_needed_below = line.get("twin_needed_below", 0)
        if not isinstance(twin_needed_below, int):
            raise self.wrong(f"{where}.twin_needed_below", "must be a whole number")
        permission = line.get("without_permission")
        return ExclusionRule(
            name=name,
            reason=line["reason"].strip(),
            bases=frozenset(self.names(line.get("bases") or [], f"{where}.bases")),
            suffixes=tuple(
                zip(
                    self.names(list(suffixes), f"{where}.suffixes"),
                    self.names(list(suffixes.values()), f"{where}.suffixes"),
                    strict=True,
                )
            ),
            twin_needed_below=twin_needed_below,
            report_like=self.names(line.get("report_like") or [], f"{where}.report_like"),
            keep=frozenset(self.names(line.get("keep") or [], f"{where}.keep")),
            without_permission=None if permission is None else self.name(permission, f"{where}.without_permission"),
        )

    def mapping(
        self, raw: Any, where: str, *, required: set[str] | None = None, optional: set[str] | None = None
    ) -> Mapping[Any, Any]:
        if not isinstance(raw, dict):
            raise self.wrong(where, "must be a mapping")
        if required is not None:
            if missing := required - set(raw):
                raise self.wrong(where, f"lacks {', '.join(sorted(missing))}")
            if unknown := {str(key) for key in raw} - required - (optional or set()):
                raise self.wrong(where, f"has unknown keys: {', '.join(sorted(unknown))}")
        return raw

    def names(self, raw: Any, where: str) -> tuple[str, ...]:
        if not isinstance(raw, list):
            raise self.wrong(where, "must be a list of names")
        names = tuple(self.name(item, where) for item in raw)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise self.wrong(where, f"names {', '.join(twice)} twice")
        return names

    def name(self, raw: Any, where: str) -> str:
        if not isinstance(raw, str):
            raise self.wrong(where, f"holds {raw!r}, which YAML does not read as text: put it in quotes")
        if not raw or raw != raw.strip() or any(letter.islower() for letter in raw if letter.isascii()):
            raise self.wrong(where, f"holds {raw!r}, but names are upper case without spaces")
        return raw

    def wrong(self, where: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}: {where} {what}.")
