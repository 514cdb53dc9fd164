"""Whether the assessor has changed: the same pairs, paired, with too few pairs and lost scores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from isheep.contract.choices import PromptFormat
from isheep_worker.controls.drift import (
    AnchorLook,
    AssessorDrift,
    anchor_figure,
    anchor_looks,
    assessor_drift,
)
from isheep_worker.rows.schema import LevelScore, ScoreRow


def row(id_: str, *scores: float | None) -> ScoreRow:
    levels = ("Quality", "Following")[: len(scores)]
    return ScoreRow(
        id_, None, {name: LevelScore(one) for name, one in zip(levels, scores, strict=True)}
    )


def look(t: int, rows: Iterable[ScoreRow], prompt_format: PromptFormat = "Chat") -> AnchorLook:
    return AnchorLook(t, prompt_format, list(rows))


def drift(count: int, shift: float) -> AssessorDrift:
    draw = np.random.default_rng(3)
    scores = draw.integers(2, 9, count)
    noise = draw.integers(-1, 2, count)
    first = look(1, (row(f"p{n}", float(score)) for n, score in enumerate(scores)), "Raw")
    later = look(
        2, (row(f"p{n}", float(s + noise[n] + shift)) for n, s in enumerate(scores) if n < count)
    )
    (found,) = assessor_drift(first, later, 0)
    return found


@pytest.mark.parametrize(
    ("shift", "verdict"), [(1, "more lenient"), (-1, "stricter"), (0, "no significant change")]
)
def test_the_verdict_follows_from_the_paired_difference(shift: float, verdict: str) -> None:
    found = drift(200, shift)
    assert found.verdict == verdict
    assert found.comparison is not None
    assert found.comparison.difference == pytest.approx(shift, abs=0.15)
    assert found.comparison.interval is not None
    # A shift of all scores changes no order.
    assert found.order.tau is not None
    assert found.order.tau > 0.6
    assert (found.first_format, found.prompt_format, found.missing) == ("Raw", "Chat", 0)


def test_scores_by_chance_have_no_rank_correlation() -> None:
    draw = np.random.default_rng(3)
    scores = draw.integers(1, 11, (2, 200))
    first, later = (
        look(t, (row(f"p{n}", float(one)) for n, one in enumerate(values)))
        for t, values in enumerate(scores, start=1)
    )
    (found,) = assessor_drift(first, later, 0)
    assert found.order.interval is not None
    assert 0 in found.order.interval


def test_below_thirty_pairs_there_is_no_verdict_and_below_fifty_no_rank_correlation() -> None:
    few, more = drift(29, 3), drift(49, 3)
    assert few.verdict == "too few items (29)"
    assert more.verdict == "more lenient"
    assert few.order.tau is None
    assert more.order.tau is None


def test_a_pair_that_has_lost_a_score_is_counted_for_its_level_only() -> None:
    first = look(1, (row(f"p{n}", 5.0, 6.0) for n in range(40)))
    later = look(2, (row(f"p{n}", None if n < 4 else 7.0, 6.0) for n in range(40)))
    quality, following = assessor_drift(first, later, 0)
    assert (quality.level, quality.missing, following.missing) == ("Quality", 4, 0)
    assert quality.comparison is not None
    assert (quality.comparison.items, quality.comparison.before) == (36, 5.0)
    none = look(2, (row(f"p{n}", None) for n in range(40)))
    (lost,) = assessor_drift(first, none, 0)
    assert (lost.verdict, lost.missing) == ("too few items (0)", 40)


def test_the_first_scores_are_those_of_the_anchors_only() -> None:
    every = [row(f"p{n}", float(n % 9)) for n in range(9)]
    drawn = [row("p7", 1.0), row("p2", 2.0)]
    first, later = anchor_looks([(1, "Raw", lambda: iter(every)), (2, "Chat", lambda: iter(drawn))])
    assert [one.id for one in first.rows] == ["p2", "p7"]
    assert (first.prompt_format, later.prompt_format, later.rows) == ("Raw", "Chat", drawn)
    assert anchor_looks([]) == []


def test_the_figure_of_the_guards_is_the_mean_over_levels_of_complete_pairs() -> None:
    figure = anchor_figure([row("p1", 4.0, 8.0), row("p2", None, 9.0), row("p3", 2.0, 2.0)])
    assert figure.ids == ("p1", "p3")
    assert (figure.value, figure.n) == (4.0, 2)
