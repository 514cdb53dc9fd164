"""select: the pairs that each method keeps, and the reason of each other pair."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
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

from .stage_runner import StageRunner, statistics

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
    """Return pairs; a rule drops every seventh, and every eleventh has no score or measure."""
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
            unread = LevelScore(None, "unparseable-no-number")
            scores.append(ScoreRow(id_, None, {"Quality": unread}))
            measures.append(MeasureRow(id_, reason="unscorable-not-finite"))
        else:
            scores.append(ScoreRow(id_, None, {"Quality": LevelScore(float(level))}))
            row = MeasureRow(id_, None, None, loss, loss / 2, 4, 12, encoded(vector))
            measures.append(row)
    return pairs, scores, measures


def encoded(vector: list[float]) -> str | None:
    return encode_vector(np.array(vector, np.float32))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> StageRunner:
    runner = StageRunner(tmp_path_factory.mktemp("store"))
    pairs, scores, measures = fixture_rows()
    runner.commit("pairs", PAIRS, pairs)
    runner.commit("scores", SCORES, scores)
    runner.commit("measures", MEASURES, measures)
    return runner


def key_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def selected(runner: StageRunner, name: str, **settings: Any) -> list[SelectionRow]:
    """Return the rows that a method selects."""
    key = key_of(name)
    fields = {"method": name, "random_seed": 0, **settings}
    runner.run("select", SelectSettings.model_validate(fields), key=key)
    return runner.rows(SELECTIONS, key)


@pytest.fixture(scope="module")
def rows(runner: StageRunner) -> dict[str, list[SelectionRow]]:
    return {method: selected(runner, method, **fields) for method, fields in METHODS.items()}


def kept(rows: list[SelectionRow]) -> frozenset[str]:
    return frozenset(row.id for row in rows if row.kept)


def test_no_two_methods_keep_the_same_pairs(rows: dict[str, list[SelectionRow]]) -> None:
    for one, other in combinations(METHODS, 2):
        assert kept(rows[one]) != kept(rows[other]), (one, other)
    assert all(kept(found) for found in rows.values())


def test_every_pair_is_kept_or_has_a_reason(rows: dict[str, list[SelectionRow]]) -> None:
    pairs, _, _ = fixture_rows()
    for found in rows.values():
        assert [row.id for row in found] == [pair.id for pair in pairs]
        assert all(row.kept == (row.reason is None) for row in found)


def test_each_method_has_its_own_reasons(rows: dict[str, list[SelectionRow]]) -> None:
    reasons = {method: {row.reason for row in found} - {None} for method, found in rows.items()}
    unread = {"options", "unscorable-not-finite"}
    assert reasons == {
        "SelfAssessment": {"options", "unparseable-quality", "score-quality"},
        "Perplexity": {*unread, "perplexity-response"},
        "Density": {*unread, "cluster-not-drawn"},
        "DensityPerplexity": {*unread, "cluster-perplexity"},
        "Random": {"not-drawn"},
        "None": set(),
    }


def test_density_keeps_one_pair_of_each_cluster(rows: dict[str, list[SelectionRow]]) -> None:
    _, _, measures = fixture_rows()
    for method in ("Density", "DensityPerplexity"):
        vectors = [row.vector for row in measures if row.id in kept(rows[method])]
        assert len(vectors) == len(set(vectors)) == CORNERS


def test_random_keeps_as_many_pairs_as_the_method_of_its_size(
    runner: StageRunner, rows: dict[str, list[SelectionRow]]
) -> None:
    for method in SIZES:
        key = key_of(f"Random of {method}")
        settings = SelectSettings.model_validate(
            {"method": "Random", "random_seed": 0, "size_of": method, **METHODS[method]}
        )
        counts = statistics(runner.run("select", settings, key=key))
        drawn = runner.rows(SELECTIONS, key)
        assert len(kept(drawn)) == counts["kept"] == len(kept(rows[method]))
        assert kept(drawn) != kept(rows[method])
        reasons = {row.reason for row in drawn} - {None}
        assert reasons == {"options", "not-drawn"}
        # The draw includes pairs that have no score or measure.
        assert {row.reason for row in rows[method] if row.id in kept(drawn)} - {None}
        assert ("meanScore" in counts) == (method == "SelfAssessment")


def test_only_scores_have_a_mean_score(runner: StageRunner) -> None:
    for method, mean in (("SelfAssessment", True), ("Perplexity", False)):
        fields = {"method": method, "random_seed": 1, **METHODS[method]}
        settings = SelectSettings.model_validate(fields)
        counts = statistics(runner.run("select", settings, key=key_of(f"mean {method}")))
        assert ("meanScore" in counts) == mean


def test_a_run_without_any_measures_keeps_no_pair(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    pairs, _, _ = fixture_rows()
    runner.commit("pairs", PAIRS, pairs)
    unread = [MeasureRow(pair.id, reason="unscorable-not-finite") for pair in pairs]
    runner.commit("measures", MEASURES, unread)
    for method in ("Perplexity", "Density", "DensityPerplexity"):
        assert kept(selected(runner, method, **METHODS[method])) == frozenset()


def test_settings_without_a_field_of_their_method_are_refused(runner: StageRunner) -> None:
    settings = SelectSettings(method="Density", random_seed=0)
    result = runner.run("select", settings, key="e" * 64)
    assert (result.exit_code, result.reason) == (64, "BadOrder")


def test_a_response_that_repeats_a_benchmark_is_kept_by_no_method(tmp_path: Path) -> None:
    runner = StageRunner(tmp_path)
    pairs, scores, measures = fixture_rows()
    leak = "It says: the nearest planet to the sun is the small planet Mercury, I think."
    pairs = [replace(p, response=leak) if n % 2 else p for n, p in enumerate(pairs)]
    runner.commit("pairs", PAIRS, pairs)
    runner.commit("scores", SCORES, scores)
    runner.commit("measures", MEASURES, measures)
    item = "The nearest planet to the sun is the small planet Mercury."
    texts = runner.inputs.put(json.dumps(item).encode())
    decontamination = {"ngram": 13, "benchmarks": {"Evaluation": texts}}
    random_of = {"method": "Random", "size_of": "SelfAssessment", **LEVELS}
    for method, fields in {**METHODS, "Random": random_of}.items():
        rows = selected(runner, method, **{"decontamination": decontamination, **fields})
        reasons = [row.reason for row in rows]
        leaked = {reason for number, reason in enumerate(reasons) if number % 2}
        # A pair that a rule has dropped keeps this reason.
        assert leaked - {"options"} == {"contaminated-response"}
        assert "contaminated-response" not in reasons[::2]
        assert kept(rows)
    drawn, chosen = (
        kept(runner.rows(SELECTIONS, key_of(name))) for name in ("Random", "SelfAssessment")
    )
    assert len(drawn) == len(chosen)
