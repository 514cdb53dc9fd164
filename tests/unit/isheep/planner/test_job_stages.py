"""Which stages are in one Job, for each grouping and each recipe."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import JobGrouping
from isheep.contract.prepared import PreparedJudge
from isheep.planner.job_stages import (
    can_walk,
    claim_keys,
    claimed_stage,
    expected_job,
    job_of,
    walked_from,
)
from isheep.recipes.interface import Stage
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from .prepared_inputs import prepared_for
from .simulation import spec_with

JUDGE = PreparedJudge(digest="j", dtype="float32", max_model_length=512, chat_format="c")
JUDGES = {
    "model": {"model": {"storageUri": "hf://other/judge"}},
    "endpoint": {"endpoint": {"url": "https://judge.example.com", "model": "m"}},
}
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def spec_of(**changes: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(spec_with(**changes))


def stages_of(spec: SelfAlignmentRunSpec) -> list[Stage]:
    prepared = prepared_for().model_copy(update={"judge": JUDGE})
    return list(predicted_stages(RECIPES[spec.recipe], spec, prepared))


def jobs_of(spec: SelfAlignmentRunSpec, grouping: JobGrouping) -> list[list[str]]:
    """Return the ids of the stages of each Job."""
    stages = stages_of(spec)
    groups = ([one.id for one in job_of(stages, stage, grouping)] for stage in stages)
    return [list(job) for job in dict.fromkeys(tuple(group) for group in groups)]


@pytest.mark.parametrize(
    ("recipe", "grouping", "jobs"),
    [
        ("ISheep", "PerRole", ["generate/r1 curate/r1 respond", "assess"]),
        ("ISheep", "Joined", ["generate/r1 curate/r1 respond assess"]),
        ("ISheep", "PerStage", ["generate/r1", "curate/r1", "respond", "assess"]),
        ("SelfInstruct", "PerRole", ["generate/r1 curate/r1 classify instantiate"]),
        (
            "Dromedary",
            "PerRole",
            ["generate/r1 topics/r1 generate/r2 curate/r2 generate/r3 curate/r3 respond"],
        ),
    ],
)
def test_the_inference_jobs_of_an_iteration(
    recipe: str, grouping: JobGrouping, jobs: list[str]
) -> None:
    spec = spec_of(recipe=recipe, iterations=1)
    found = [" ".join(s.removeprefix("i1/") for s in job) for job in jobs_of(spec, grouping)]
    names = {"prepare", "select", "train", "merge", "report"}
    assert [job for job in found if job not in names] == jobs


@pytest.mark.parametrize("grouping", get_args(JobGrouping))
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_no_job_has_stages_of_two_iterations_or_two_models(
    recipe: str, grouping: JobGrouping
) -> None:
    spec = spec_of(recipe=recipe, iterations=1 if recipe != "ISheep" else 3)
    stages = stages_of(spec)
    for stage in stages:
        group = job_of(stages, stage, grouping)
        assert len({one.iteration for one in group}) == 1
        assert len({one.model for one in group if one.model is not None}) <= 1
        assert walked_from(stages, stage.id, grouping) == group[group.index(stage) :]
        if len(group) > 1:
            assert all(can_walk(one, grouping) for one in group)


def test_a_job_of_a_whole_run_has_all_stages_after_prepare() -> None:
    stages = stages_of(spec_of(iterations=2, assessment={"assessor": "Base"}))
    assert [one.id for one in stages[:1]] == ["prepare"]
    assert job_of(stages, stages[0], "Run") == (stages[0],)
    for stage in stages[1:]:
        assert job_of(stages, stage, "Run") == tuple(stages[1:])
    claims = {one.id: claimed_stage(stages, one, "Run").id for one in stages[1:]}
    assert claims["i1/train"] == "i1/generate/r1"
    assert claims["i2/assess"] == claims["i2/report"] == "i2/generate/r1"


def test_a_base_assessor_is_never_joined_with_another_model() -> None:
    spec = spec_of(iterations=2, assessment={"assessor": "Base"})
    jobs = jobs_of(spec, "Joined")
    assert ["i1/generate/r1", "i1/curate/r1", "i1/respond", "i1/assess"] in jobs
    assert ["i2/generate/r1", "i2/curate/r1", "i2/respond"] in jobs
    assert ["i2/assess"] in jobs


@pytest.mark.parametrize("grouping", ["PerRole", "Joined"])
def test_anchors_are_scored_in_the_job_of_assess(grouping: JobGrouping) -> None:
    spec = spec_of(iterations=2, assessment={"anchors": 50, "controls": 50})
    (job,) = [job for job in jobs_of(spec, grouping) if "i2/anchors" in job]
    assert job[-3:] == ["i2/assess", "i2/controls", "i2/anchors"]


@pytest.mark.parametrize("grouping", ["PerRole", "Joined"])
@pytest.mark.parametrize(
    ("judge", "jobs"),
    [("model", [["i1/assess", "i1/controls"]]), ("endpoint", [["i1/assess"], ["i1/controls"]])],
)
def test_a_judge_is_never_joined_with_a_model_of_the_run(
    judge: str, jobs: list[list[str]], grouping: JobGrouping
) -> None:
    assessment = {"assessor": "Judge", "controls": 50}
    spec = spec_of(iterations=1, judge=JUDGES[judge], assessment=assessment)
    found = jobs_of(spec, grouping)
    assert [job for job in found if {"i1/assess", "i1/controls"} & {*job}] == jobs
    stages = {stage.id: stage for stage in stages_of(spec)}
    assert can_walk(stages["i1/assess"], grouping) == (judge == "model")


def test_a_stage_that_is_gone_has_no_job() -> None:
    assert walked_from(stages_of(spec_of()), "i9/respond", "PerRole") == ()


def test_the_claims_of_a_stage_do_not_depend_on_its_own_grouping() -> None:
    stages = stages_of(spec_of(iterations=1))
    keys = {stage.id: f"key of {stage.id}" for stage in stages}
    claims = {stage.id: claim_keys(stages, stage, keys) for stage in stages}
    assert claims["i1/respond"] == {"key of i1/generate/r1"}
    assert claims["i1/assess"] == {"key of i1/assess", "key of i1/generate/r1"}
    assert claims["i1/train"] == set()


def expected(first: str, grouping: JobGrouping = "PerRole", **changes: Any) -> tuple[str, int]:
    spec = spec_of(**changes)
    stage = next(one for one in stages_of(spec) if one.id == first)
    job = expected_job(
        stage,
        grouping,
        recipe=RECIPES[spec.recipe],
        spec=spec,
        prepared=prepared_for(),
        versions=VERSIONS,
    )
    return job.settings_digest, job.parts


def test_the_parts_of_a_job_are_those_of_its_largest_stage() -> None:
    assert expected("i1/generate/r1", instructions={"count": 6400, "maxRounds": 10})[1] == 100
    assert expected("i2/assess", instructions={"count": 65, "maxRounds": 10})[1] == 2
    assert expected("i1/curate/r1", instructions={"count": 1, "maxRounds": 10})[1] == 1


@pytest.mark.parametrize(
    ("changes", "generation", "assessment"),
    [
        ({"responses": {"sampling": {"maxTokens": 70}}}, True, False),
        ({"assessment": {"rubric": "Simple"}}, False, True),
        ({"curation": {"rules": "None"}}, True, True),
        ({"selection": {"threshold": 1}}, False, False),
        ({"training": {"learningRate": 0.1}}, False, False),
        ({"randomSeed": 7}, True, True),
    ],
)
def test_the_digest_changes_with_the_settings_of_each_stage_of_the_job(
    changes: dict[str, Any], generation: bool, assessment: bool
) -> None:
    for first, differs in (("i1/generate/r1", generation), ("i1/assess", assessment)):
        assert (expected(first)[0] != expected(first, **changes)[0]) is differs
    joined = expected("i1/generate/r1", "Joined")
    changed = expected("i1/generate/r1", "Joined", **changes)
    assert (joined != changed) is (generation or assessment)


def test_the_digest_is_the_same_for_every_round() -> None:
    spec = spec_of()
    stages = stages_of(spec)
    first, respond = (next(s for s in stages if s.id == i) for i in ("i1/curate/r1", "i1/respond"))
    assert expected(first.id) == expected(respond.id)
