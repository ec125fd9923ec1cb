from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from include.klines.errors import ConfigurationError, InvalidRequest
from include.klines.universe.config import load_universe

if TYPE_CHECKING:
    from pathlib import Path

CORE_THIRTY = {
    *("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "TRX", "LINK", "ICP", "SAND", "DOT", "MATIC", "AVAX", "UNI"),
    *("ATOM", "LTC", "BCH", "ALGO", "VET", "FTM", "MANA", "NEAR", "APT", "OP", "ARB", "MKR", "RUNE", "INJ", "STX"),
}


def test_the_first_thirty_are_the_core_thirty_and_successors_follow() -> None:
    core = load_universe().core
    assert set(core[:30]) == CORE_THIRTY
    assert core[:2] == ("BTC", "ETH")
    assert core[30:] == ("POL", "S", "SKY")


def test_renames_carry_how_many_new_units_one_old_unit_became() -> None:
    universe = load_universe()
    assert {rename.old: (rename.new, rename.new_per_old) for rename in universe.renames} == {
        "MATIC": ("POL", Decimal(1)),
        "FTM": ("S", Decimal(1)),
        "MKR": ("SKY", Decimal(24000)),
    }
    assert universe.rename_of("BTC") is None


def test_a_project_symbol_becomes_the_exchange_name_of_its_pair() -> None:
    assert load_universe().exchange_symbol("BTC") == "BTCUSDT"


def test_the_file_is_read_once() -> None:
    assert load_universe() is load_universe()


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [
        ("btc", "BTC"),
        ("BTCUSDT", "BTC"),
        (" BTC ", "BTC"),
        ("btc/usdt", "BTC"),
        ("BTC-USDT", "BTC"),
        ("USDT", "USDT"),
        ("币安人生", "币安人生"),
        ("币安人生usdt", "币安人生"),
        ("1inch", "1INCH"),
    ],
)
def test_what_people_type_becomes_the_project_symbol(typed: str, symbol: str) -> None:
    assert load_universe().normalise(typed) == symbol


def test_requested_symbols_are_resolved_once_each_in_the_order_given() -> None:
    assert load_universe().resolve(["eth", "BTCUSDT", "ETH", "pepe"], known=["PEPE"]) == ["ETH", "BTC", "PEPE"]


def test_an_unknown_symbol_is_refused_with_its_nearest_known_names() -> None:
    with pytest.raises(InvalidRequest, match=r"MATIK \(did you mean MATIC\?\) is not a known symbol.*BTC\.$"):
        load_universe().resolve(["MATIK"], known=[])


def test_every_unknown_symbol_is_named_in_one_sentence() -> None:
    with pytest.raises(InvalidRequest) as refused:
        load_universe().resolve(["AVAXX", "BTC", "ZZZZ"], known=[])
    assert str(refused.value).startswith("AVAXX (did you mean AVAX?), ZZZZ are not known symbols")


def test_a_leveraged_token_needs_the_rest_of_its_name_to_be_a_base_asset() -> None:
    rule = next(rule for rule in load_universe().rules if rule.name == "leveraged_token")
    bases = frozenset({"BTC", "ETH", "S", "SYRUP", "JUP", "SUPER", "BTCUP", "SUP"})
    assert [
        base for base in ("BTCUP", "ETHBULL", "SYRUP", "JUP", "SUPER", "BEAR") if rule.matches_name(base, bases)
    ] == [
        "BTCUP",
        "ETHBULL",
        "BEAR",
    ]


def test_a_name_with_a_short_rest_is_leveraged_only_beside_its_twin() -> None:
    rule = next(rule for rule in load_universe().rules if rule.name == "leveraged_token")
    assert not rule.matches_name("SUP", frozenset({"S", "SUP"}))
    assert "without its twin" in (rule.doubt("SUP", frozenset({"S", "SUP"})) or "")
    assert rule.matches_name("SUP", frozenset({"S", "SUP", "SDOWN"}))


def test_every_rule_gives_a_reason() -> None:
    rules = {rule.name: rule.reason for rule in load_universe().rules}
    assert set(rules) == {"leveraged_token", "stablecoin", "fiat", "not_spot"}
    assert all(rules.values())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("core: [BTC]", "the file lacks quote."),
        ("quote: USDT\ncore: []", "core must name at least one symbol."),
        ("quote: USDT\ncore: BTC", "core must be a list of names."),
        ("quote: USDT\ncore: [BTC, 4]", "core holds 4, which YAML does not read as text: put it in quotes."),
        ("quote: USDT\ncore: [BTC, ON]", "core holds True, which YAML does not read as text: put it in quotes."),
        ("quote: USDT\ncore: [btc]", "core holds 'btc', but names are upper case without spaces."),
        ("quote: USDT\ncore: [BTC, BTC]", "core names BTC twice."),
        ("quote: USDT\ncore: [BTC]\ncores: []", "the file has unknown keys: cores."),
        ("[]", "the file must be a mapping."),
        ("quote: USDT\ncore: [BTC]\nrenames: [{old: A, new: B}]", "renames[0] lacks new_per_old."),
        (
            "quote: USDT\ncore: [BTC]\nrenames: [{old: A, new: B, new_per_old: none}]",
            "renames[0].new_per_old is 'none', but must be a number above 0.",
        ),
        (
            "quote: USDT\ncore: [A]\nrenames: [{old: A, new: B, new_per_old: 1}]",
            "renames[0] renames the core symbol A, so B must be in core too.",
        ),
        ("quote: USDT\ncore: [BTC]\nrules: {fiat: {bases: [EUR]}}", "rules.fiat lacks reason."),
        ("quote: USDT\ncore: [BTC]\nrules: {fiat: {reason: x, base: []}}", "rules.fiat has unknown keys: base."),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence_that_names_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "universe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_universe(path)
    assert str(refused.value) == f"{path}: {sentence}"


def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "universe.yaml"
    path.write_text("core: [BTC\nquote: {", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"universe\.yaml cannot be read as YAML: ") as refused:
        load_universe(path)
    assert "\n" not in str(refused.value)
