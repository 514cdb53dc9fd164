"""Which pairs the report shows, and the scores of kept and dropped pairs."""

from __future__ import annotations

import math
import random

import pytest

from isheep_worker.report.pairs import (
    BORDERLINE,
    KEPT,
    SHOWN_BORDERLINE,
    SHOWN_KEPT,
    SHOWN_OF_A_REASON,
    distance_of,
    pair_figures,
)
from isheep_worker.rows.schema import SelectionRow

METHOD = {"method": "SelfAssessment", "threshold": 6}


def row(number: int, reason: str | None = None, **scores: float) -> SelectionRow:
    name = f"i1-r1-c{number:05d}-p1"
    return SelectionRow(
        name, f"task {number}", "", "answer", "stop", reason is None, reason, scores
    )


def mixed() -> list[SelectionRow]:
    reasons = (None, "question-back", "score-quality", None)
    return [row(n, reasons[n % 4], Quality=float(n % 10 + 1)) for n in range(400)]


def test_each_reason_has_a_sample_and_its_number() -> None:
    found = {group.name: group for group in pair_figures(mixed(), 0).groups}
    assert {name: group.total for name, group in found.items()} == {
        KEPT: 200,
        "question-back": 100,
        "score-quality": 100,
    }
    assert len(found[KEPT].pairs) == SHOWN_KEPT
    assert len(found["score-quality"].pairs) == SHOWN_OF_A_REASON
    assert {pair.reason for pair in found["score-quality"].pairs} == {"score-quality"}
    assert list(found) == [KEPT, "question-back", "score-quality"]


def test_the_draw_depends_on_the_pairs_and_the_seed_and_not_on_their_order() -> None:
    rows = mixed()
    shuffled = random.Random(1).sample(rows, len(rows))
    assert pair_figures(shuffled, 0).groups == pair_figures(rows, 0).groups
    assert pair_figures(rows, 1).groups != pair_figures(rows, 0).groups
    (kept,) = (group for group in pair_figures(rows, 0).groups if group.name == KEPT)
    # The first pairs are not the sample.
    assert {pair.id for pair in kept.pairs} != {r.id for r in rows[:16] if r.kept}


def test_borderline_pairs_are_nearest_to_the_threshold_on_both_sides() -> None:
    rows = [
        *(row(n, None, Quality=10.0, Following=9.0) for n in range(20)),
        *(row(n, None, Quality=10.0, Following=7.0) for n in range(20, 26)),
        *(row(n, "score-following", Quality=9.0, Following=1.0) for n in range(30, 50)),
        *(row(n, "score-quality", Quality=6.0, Following=9.0) for n in range(50, 53)),
        # Another reason than the threshold dropped this pair.
        row(60, "unparseable-following", Quality=6.0),
    ]
    groups = pair_figures(rows, 0, distance_of(METHOD)).groups
    (near,) = (group for group in groups if group.name == BORDERLINE)
    kept = [pair for pair in near.pairs if pair.kept]
    dropped = [pair for pair in near.pairs if not pair.kept]
    assert len(kept) == len(dropped) == SHOWN_BORDERLINE
    assert {pair.scores["Following"] for pair in kept} == {7.0}
    assert [pair.scores["Quality"] for pair in dropped] == [6.0, 6.0, 6.0, 9.0]


def test_a_perplexity_is_near_its_maximum_by_their_ratio() -> None:
    distance = distance_of({"method": "Perplexity", "maxPerplexity": 50.0})
    assert distance is not None
    near = distance({"ResponsePerplexity": 100.0, "PairPerplexity": 2.0})
    assert near == pytest.approx(math.log(2))
    assert near == pytest.approx(distance({"ResponsePerplexity": 25.0, "PairPerplexity": 2.0}))


@pytest.mark.parametrize("settings", [{"method": "None"}, {"method": "Random", "threshold": 6}, {}])
def test_a_method_without_a_threshold_has_no_borderline_pairs(settings) -> None:
    assert distance_of(settings) is None
    assert BORDERLINE not in {group.name for group in pair_figures(mixed(), 0).groups}


def test_levels_have_the_scores_of_kept_and_dropped_pairs() -> None:
    rows = [
        row(1, None, Quality=9.0, Following=10.0),
        row(2, None, Quality=7.0, Following=10.0),
        row(3, "score-quality", Quality=2.4, Following=10.0),
        row(4, "unparseable-following", Quality=5.0),
        row(5, "question-back"),
        row(6, None, ResponsePerplexity=30.0),
    ]
    quality, following = pair_figures(rows, 0).levels
    assert (quality.level, quality.mean_kept, quality.mean_dropped) == ("Quality", 8.0, 3.7)
    assert quality.kept == (0, 0, 0, 0, 0, 0, 1, 0, 1, 0)
    assert quality.dropped == (0, 1, 0, 0, 1, 0, 0, 0, 0, 0)
    assert (following.kept[9], following.dropped[9]) == (2, 1)


def test_a_level_that_only_dropped_pairs_have_has_no_mean_of_kept_pairs() -> None:
    (quality,) = pair_figures([row(1, "score-quality", Quality=2.0)], 0).levels
    assert (quality.mean_kept, quality.mean_dropped) == (None, 2.0)
