"""Keys: the fields and versions that change a key, those that do not, and one recorded key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.keys import stage_key
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.settings import MergeSettings
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from .prepared_inputs import prepared_for
from .simulation import spec_with

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def complete_statistics(stage: Stage, _key: str) -> Statistics:
    return {"accepted": 1000, "kept": 500} if stage.kind in ("curate", "select") else {}


def walked(
    versions: dict[str, int] | None = None,
    lookup: Callable[[Stage, str], Statistics | None] = complete_statistics,
    **changes: Any,
) -> Walk:
    spec = SelfAlignmentRunSpec.read(spec_with(**{"instructions": {"count": 1000}, **changes}))
    return walk(RECIPES["ISheep"], spec, prepared_for(), versions or VERSIONS, lookup)


BASE = walked()
ALL = list(dict.fromkeys(stage.kind.value for stage in BASE.stages))


def changed_kinds(other: Walk, iteration: int, base: Walk = BASE) -> list[str]:
    """Return the kinds of the stages of an iteration whose keys differ from the base walk."""
    return [
        s.kind.value
        for s in base.stages
        if s.iteration in (0, iteration) and other.keys[s.id] != base.keys[s.id]
    ]


def test_no_two_stages_have_the_same_key() -> None:
    assert len(set(BASE.keys.values())) == len(BASE.stages) == 17
    assert all(len(key) == 64 for key in BASE.keys.values())


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"selection": {"threshold": 7}}, ["prepare", "select", "train", "merge", "report"]),
        ({"training": {"learningRate": 1e-4}}, ["prepare", "train", "merge", "report"]),
        ({"training": {"lora": {"dropout": 0.1}}}, ["prepare", "train", "merge", "report"]),
        ({"training": {"checkpoint": "Last"}}, ["prepare", "train", "merge", "report"]),
        ({"training": {"evaluationSteps": 50}}, ["prepare", "train", "merge", "report"]),
        ({"assessment": {"rubric": "Simple"}}, ["prepare", *ALL[4:]]),
        ({"assessment": {"parsing": "Strict"}}, ["prepare", *ALL[4:]]),
        ({"assessment": {"explanations": 0}}, ["prepare", *ALL[4:]]),
        ({"responses": {"sampling": {"topP": 0.9}}}, ["prepare", *ALL[3:]]),
        ({"curation": {"deduplication": {"maxRougeL": 0.6}}}, ["prepare", *ALL[2:]]),
        ({"randomSeed": 1}, ALL),
        # Only the report contains the number of iterations.
        ({"iterations": 3}, ["prepare", "report"]),
        # minSamples decides whether D(t) is large enough and does not change D(t).
        ({"selection": {"minSamples": 2}}, ["prepare", "report"]),
        # An explicit value that equals the default of the recipe changes only prepare.
        ({"curation": {"rules": "ISheep"}}, ["prepare"]),
        ({"selection": {"method": "SelfAssessment"}}, ["prepare"]),
        ({"instructions": {"sampling": {"presencePenalty": 1}}}, ALL),
    ],
)
def test_a_field_changes_the_keys_of_the_stages_that_depend_on_it(
    changes: dict[str, Any], kinds: list[str]
) -> None:
    assert changed_kinds(walked(**changes), 1) == kinds


def test_a_change_of_training_changes_all_keys_of_the_next_iteration() -> None:
    assert changed_kinds(walked(training={"learningRate": 1e-4}), 2) == ALL


@pytest.mark.parametrize(
    "changes",
    [
        {"suspend": True},
        {"activeDeadlineSeconds": 3600},
        {"storage": {"s3": {"bucket": "other"}}},
        {"compute": {"inference": {"parallelism": 4, "jobs": "Joined"}}},
        {"training": {"numNodes": 8}},
        {"engine": {"vllm": {"tensorParallelSize": 2, "gpuMemoryUtilization": 0.5}}},
        {"selection": {"threshold": 6.0}},
        {"training": {"learningRate": 0.00005, "lora": {"alpha": 16.0}}},
        {"training": {"checkpoint": "LowestValidationLoss", "evaluationSteps": 100}},
        {"assessment": {"parsing": "Tolerant", "explanations": 20}},
        {"instructions": {"count": 1000, "sampling": {"temperature": 1}}},
    ],
)
def test_a_field_that_changes_no_output_changes_no_key(changes: dict[str, Any]) -> None:
    assert walked(**changes).keys == BASE.keys


@pytest.mark.parametrize("kind", ALL)
def test_a_stage_version_changes_the_keys_of_its_stage_and_of_later_stages(kind: str) -> None:
    other = walked({**VERSIONS, kind: VERSIONS[kind] + 1})
    first = changed_kinds(other, 1)
    assert first[0] == kind
    if kind == "prepare":
        # Later stages have the results of prepare in their settings, not the key of prepare.
        assert first == ["prepare"]
    else:
        assert first == ALL[ALL.index(kind) :]


def test_the_version_of_measure_changes_only_the_keys_of_runs_that_measure() -> None:
    base = walked(selection={"method": "Perplexity"})
    versions = {**VERSIONS, "measure": VERSIONS["measure"] + 1}
    other = walked(versions, selection={"method": "Perplexity"})
    assert changed_kinds(other, 1, base) == ["measure", "select", "train", "merge", "report"]
    assert walked(versions).keys == BASE.keys


def test_runs_with_different_assessors_share_the_first_iteration() -> None:
    base = walked(assessment={"assessor": "Base"})
    assert {s.id for s in base.stages if base.keys[s.id] == BASE.keys[s.id]} == {
        "i1/generate/r1",
        "i1/curate/r1",
        "i1/respond",
        "i1/assess",
        "i1/select",
        "i1/train",
        "i1/merge",
        "i2/generate/r1",
        "i2/curate/r1",
        "i2/respond",
    }


def test_the_key_of_a_stage_is_the_recorded_one() -> None:
    """A change of this key runs all stages of all users again.

    If the output of the stage changes, increment the stage's version.
    """
    settings = MergeSettings(base_model="digest", dtype="bfloat16", chat_format="chat")
    stage = Stage("i2/merge", StageKind.MERGE, 2, settings, inputs={"adapter": ("i2/train",)})
    assert (
        stage_key(stage, 1, {"adapter": ["0" * 64]})
        == "ee6a92bdeb0ed1951ca4ad37feab228afc78bdc9cf9d55681af11c96be1fc7a1"
    )
