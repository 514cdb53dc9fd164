from isheep_worker.rows.schema import PAIRS, PairRow
from isheep_worker.rules.response import pair_drop
from isheep_worker.rules.sets import rule_set

UNREAD = PairRow("a", "Name a bird.", "", "", "stop", 9, 4, rule="no_reply")
EMPTY = PairRow("a", "Name a bird.", "", "", "stop", 9, 4)


def test_a_response_that_could_not_be_read_passes_no_set_of_rules() -> None:
    for name in ("ISheep", "Dromedary", "None"):
        drop = pair_drop(rule_set(name, "en").pair_rules, UNREAD)
        assert drop is not None
        assert drop.rule == "no_reply"
    assert pair_drop((), EMPTY) is None
    drop = pair_drop(rule_set("Dromedary", "en").pair_rules, EMPTY)
    assert drop is not None
    assert drop.rule == "empty_response"


def test_a_pair_whose_response_was_read_is_written_as_ever() -> None:
    assert b"rule" not in PAIRS.encode(EMPTY)
    assert PAIRS.decode(PAIRS.encode(EMPTY)) == EMPTY
    assert PAIRS.decode(PAIRS.encode(UNREAD)) == UNREAD
