"""A response that ended by length."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.cut import CUT
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.sets import RULE_SETS, rule_set


def pair(finish_reason: str) -> PairRow:
    return PairRow("id", "List ten rivers.", "", "1. Mekong: it rises in", finish_reason, 20, 160)


@pytest.mark.parametrize(
    ("finish_reason", "detail"), [("length", "ended by length"), ("stop", None), ("", None)]
)
def test_a_cut_response_is_found(finish_reason: str, detail: str | None) -> None:
    assert CUT.check(pair(finish_reason)) == detail


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(RULE_SETS.keys() - {"None"}))
def test_every_set_drops_a_cut_response_unless_it_is_kept(name: str, language: str) -> None:
    row = pair("length")
    rules = rule_set(name, language).pair_rules
    assert first_drop(rules, row) == Drop("cut", "ended by length")
    kept = rule_set(name, language, "Keep").pair_rules
    assert kept == tuple(rule for rule in rules if rule is not CUT)
    assert first_drop(kept, row) is None
