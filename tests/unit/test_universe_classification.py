from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from include.klines.universe.classification import Classification, Pair, classify
from include.klines.universe.config import load_universe

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "binance" / "exchange_info"


def recording(name: str) -> dict[str, Any]:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recorded exchangeInfo {path} is not here")
    answer: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return answer


def entry(base: str, quote: str = "USDT", status: Any = "TRADING", **more: Any) -> dict[str, Any]:
    line = {"symbol": base + quote, "baseAsset": base, "quoteAsset": quote, "status": status}
    return {**line, "isSpotTradingAllowed": True, "permissions": [], **more}


def classified(*entries: Any, archive: list[str] | None = None) -> Classification:
    return classify({"symbols": list(entries)}, archive or [])


def by_symbol(found: Classification) -> dict[str, Pair]:
    return {pair.symbol: pair for pair in found.members}


def test_every_usdt_pair_of_a_live_answer_of_2022_is_classified() -> None:
    info = recording("live_2022-12-03.json.gz")
    found = classify(info, [])
    assert len(found.members) == sum(line["quoteAsset"] == "USDT" for line in info["symbols"])
    assert found.unclassified == []
    assert Counter(pair.excluded_by for pair in found.members if pair.excluded_by) == {
        "leveraged_token": 50,
        "stablecoin": 11,
        "fiat": 3,
    }
    pairs = by_symbol(found)
    assert {pairs[symbol].tier for symbol in ("SUPER", "LUNA", "LUNC", "FTT", "PAXG")} == {"extended"}
    assert not pairs["FTT"].trading


def test_the_newer_shape_with_permission_sets_is_read_too() -> None:
    found = classify(recording("testnet_2024-09-08_shape_with_permissionSets.json.gz"), [])
    assert len(found.members) == 376
    assert found.unclassified == []
    excluded = {pair.symbol for pair in found.members if pair.tier == "excluded"}
    assert excluded == {"TUSD", "USDC", "EUR", "USDP", "FDUSD", "AEUR", "EURI"}
    assert by_symbol(found)["JUP"].tier == "extended"


def test_what_the_recording_leaves_out_on_request_does_not_change_the_answer() -> None:
    info = recording("testnet_2024-09-08_shape_with_permissionSets.json.gz")
    lean = {"symbols": [{**line, "permissionSets": []} for line in info["symbols"]]}
    assert classify(lean, []) == classify(info, [])


def test_core_members_come_first_in_order() -> None:
    found = classified(entry("PEPE"), entry("ETH"), entry("BTC"))
    assert [(pair.symbol, pair.tier) for pair in found.members] == [
        ("BTC", "core"),
        ("ETH", "core"),
        ("PEPE", "extended"),
    ]


def test_pairs_with_another_quote_are_not_ours() -> None:
    assert classified(entry("ETH", "BTC"), entry("USDT", "TRY")).members == []


def test_a_pair_that_only_the_archive_knows_is_a_delisted_member() -> None:
    found = classified(entry("BTC"), archive=["BTCUSDT", "VENUSDT", "VENBTC"])
    pair = by_symbol(found)["VEN"]
    assert (pair.exchange_symbol, pair.tier, pair.status, pair.trading) == ("VENUSDT", "extended", "DELISTED", False)


def test_a_leveraged_token_is_known_by_bases_of_the_archive_too() -> None:
    found = classified(entry("BTC"), archive=["EOSUSDT", "EOSBULLUSDT", "SYRUPUSDT"])
    assert {pair.symbol: pair.excluded_by for pair in found.members} == {
        "BTC": None,
        "EOS": None,
        "EOSBULL": "leveraged_token",
        "SYRUP": None,
    }


def test_a_core_member_is_never_left_out_by_a_rule() -> None:
    found = classified(entry("BTC", permissions=["LEVERAGED"]))
    assert by_symbol(found)["BTC"].tier == "core"


