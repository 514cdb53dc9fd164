"""The report's figures of scores, compared with numpy."""

import math
import random

import numpy as np
import pytest

from isheep_worker.report.scores import Agreement, LevelFigures, OrderMean, level_figures
from isheep_worker.rows.schema import LevelScore, ScoreRow
from isheep_worker.scoring.expected import expected_score


def sampled(score: int | None) -> LevelScore:
    return LevelScore(None, "unparseable-no-number") if score is None else LevelScore(float(score))


def expected(draw: random.Random) -> LevelScore:
    weights = [draw.random() for _ in range(10)]
    mass = draw.uniform(0.05, 1)
    return expected_score([math.log(mass * w / sum(weights)) for w in weights])


def quality(*scores: LevelScore, order: str | None = None) -> list[ScoreRow]:
    return [
        ScoreRow(str(n), None, {"Quality": score}, order=order) for n, score in enumerate(scores)
    ]


def figures(rows: list[ScoreRow]) -> LevelFigures:
    (level,) = level_figures(rows)
    return level


def test_sampled_scores_have_no_mass():
    found = figures([ScoreRow("x", "options"), *quality(*map(sampled, (8, None, 3, 8)))])
    assert found == LevelFigures("Quality", 3, 2, None, None, (), (), None)
    assert found.warning is None
    assert level_figures([]) == ()


def test_an_assessor_that_always_gives_10_has_a_warning():
    certain = expected_score([-math.inf] * 9 + [0.0])
    for score in (sampled(10), certain):
        warning = figures(quality(*[score] * 70)).warning
        assert warning is not None
        assert warning.startswith("The Quality scores do not discriminate: all 70 are the same")
    assert figures(quality(certain, sampled(9))).warning is None
    assert figures(quality(certain)).warning is None


def test_the_figures_of_expected_scores_are_means():
    draw = random.Random(5)
    scores = [expected(draw) for _ in range(50)]
    found = figures(quality(*scores))
    with_score = [s for s in scores if s.score is not None]
    assert 0 < len(with_score) < 50
    assert found.scored == len(with_score)
    assert found.mass == pytest.approx(np.mean([s.mass for s in scores]))
    assert found.entropy == pytest.approx(np.mean([s.entropy for s in with_score]))
    mean = np.mean([s.distribution for s in with_score], axis=0)
    assert found.distribution == pytest.approx(mean)


def test_each_order_of_the_examples_has_its_mean():
    rows = [
        *quality(sampled(9), sampled(None), order="2-1"),
        *quality(sampled(2), sampled(4), order="1-2"),
    ]
    assert figures(rows).orders == (OrderMean("1-2", 2, 3.0), OrderMean("2-1", 1, 9.0))


@pytest.mark.parametrize("expected_first", [True, False])
def test_the_agreement_of_both_methods_equals_that_of_numpy(expected_first):
    draw = random.Random(3)
    pairs = [(expected(draw), sampled(draw.randint(1, 10))) for _ in range(40)]
    pairs.append((expected_score([0.0] + [-math.inf] * 9), sampled(None)))
    rows = [
        ScoreRow(
            str(n),
            None,
            {"Quality": one if expected_first else other},
            {"Quality": other if expected_first else one},
        )
        for n, (one, other) in enumerate(pairs)
    ]
    both = [(e.score, s.score) for e, s in pairs if e.score is not None and s.score is not None]
    x, y = np.array(both).T
    agreement = figures(rows).agreement
    assert agreement is not None
    assert agreement.pairs == len(both) < len(pairs)
    assert agreement.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert agreement.difference == pytest.approx(np.mean(x - y))


def test_a_method_with_equal_scores_has_no_correlation():
    rows = [
        ScoreRow(str(n), None, {"Quality": sampled(7)}, {"Quality": LevelScore(n / 2, mass=1.0)})
        for n in range(2, 9)
    ]
    assert figures(rows).agreement == Agreement(7, pytest.approx(-4.5), None)
