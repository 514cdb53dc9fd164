"""The assessor's answers in the report."""

from isheep_worker.report.explanations import AssessedPair, AssessorAnswer, assessed_pairs
from isheep_worker.rows.schema import LevelScore, ScoreRow, SelectionRow


def pair(id_: str) -> SelectionRow:
    return SelectionRow(id_, f"do {id_}", "", f"done {id_}", "stop", False, None)


def test_a_pair_is_shown_with_its_answers_whether_a_score_was_read_or_not():
    levels = {
        "Quality": LevelScore(9.0, raw="9||good"),
        "Following": LevelScore(None, "unparseable-ambiguous", raw="8-9"),
    }
    rows = [
        ScoreRow("a", rule="options"),
        ScoreRow("b", None, levels),
        ScoreRow("c", None, {"Quality": LevelScore(None, "unparseable-too-long")}),
        # An expected score has no answer, but the sampled score that it is compared with has one.
        ScoreRow("d", None, {"Quality": LevelScore(7.5)}, {"Quality": LevelScore(8.0, raw="8")}),
    ]
    assert assessed_pairs(rows, map(pair, "abcdef")) == (
        AssessedPair(
            "do b",
            "",
            "done b",
            (
                AssessorAnswer("Quality", 9.0, None, "9||good"),
                AssessorAnswer("Following", None, "unparseable-ambiguous", "8-9"),
            ),
        ),
        AssessedPair("do d", "", "done d", (AssessorAnswer("Quality", 8.0, None, "8"),)),
    )


def test_the_pairs_after_the_last_one_with_an_answer_are_not_read():
    pairs = map(pair, "abcdef")
    assert len(assessed_pairs([ScoreRow("b", None, {"Q": LevelScore(1.0, raw="1")})], pairs)) == 1
    assert next(pairs).id == "c"
    assert assessed_pairs([], pairs) == ()
    assert next(pairs).id == "d"
