"""The part of a large run that the cache keeps: the claims and places of runs do not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.kube.cache.partial_runs import partial_spec, partial_status
from isheep.planner.peers import claims
from isheep.planner.run_limit import contender_of
from isheep.planner.types import Attempt, AttemptState, JobWalk, RunView, StageRef

from ...planner.simulation import SPEC, START, make_run

READY = {
    "type": "Ready",
    "status": "False",
    "reason": "Running",
    "message": "m",
    "lastTransitionTime": "2026-11-01T00:00:00Z",
}
CONDITIONS = [READY, {**READY, "type": "Reconciling", "status": "True"}]


def stage(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "key": f"key of {name}", "counts": {"items": 7}, "attempts": 1, **fields}


def done(name: str) -> dict[str, Any]:
    return stage(name, committed=True)


STAGES = [
    done("prepare"),
    done("i1/generate/r1"),
    done("i1/generate/r2"),
    done("i1/curate/r1"),
    done("i1/respond"),
    done("i1/train"),
    stage("i1/evaluate", failure={"reason": "Broken"}),
    done("i2/generate/r1"),
    stage(
        "i2/train",
        hold={"reason": "NoGpu", "stalled": True, "until": "2026-11-02T00:00:00Z"},
    ),
    stage("i2/respond"),
]
STATUS = {
    "observedGeneration": 3,
    "phase": "Running",
    "conditions": CONDITIONS,
    "stages": STAGES,
    "resolved": {"spec": {"language": "x" * 100}},
    "gpu": {"attempts": []},
    "modelUri": "s3://bucket/model",
}


def view(status: dict[str, Any]) -> RunView:
    return replace(make_run(SPEC), status=SelfAlignmentRunStatus.read_stored(status))


def attempts() -> list[list[Attempt]]:
    walks = [
        None,
        JobWalk("PerRole", "key of i2/generate/r1", "d"),
        JobWalk("Run", "key of i2/generate/r1", "d"),
    ]
    steps = (StageRef("i2/respond", "key of i2/respond"),)
    active = AttemptState.ACTIVE
    return [
        [],
        *([Attempt("job", steps, 1, active, START, walk=walk)] for walk in walks),
    ]


@pytest.mark.parametrize("shown", attempts())
@pytest.mark.parametrize("count", range(len(STAGES) + 1))
def test_a_partial_run_claims_the_same_keys_and_place(shown: list[Attempt], count: int) -> None:
    whole = {**STATUS, "stages": STAGES[:count]}
    before, after = view(whole), view(partial_status(whole))
    assert claims(after, shown, reaches=False) == claims(before, shown, reaches=False)
    assert contender_of(after, shown) == contender_of(before, shown)


def test_a_partial_status_has_no_figures_and_few_stages() -> None:
    kept = partial_status(STATUS)
    assert kept.keys() == {"observedGeneration", "phase", "conditions", "gpu", "stages"}
    assert [one["id"] for one in kept["stages"]] == [
        "i1/generate/r1",
        "i2/generate/r1",
        "i2/train",
        "i2/respond",
    ]
    assert kept["stages"][0] == {
        "id": "i1/generate/r1",
        "key": "key of i1/generate/r1",
        "committed": True,
    }


@pytest.mark.parametrize("stages", [["text"], [{}], [{"id": "nonsense"}], [{"id": 7}], "text"])
def test_a_status_that_is_not_ours_has_everything_but_pinned_values(stages: Any) -> None:
    status = {"phase": "Running", "progress": "none", "stages": stages}
    assert partial_status({**status, "resolved": {}}) == status


def test_a_partial_spec_has_the_store() -> None:
    spec = {"storage": {"s3": {"bucket": "b"}}, "recipe": "ISheep"}
    assert partial_spec(spec) == {"storage": {"s3": {"bucket": "b"}}}
    assert partial_spec({"recipe": "ISheep"}) == {}
