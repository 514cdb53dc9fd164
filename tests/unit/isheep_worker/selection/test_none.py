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
