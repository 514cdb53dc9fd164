"""The statistics of a stage come from sums over parts, for any division of rows into parts."""

import json
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import LevelScore, ScoreRow
from isheep_worker.scoring.expected import expected_score
from isheep_worker.scoring.statistics import part_statistics, score_bin, stage_statistics

LEVELS = ("Quality",)


def sampled(score: int | None) -> LevelScore:
    return LevelScore(None, "unparseable-no-number") if score is None else LevelScore(float(score))


def expected(draw: random.Random) -> LevelScore:
    weights = [draw.random() for _ in range(10)]
    mass = draw.uniform(0.05, 1)
    return expected_score([math.log(mass * w / sum(weights)) for w in weights])


def statistics(*parts: list[ScoreRow]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update(part_statistics(part, LEVELS))
    return stage_statistics(sums)


def rows(*scores: LevelScore) -> list[ScoreRow]:
    return [ScoreRow(str(i), None, {"Quality": score}) for i, score in enumerate(scores)]


def test_sampled_scores_are_counted():
    found = statistics(
        rows(*map(sampled, (8, 8, None, 3))), [ScoreRow("x", "options"), *rows(sampled(10))]
    )
    assert found == {
        "pairs": 6,
        "scored": 4,
        "drop:options": 1,
        "drop:unparseable-quality-no-number": 1,
        "score:Quality:8": 2,
        "score:Quality:3": 1,
        "score:Quality:10": 1,
        "mean:Quality": 7.25,
        "distinctScores:Quality": 3,
    }


def test_an_assessor_that_always_answers_10_has_one_distinct_score():
    found = statistics(rows(*[sampled(10)] * 64), rows(*[sampled(10)] * 6))
    assert (found["distinctScores:Quality"], found["score:Quality:10"]) == (1, 70)
    certain = expected_score([-math.inf] * 9 + [0.0])
    found = statistics(rows(*[certain] * 70))
    assert (found["distinctScores:Quality"], found["score:Quality:10"]) == (1, 70)
    assert (found["mass:Quality"], found["meanMass"]) == (1, 1)


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 30))
def test_means_of_expected_scores_do_not_depend_on_the_parts(seed, count, cut):
    draw = random.Random(seed)
    scores = [expected(draw) for _ in range(count)]
    made = rows(*scores)
    found = statistics(made[:cut], made[cut:])
    assert found["mass:Quality"] == pytest.approx(np.mean([s.mass for s in scores]))
    having = [s for s in scores if s.score is not None]
    unscorable = sum(s.reason == "unscorable-low-mass" for s in scores)
    assert found.get("drop:unscorable-quality-low-mass", 0) == unscorable == count - len(having)
    if having:
        assert found["mean:Quality"] == pytest.approx(np.mean([s.score for s in having]))
    assert not [name for name in found if name.startswith("sum")]


def test_the_mean_mass_is_over_all_prompts():
    both = {"Quality": LevelScore(5.0, mass=0.9), "Following": LevelScore(5.0, mass=0.3)}
    made = [ScoreRow("a", None, both), *rows(LevelScore(None, "unscorable-low-mass", mass=0.0))]
    found = stage_statistics(part_statistics(made, ("Quality", "Following")))
    assert found["meanMass"] == pytest.approx((0.9 + 0.3 + 0.0) / 3)
    assert (found["mass:Quality"], found["mass:Following"]) == pytest.approx((0.45, 0.3))
    assert found["scored"] == 1


@pytest.mark.parametrize(("score", "bin_"), [(1.0, 1), (1.49, 1), (1.5, 2), (9.5, 10), (10, 10)])
def test_an_expected_score_is_counted_under_its_rounded_value(score, bin_):
    assert score_bin(score) == bin_


def test_the_statistics_of_a_part_fit_into_the_metadata_of_an_object():
    """The part has every score, every kind of failure and every rule."""
    draw = random.Random(1)
    levels = ("Quality", "Following")
    one = [expected_score([-math.inf if n != k else -0.1 for n in range(10)]) for k in range(10)]
    bad = [LevelScore(None, f"unscorable-{kind}") for kind in ("low-mass", "not-a-number")]
    made = [
        ScoreRow(f"{n}", None, dict.fromkeys(levels, score)) for n, score in enumerate(one + bad)
    ]
    made += [ScoreRow(f"r{n}", f"rule-{n:09}-{draw.random():.3f}"[:14]) for n in range(14)]
    text = json.dumps(part_statistics(made, levels), separators=(",", ":"))
    assert len(text) < 1500
