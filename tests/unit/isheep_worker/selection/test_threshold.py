"""Self-assessment keeps what is above the threshold, strictly, and says why it drops the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import LevelScore, PairRow, ScoreRow
from isheep_worker.selection.self_assessment import decide

PAIR = PairRow("i1-r1-c00000-p1", "Name a bird.", "", "A wren.", "stop", 9, 4)
BOTH = ("Quality", "Following")


def scored(rule: str | None = None, **levels: float | str) -> ScoreRow:
    """A score row; a level given as a text is a reason for having no score."""
    return ScoreRow(
        PAIR.id,
        rule,
        {
            name: LevelScore(None, value) if isinstance(value, str) else LevelScore(value)
            for name, value in levels.items()
        },
    )


@pytest.mark.parametrize(
    ("score", "levels", "threshold", "reason"),
    [
        (scored(Quality=9, Following=10), BOTH, 8, None),
        (scored(Quality=8, Following=10), BOTH, 8, "score:Quality"),
        (scored(Quality=9, Following=8), BOTH, 8, "score:Following"),
        (scored(Quality=1), BOTH, 8, "score:Quality"),  # Following was not asked then
        (scored(Quality=9, Following=1), ("Quality",), 8, None),
        (scored(Quality=8.01), ("Quality",), 8, None),
        (scored(Quality=1), ("Quality",), 0, None),
        (scored(Quality=float("nan")), ("Quality",), 0, "score:Quality"),
        (scored(Quality="unparseable:no_number"), BOTH, 0, "unparseable:Quality"),
        (scored(Quality=9, Following="unparseable:range"), BOTH, 0, "unparseable:Following"),
        (scored(Quality="unscorable"), ("Quality",), 0, "unscorable:Quality"),
        (scored(rule="new_turn"), BOTH, 0, "rule:new_turn"),
    ],
)
def test_reasons(
    score: ScoreRow, levels: tuple[str, ...], threshold: int, reason: str | None
) -> None:
    row = decide(PAIR, score, levels, threshold)
    assert (row.kept, row.reason) == (reason is None, reason)
    assert (row.id, row.instruction, row.response) == (PAIR.id, PAIR.instruction, PAIR.response)


def test_the_scores_that_were_had_are_in_the_row() -> None:
    row = decide(PAIR, scored(Quality=9, Following="unparseable:range"), BOTH, 8)
    assert row.scores == {"Quality": 9}


def test_rows_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="the scores of other stand where"):
        decide(PAIR, ScoreRow("other"), BOTH, 8)
    with pytest.raises(ValueError, match="level Following was not scored"):
        decide(PAIR, scored(Quality=9), BOTH, 8)


@given(st.floats(1, 10), st.floats(1, 10), st.integers(0, 9))
def test_fractions_are_kept_above_the_threshold_and_not_rounded_to_it(
    quality: float, following: float, threshold: int
) -> None:
    kept = decide(PAIR, scored(Quality=quality, Following=following), BOTH, threshold).kept
    assert kept == (min(quality, following) > threshold)


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 9), st.integers(0, 9))
def test_a_higher_threshold_keeps_a_subset(quality: int, following: int, low: int, up: int) -> None:
    score = scored(Quality=quality, Following=following)
    if decide(PAIR, score, BOTH, low + up).kept:
        assert decide(PAIR, score, BOTH, low).kept
