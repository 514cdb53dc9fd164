"""The threshold rule keeps pairs whose scores are above the threshold, and gives reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import LevelScore, PairRow, ScoreRow
from isheep_worker.selection.threshold import decide

PAIR = PairRow("i1-r1-c00000-p1", "Name a bird.", "", "A wren.", "stop", 9, 4)
BOTH = ("Quality", "Following")


def scored(rule: str | None = None, **levels: float | str) -> ScoreRow:
    """Return a score row; a text in place of a score is the reason for a missing score."""
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
        (scored(Quality=8, Following=10), BOTH, 8, "score-quality"),
        (scored(Quality=9, Following=8), BOTH, 8, "score-following"),
        (scored(Quality=1), BOTH, 8, "score-quality"),  # assess skipped Following
        (scored(Quality=9, Following=1), ("Quality",), 8, None),
        (scored(Quality=8.01), ("Quality",), 8, None),
        (scored(Quality=1), ("Quality",), 0, None),
        (scored(Quality=float("nan")), ("Quality",), 0, "score-quality"),
        (scored(Quality="unparseable-no-number"), BOTH, 0, "unparseable-quality"),
        (scored(Quality=9, Following="unparseable-empty"), BOTH, 0, "unparseable-following"),
        (scored(Quality="unscorable-low-mass"), ("Quality",), 0, "unscorable-quality"),
        (scored(rule="new-turn"), BOTH, 0, "new-turn"),
    ],
)
def test_each_dropped_pair_has_a_reason(
    score: ScoreRow, levels: tuple[str, ...], threshold: int, reason: str | None
) -> None:
    row = decide(PAIR, score, levels, threshold)
    assert (row.kept, row.reason) == (reason is None, reason)
    assert (row.id, row.instruction, row.response) == (PAIR.id, PAIR.instruction, PAIR.response)


def test_the_row_contains_the_scores_of_the_pair() -> None:
    row = decide(PAIR, scored(Quality=9, Following="unparseable-empty"), BOTH, 8)
    assert row.scores == {"Quality": 9}


def test_scores_of_another_pair_or_without_a_level_are_refused() -> None:
    with pytest.raises(ValueError, match=f"the scores of other are at the place of {PAIR.id}"):
        decide(PAIR, ScoreRow("other"), BOTH, 8)
    with pytest.raises(ValueError, match="level Following was not scored"):
        decide(PAIR, scored(Quality=9), BOTH, 8)


@given(st.floats(1, 10), st.floats(1, 10), st.integers(0, 9))
def test_fractions_are_compared_without_rounding(
    quality: float, following: float, threshold: int
) -> None:
    kept = decide(PAIR, scored(Quality=quality, Following=following), BOTH, threshold).kept
    assert kept == (min(quality, following) > threshold)


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 9), st.integers(0, 9))
def test_a_higher_threshold_keeps_a_subset(quality: int, following: int, low: int, up: int) -> None:
    score = scored(Quality=quality, Following=following)
    if decide(PAIR, score, BOTH, low + up).kept:
        assert decide(PAIR, score, BOTH, low).kept
