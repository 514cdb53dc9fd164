"""None keeps every pair that the rules keep."""

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.sets import rule_set
from isheep_worker.selection.none import decide


def test_only_rules_drop_pairs() -> None:
    good = PairRow("a", "Name a bird.", "", "A wren.", "stop", 9, 4)
    empty = PairRow("b", "Name a bird.", "", " \n", "stop", 9, 4)
    rules = rule_set("ISheep", "en").pair_rules
    assert decide(good, rules).kept
    assert (decide(empty, rules).kept, decide(empty, rules).reason) == (False, "empty-response")
    assert decide(empty, rule_set("None", "en").pair_rules).kept


def test_the_setting_of_the_stage_keeps_cut_responses() -> None:
    cut = PairRow("c", "Name a bird.", "", "A wren, which", "length", 9, 4)
    dropped = decide(cut, rule_set("ISheep", "en").pair_rules)
    assert (dropped.kept, dropped.reason) == (False, "cut")
    assert decide(cut, rule_set("ISheep", "en", "Keep").pair_rules).kept
