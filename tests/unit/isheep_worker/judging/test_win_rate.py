"""The win rate: its counts, the judgements that cannot be read, and the length control."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isheep_worker.judging.win_rate import win_rate
from isheep_worker.rows.schema import PREFERENCES, PreferenceRow


def row(number: int, first: float | None, second: float | None) -> PreferenceRow:
    return PreferenceRow(f"q{number}", first, second, 100 + number % 7, 100 + number % 3)


def test_a_judge_that_prefers_a_place_gives_no_win() -> None:
    found = win_rate([row(n, 1.0, 0.0) for n in range(60)], seed=0)
    assert found.comparison is not None
    assert (found.comparison.after, found.comparison.change) == (0.5, "NotSignificant")
    assert found.counts is not None
    assert (found.counts.reversals, found.counts.first_place) == (60, 120)


def test_equal_judgements_of_all_questions_still_have_an_interval() -> None:
    """Resamples of equal values have no width, and the next question could be judged otherwise."""
    for value, low, high in ((1.0, 0.94, 1.0), (0.5, 0.47, 0.53)):
        second = value if value == 1.0 else 0.0
        found = win_rate([row(n, 1.0, second) for n in range(60)], seed=0)
        assert found.comparison is not None
        assert found.length_controlled is not None
        interval, controlled = found.comparison.interval, found.length_controlled.interval
        assert interval is not None
        assert controlled is not None
        assert interval.low + 0.5 == pytest.approx(low, abs=0.005)
        assert interval.high + 0.5 == pytest.approx(high, abs=0.005)
        assert (controlled.low, controlled.high) == pytest.approx((low, high), abs=0.005)


def test_a_model_that_wins_in_both_orders_is_better() -> None:
    rows = [row(n, 1.0, 1.0) for n in range(45)] + [row(n, 0.0, 0.0) for n in range(45, 60)]
    found = win_rate(rows, seed=0)
    assert found.comparison is not None
    assert (found.comparison.after, found.comparison.change) == (0.75, "Higher")
    assert found.length_controlled is not None
    assert found.length_controlled.rate == pytest.approx(0.75, abs=0.03)
    assert win_rate(rows, seed=0) == found


def test_unreadable_judgements_are_counted_by_order_and_their_questions_left_out() -> None:
    rows = [row(n, 1.0, 1.0) for n in range(58)] + [row(58, None, 0.0), row(59, 0.0, None)]
    found = win_rate(rows, seed=0)
    assert (found.questions, found.unreadable_first, found.unreadable_second) == (60, 1, 1)
    assert found.comparison is not None
    assert (found.comparison.items, found.comparison.after) == (58, 1.0)


@pytest.mark.parametrize("side", ["first", "second"])
def test_more_than_one_in_twenty_unreadable_judgements_of_one_order_have_no_figure(
    side: str,
) -> None:
    rows = [row(n, 1.0, 1.0) for n in range(60)]
    some = [replace(one, **{side: None}) for one in rows[:3]]
    assert win_rate(some + rows[3:], seed=0).comparison is not None
    more = [replace(one, **{side: None}) for one in rows[:4]]
    found = win_rate(more + rows[4:], seed=0)
    assert (found.comparison, found.counts, found.length_controlled) == (None, None, None)
    assert found.problem is not None
    assert "4 of 60 questions" in found.problem or "for 4 with M(t)" in found.problem


def test_few_questions_have_no_interval() -> None:
    found = win_rate([row(n, 1.0, 1.0) for n in range(8)], seed=0)
    assert found.comparison is not None
    assert (found.comparison.interval, found.comparison.verdict) == (None, "too few items (8)")
    assert found.length_controlled is not None
    assert found.length_controlled.interval is None


def test_a_row_is_read_as_it_was_written() -> None:
    written = PreferenceRow("q", 1.0, None, 3, 4, None, "no-verdict", 0.5, ("Verdict: A", "?"))
    assert PREFERENCES.decode(PREFERENCES.encode(written)) == written
    assert b"difficulty" not in PREFERENCES.encode(row(1, 1.0, 0.0))
