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


def test_the_rules_see_the_answer_without_kept_thoughts() -> None:
    rules = rule_set("ISheep", "en").pair_rules
    response = "<think>\nA bird?\n\nDo you mean a wren?\n</think>\n\nA wren."
    pair = PairRow("a", "Name a bird.", "", response, "stop", 9, 4)
    kept = decide(pair, rules, "Keep")
    assert (kept.kept, kept.response) == (True, response)
    assert decide(pair, rules).reason == "thinking"
    for bad, reason in (("<think>A bird", "thinking"), ("<think>A</think> \n", "empty-response")):
        row = PairRow("b", "Name a bird.", "", bad, "stop", 9, 4)
        assert decide(row, rules, "Keep").reason == reason


def test_the_setting_of_the_stage_keeps_cut_responses() -> None:
    cut = PairRow("c", "Name a bird.", "", "A wren, which", "length", 9, 4)
    dropped = decide(cut, rule_set("ISheep", "en").pair_rules)
    assert (dropped.kept, dropped.reason) == (False, "cut")
    assert decide(cut, rule_set("ISheep", "en", "Keep").pair_rules).kept