def test_a_trading_pair_without_spot_permission_is_left_out_by_name_of_the_rule() -> None:
    found = classified(
        entry("AAA", permissionSets=[["MARGIN"]]),
        entry("BBB", permissionSets=[["SPOT", "MARGIN"], ["TRD_GRP_004"]]),
        entry("CCC", isSpotTradingAllowed=False),
        entry("DDD", status="BREAK", isSpotTradingAllowed=False),
    )
    assert {pair.symbol: pair.excluded_by for pair in found.members} == {
        "AAA": "not_spot",
        "BBB": None,
        "CCC": "not_spot",
        "DDD": None,
    }


@pytest.mark.parametrize("status", ["POST_ONLY_AUCTION", "", None, 7])
def test_an_unknown_status_means_not_trading_and_is_reported(status: object) -> None:
    found = classified(entry("AAA", status=status))
    assert [(pair.symbol, pair.trading) for pair in found.members] == [("AAA", False)]
    assert [finding.symbol for finding in found.unclassified] == ["AAAUSDT"]
    assert repr(status) in found.unclassified[0].reason


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"])
def test_a_known_status_other_than_trading_needs_no_report(status: str) -> None:
    found = classified(entry("AAA", status=status))
    assert not found.members[0].trading
    assert found.unclassified == []


def test_non_ascii_symbols_are_pairs_like_others() -> None:
    found = classified(entry("币安人生"), archive=["币安人生USDT", "我踏马来了USDT"])
    assert [(pair.exchange_symbol, pair.status) for pair in found.members] == [
        ("币安人生USDT", "TRADING"),
        ("我踏马来了USDT", "DELISTED"),
    ]


def test_an_entry_without_its_base_asset_is_kept_by_its_name_and_reported() -> None:
    broken = entry("OLDX")
    del broken["baseAsset"]
    found = classified(entry("BTC"), broken)
    assert by_symbol(found)["OLDX"].trading
    assert [finding.symbol for finding in found.unclassified] == ["OLDXUSDT"]


def test_broken_entries_are_reported_and_never_taken_for_delisted() -> None:
    contradiction = entry("AAA") | {"baseAsset": "BBB"}
    found = classified(
        contradiction, "AAAUSDT", None, {}, entry("BTC"), {"symbol": 5}, {"symbol": "USDT"}, archive=["AAAUSDT", "USDT"]
    )
    assert [pair.symbol for pair in found.members] == ["BTC"]
    assert [finding.symbol for finding in found.unclassified] == [
        "AAAUSDT",
        "symbols[1]",
        "symbols[2]",
        "symbols[3]",
        "symbols[5]",
        "USDT",
        "USDT",
    ]


def test_a_pair_named_twice_is_taken_once_and_reported() -> None:
    found = classified(entry("AAA"), entry("AAA", status="BREAK"))
    assert [pair.status for pair in found.members] == ["TRADING"]
    assert "twice" in found.unclassified[0].reason


def test_a_pair_that_looks_like_a_stablecoin_but_is_in_no_list_is_kept_and_reported() -> None:
    found = classified(entry("USDX"))
    assert found.members[0].tier == "extended"
    assert "is it a stablecoin?" in found.unclassified[0].reason
    assert found.members[0].note == found.unclassified[0].reason


@pytest.mark.parametrize("answer", [None, [], {}, {"symbols": None}, {"symbols": {}}, {"symbols": []}])
def test_an_answer_without_symbols_does_not_delist_the_world(answer: object) -> None:
    assert classify(answer, ["BTCUSDT", "ETHUSDT"]).members == []


def test_permissions_of_any_shape_do_not_break_it() -> None:
    odd = [
        entry("AAA", permissions="SPOT"),
        entry("BBB", permissionSets=[[["SPOT"]], None, 3], isSpotTradingAllowed=None),
    ]
    found = classified(*odd)
    assert [pair.tier for pair in found.members] == ["extended", "extended"]
    assert [finding.symbol for finding in found.unclassified] == ["BBBUSDT"]


def test_the_rules_of_the_file_name_no_core_member() -> None:
    universe = load_universe()
    assert not {base for rule in universe.rules for base in rule.bases} & set(universe.core)
