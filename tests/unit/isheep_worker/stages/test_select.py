"""Which pairs each method keeps of the same ones, and that it says so of every other."""

from __future__ import annotations

import hashlib
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isheep.recipes.settings import SelectSettings
from isheep_worker.measures.vectors import encode_vector
from isheep_worker.rows.schema import (
    MEASURES,
    PAIRS,
    SCORES,
    SELECTIONS,
    LevelScore,
    MeasureRow,
    PairRow,
    ScoreRow,
    SelectionRow,
)

from .by_hand import ByHand, statistics

PAIRS_COUNT = 150
CORNERS = 10
LEVELS = {"levels": ("Quality",), "threshold": 6}
METHODS: dict[str, dict[str, Any]] = {
    "SelfAssessment": LEVELS,
    "Perplexity": {"max_perplexity": 20.0},
    "Density": {"clusters": CORNERS},
    "DensityPerplexity": {"clusters": CORNERS},
    "Random": {"size": 40, "rules": "None", "language": "en"},
    "None": {"rules": "None", "language": "en"},
}
SIZES = ("SelfAssessment", "Perplexity", "Density", "DensityPerplexity")


def fixture_rows() -> tuple[list[PairRow], list[ScoreRow], list[MeasureRow]]:
    """Pairs of which every seventh breaks a rule and every eleventh cannot be judged."""
    draw = random.Random(0)
    pairs, scores, measures = [], [], []
    for number in range(PAIRS_COUNT):
        id_ = f"i1-r1-c{number:05d}-p1"
        pairs.append(PairRow(id_, f"Name bird {number}.", "", "A wren.", "stop", 9, 4))
        level, loss = draw.randint(1, 10), draw.uniform(1, 5)
        corner = draw.randrange(CORNERS)
        vector = [float(corner == at) for at in range(CORNERS)]
        if number % 7 == 0:
            scores.append(ScoreRow(id_, rule="options"))
            measures.append(MeasureRow(id_, rule="options"))
        elif number % 11 == 0:
            unread = LevelScore(None, "unparseable:no_number")
            scores.append(ScoreRow(id_, None, {"Quality": unread}))
            measures.append(MeasureRow(id_, reason="unscorable:not-finite"))
        else:
            scores.append(ScoreRow(id_, None, {"Quality": LevelScore(float(level))}))
            row = MeasureRow(id_, None, None, loss, loss / 2, 4, 12, encoded(vector))
            measures.append(row)
    return pairs, scores, measures


def encoded(vector: list[float]) -> str | None:
    return encode_vector(np.array(vector, np.float32))


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> ByHand:
    hand = ByHand(tmp_path_factory.mktemp("store"))
    pairs, scores, measures = fixture_rows()
    hand.commit("pairs", PAIRS, pairs)
    hand.commit("scores", SCORES, scores)
    hand.commit("measures", MEASURES, measures)
    return hand


def key_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def selected(hand: ByHand, name: str, **settings: Any) -> list[SelectionRow]:
    """The rows of a method."""
    key = key_of(name)
    fields = {"method": name, "random_seed": 0, **settings}
    hand.carry_out("select", SelectSettings.model_validate(fields), key=key)
    return hand.rows(SELECTIONS, key)


@pytest.fixture(scope="module")
def rows(hand: ByHand) -> dict[str, list[SelectionRow]]:
    return {method: selected(hand, method, **fields) for method, fields in METHODS.items()}


def kept(rows: list[SelectionRow]) -> frozenset[str]:
    return frozenset(row.id for row in rows if row.kept)


def test_every_two_methods_differ(rows: dict[str, list[SelectionRow]]) -> None:
    for one, other in combinations(METHODS, 2):
        assert kept(rows[one]) != kept(rows[other]), (one, other)
    assert all(kept(found) for found in rows.values())


def test_every_pair_has_its_fate(rows: dict[str, list[SelectionRow]]) -> None:
    pairs, _, _ = fixture_rows()
    for found in rows.values():
        assert [row.id for row in found] == [pair.id for pair in pairs]
        assert all(row.kept == (row.reason is None) for row in found)


def test_reasons_are_few(rows: dict[str, list[SelectionRow]]) -> None:
    reasons = {method: {row.reason for row in found} - {None} for method, found in rows.items()}
    unread = {"rule:options", "unscorable:not-finite"}
    assert reasons == {
        "SelfAssessment": {"rule:options", "unparseable:Quality", "score:Quality"},
        "Perplexity": {*unread, "perplexity:Response"},
        "Density": {*unread, "cluster:not_drawn"},
        "DensityPerplexity": {*unread, "cluster:perplexity"},
        "Random": {"not_drawn"},
        "None": set(),
    }


def test_density_keeps_one_pair_of_each_cluster(rows: dict[str, list[SelectionRow]]) -> None:
    _, _, measures = fixture_rows()
    for method in ("Density", "DensityPerplexity"):
        vectors = [row.vector for row in measures if row.id in kept(rows[method])]
        assert len(vectors) == len(set(vectors)) == CORNERS


def test_random_keeps_as_many_as_the_method_whose_size_it_takes(
    hand: ByHand, rows: dict[str, list[SelectionRow]]
) -> None:
    for method in SIZES:
        key = key_of(f"Random of {method}")
        settings = SelectSettings.model_validate(
            {"method": "Random", "random_seed": 0, "size_of": method, **METHODS[method]}
        )
        told = statistics(hand.carry_out("select", settings, key=key))
        drawn = hand.rows(SELECTIONS, key)
        assert len(kept(drawn)) == told["kept"] == len(kept(rows[method]))
        assert kept(drawn) != kept(rows[method])
        reasons = {row.reason for row in drawn} - {None}
        assert reasons == {"rule:options", "not_drawn"}
        # Not only those are drawn that the other method could judge.
        assert {row.reason for row in rows[method] if row.id in kept(drawn)} - {None}
        assert ("meanScore" in told) == (method == "SelfAssessment")


def test_a_mean_score_is_of_scores_only(hand: ByHand) -> None:
    for method, mean in (("SelfAssessment", True), ("Perplexity", False)):
        fields = {"method": method, "random_seed": 1, **METHODS[method]}
        settings = SelectSettings.model_validate(fields)
        told = statistics(hand.carry_out("select", settings, key=key_of(f"mean {method}")))
        assert ("meanScore" in told) == mean


def test_nothing_that_can_be_judged_is_nothing_kept(tmp_path: Path) -> None:
    hand = ByHand(tmp_path)
    pairs, _, _ = fixture_rows()
    hand.commit("pairs", PAIRS, pairs)
    unread = [MeasureRow(pair.id, reason="unscorable:not-finite") for pair in pairs]
    hand.commit("measures", MEASURES, unread)
    for method in ("Perplexity", "Density", "DensityPerplexity"):
        assert kept(selected(hand, method, **METHODS[method])) == frozenset()


def test_settings_without_what_their_method_needs_are_refused(hand: ByHand) -> None:
    settings = SelectSettings(method="Density", random_seed=0)
    result = hand.carry_out("select", settings, key="e" * 64)
    assert (result.exit_code, result.reason) == (64, "BadOrder")
