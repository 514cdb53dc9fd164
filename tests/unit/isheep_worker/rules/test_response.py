"""The drop of a pair before it is scored."""

from isheep_worker.rows.schema import PAIRS, PairRow
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import rule_set

UNREADABLE = PairRow("a", "Name a bird.", "", "", "stop", 9, 4, rule="no-reply")
EMPTY = PairRow("a", "Name a bird.", "", "", "stop", 9, 4)


def test_a_response_that_could_not_be_read_is_dropped_with_every_set_of_rules() -> None:
    for name in ("ISheep", "Dromedary", "None"):
        drop = pair_drop(rule_set(name, "en").pair_rules, UNREADABLE)
        assert drop is not None
        assert drop.rule == "no-reply"
    assert pair_drop((), EMPTY) is None
    drop = pair_drop(rule_set("Dromedary", "en").pair_rules, EMPTY)
    assert drop is not None
    assert drop.rule == "empty-response"


def test_a_row_contains_the_field_rule_only_if_the_response_could_not_be_read() -> None:
    assert b"rule" not in PAIRS.encode(EMPTY)
    assert PAIRS.decode(PAIRS.encode(EMPTY)) == EMPTY
    assert PAIRS.decode(PAIRS.encode(UNREADABLE)) == UNREADABLE
