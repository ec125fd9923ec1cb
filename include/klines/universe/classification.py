"""Which pairs exist, in which tier, by exchangeInfo and the archive listing. Nothing is left out without a word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from include.klines.universe.config import load_universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from include.klines.universe.config import ExclusionRule, Universe

TRADING = "TRADING"
ARCHIVE_ONLY = "DELISTED"
"""Our own status for a pair that exchangeInfo no longer knows."""
KNOWN_STATUSES = {
    TRADING, "PRE_TRADING", "POST_TRADING", "END_OF_DAY", "HALT", "AUCTION_MATCH", "BREAK", "CANCEL_ONLY"
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One pair with our quote. `excluded_by` names the rule exactly where the tier is "excluded"."""

    symbol: str
    exchange_symbol: str
    base_asset: str
    quote_asset: str
    tier: str
    status: str
    excluded_by: str | None = None
    note: str | None = None

    @property
    def trading(self) -> bool:
        """True where the exchange says TRADING; every other status, known or not, is "not trading"."""
        return self.status == TRADING


@dataclass(frozen=True)
class Unclassified:
    """Something a person should look at: what (a symbol, or where it stood) and why."""

    symbol: str
    reason: str

    def __str__(self) -> str:
        return f"{self.symbol}: {self.reason}"


class Classification(NamedTuple):
    """Every pair with our quote, core first and in order, and what could not be classified."""

    members: list[Pair]
    unclassified: list[Unclassified]


def classify(exchange_info: Any, archive_symbols: Iterable[str], universe: Universe | None = None) -> Classification:
    """The pairs of `exchange_info` (raw JSON) and of the archive, each with its tier.

    A broken entry is reported; its pair is kept where its name says which it is, else left as it was. An unknown status
    means "not trading". A pair that only the archive knows has status DELISTED, but an answer without any pair tells
    nothing and gives no members. Pairs with another quote are not ours and not mentioned.
    """
    return _Classifier(universe or load_universe()).run(exchange_info, archive_symbols)


@dataclass(frozen=True)
class _Entry:
    """What counts of one line of exchangeInfo."""

    name: str
    base: str
    quote: str
    status: Any
    permissions: frozenset[str] | None
    note: str | None = None


class _Classifier:
    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.members: dict[str, Pair] = {}
        self.unclassified: list[Unclassified] = []
        self.broken: set[str] = set()
        self.bases: frozenset[str] = frozenset()

    def run(self, exchange_info: Any, archive_symbols: Iterable[str]) -> Classification:
        entries = list(self._entries(exchange_info))
        archived = dict.fromkeys(archive_symbols) if entries else {}
        archived_bases = {base: name for name in archived if (base := self.universe.base_of(name))}
        self.bases = frozenset({entry.base for entry in entries} | set(archived_bases))
        for entry in entries:
            if entry.quote == self.universe.quote:
                self._add_listed(entry)
        for base, name in archived_bases.items():
            if name not in self.broken and base not in self.members:
                self._add(
                    _Entry(name, base, self.universe.quote, ARCHIVE_ONLY, None, "only the archive knows this pair")
                )
        if self.universe.quote in archived:
            self._report(self.universe.quote, "the archive names a pair without a base asset")
        core = [self.members[symbol] for symbol in self.universe.core if symbol in self.members]
        others = [pair for pair in self.members.values() if pair.tier != "core"]
        return Classification([*core, *others], self.unclassified)

    def _entries(self, exchange_info: Any) -> Iterator[_Entry]:
        """The entries that name a pair; the others are reported, and their names kept out of everything else."""
        lines = exchange_info.get("symbols") if isinstance(exchange_info, dict) else None
        if not isinstance(lines, list):
            self._report("exchangeInfo", "the answer has no list of symbols")
            return
        for position, line in enumerate(lines):
            if not isinstance(line, dict):
                self._report(f"symbols[{position}]", f"the entry is {type(line).__name__}, not an object")
                continue
            name, base, quote = (_text(line.get(key)) for key in ("symbol", "baseAsset", "quoteAsset"))
            note = None
            if name and not (base and quote) and quote in {None, self.universe.quote}:
                base, quote = self.universe.base_of(name), self.universe.quote
                note = "the entry does not name both assets, so they are taken from the pair's name"
            if name and base and quote and name == base + quote:
                if note:
                    self._report(name, note)
                yield _Entry(name, base, quote, line.get("status"), _permissions(line), note)
            else:
                self.broken.add(name or "")
                assets = f"({line.get('baseAsset')!r}, {line.get('quoteAsset')!r})"
                self._report(name or f"symbols[{position}]", f"the entry's assets {assets} do not make up its name")

    def _add_listed(self, entry: _Entry) -> None:
        status = _text(entry.status)
        if entry.base in self.members:
            self._report(entry.name, "exchangeInfo names the pair twice; the first entry counts")
        elif status in KNOWN_STATUSES:
            self._add(entry)
        else:
            note = f"the status {entry.status!r} is unknown, so the pair counts as not trading"
            self._report(entry.name, note)
            self._add(replace(entry, status=status or "UNKNOWN", note=note))

    def _add(self, entry: _Entry) -> None:
        base, rule, tier, note = entry.base, None, "core", entry.note
        if base not in self.universe.core:
            rule = self._rule_for(entry)
            tier = "excluded" if rule else "extended"
            note = (None if rule else self._doubt(entry)) or note
        excluded_by = rule.name if rule else None
        self.members[base] = Pair(base, entry.name, base, entry.quote, tier, entry.status, excluded_by, note)

    def _rule_for(self, entry: _Entry) -> ExclusionRule | None:
        for rule in self.universe.rules:
            if rule.matches_name(entry.base, self.bases):
                return rule
            # Ended pairs may have lost their permissions; once they were traded on the spot market all the same.
            allowed = entry.permissions if entry.status == TRADING else None
            if allowed is not None and rule.without_permission not in {None, *allowed}:
                return rule
        return None

    def _doubt(self, entry: _Entry) -> str | None:
        """Why a pair that stays in the extended tier should be looked at; reported."""
        rules = self.universe.rules
        doubt = next((doubt for rule in rules if (doubt := rule.doubt(entry.base, self.bases))), None)
        if doubt is None and entry.status == TRADING and entry.permissions is None:
            doubt = "the exchange does not say on which market it is traded"
        if doubt:
            self._report(entry.name, doubt)
        return doubt

    def _report(self, symbol: str, reason: str) -> None:
        self.unclassified.append(Unclassified(symbol, reason))


def _text(value: Any) -> str | None:
    """`value` where it is a text with something in it, else None."""
    return value.strip() or None if isinstance(value, str) else None


def _permissions(line: dict[str, Any]) -> frozenset[str] | None:
    """What the pair may be traded as ("SPOT", "LEVERAGED" …); None where the entry does not say.

    `permissions` is [] since 2024, and `permissionSets` is left out on request: then isSpotTradingAllowed decides.
    """
    sets = line.get("permissionSets")
    groups = [line.get("permissions"), *(sets if isinstance(sets, list) else [])]
    permissions = [name for group in groups if isinstance(group, list) for name in group if isinstance(name, str)]
    spot = line.get("isSpotTradingAllowed")
    if permissions or not isinstance(spot, bool):
        return frozenset(permissions) or None
    return frozenset({"SPOT"} if spot else ())
