"""The invariants about runs that need the same stages: each accepts a history and refuses one."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from .api_server import JOBS, RUNS, Json
from .history import History
from .invariants import begins_alone, waits_for_the_same
from .invariants.job_reach import common, reach_from
from .invariants.true_jobs import WALK
from .test_invariants import history, job, run, time

Stage = tuple[str, str, bool]
"""The id and the key of a stage, and whether it is committed."""
PREPARED: Stage = ("prepare", "p", True)
GENERATES: tuple[Stage, ...] = (PREPARED, ("i1/generate/r1", "g", False))
ASSESSES: tuple[Stage, ...] = (
    PREPARED,
    ("i1/generate/r1", "g", True),
    ("i1/respond", "r", True),
    ("i1/assess", "a", False),
)


def peer_run(uid: str, created: float, *stages: Stage, **fields: Any) -> Json:
    records = tuple({"id": i, "key": key, "committed": made} for i, key, made in stages)
    document = run(uid, stages=records, **fields)
    document["metadata"]["creationTimestamp"] = time(created)
    return document


def peer_job(uid: str, stage: str, key: str, grouping: str | None) -> Json:
    document = copy.deepcopy(job(f"job-of-{uid}", uid))
    annotations = document["metadata"]["annotations"]
    annotations["isheep.dev/steps"] = json.dumps([{"id": stage, "key": key}])
    if grouping is not None:
        claim = "g" if grouping == "Joined" else key
        annotations[WALK] = json.dumps({"grouping": grouping, "claim": claim})
    return document


@pytest.mark.parametrize(
    ("created", "stages", "work", "found"),
    [
        # The Job of the younger peer makes scores, and the run needs responses.
        (5.0, ASSESSES, ("i1/assess", "a", "PerRole"), 1),
        (5.0, GENERATES, ("i1/generate/r1", "g", "PerRole"), 0),
        (5.0, ASSESSES, ("i1/assess", "a", "Joined"), 0),
        (5.0, ASSESSES, ("i1/assess", "a", None), 1),
        (5.0, GENERATES, None, 1),
        # The peer is older, and wants the stage.
        (-5.0, GENERATES, None, 0),
        (-5.0, ASSESSES, None, 1),
        (-5.0, GENERATES, ("i1/generate/r1", "x", None), 0),
    ],
)
def test_a_run_waits_only_for_a_peer_in_the_way(
    created: float, stages: tuple[Stage, ...], work: tuple[str, str, str | None] | None, found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, peer_run("run", 0.0, *GENERATES, reason="WaitingForPeer")),
        (0.0, "ADDED", RUNS, peer_run("peer", created, *stages)),
        (60.0, "ADDED", RUNS, peer_run("third", 60.0)),
    ]
    if work is not None:
        rows.insert(0, (0.0, "ADDED", JOBS, peer_job("peer", *work)))
    made = history(*rows)
    assert len(waits_for_the_same.violations(_of_two(made))) == found


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (("i1/generate/r1", "g", "PerRole"), ("i1/generate/r1", "g", "Joined"), 1),
        (("i1/assess", "a", "PerRole"), ("i1/generate/r1", "g", "Joined"), 1),
        (("i1/assess", "a", "PerRole"), ("i1/generate/r1", "g", "PerRole"), 0),
        (("i1/respond", "r", None), ("i1/generate/r1", "g", "PerRole"), 1),
        (("i1/respond", "r", None), ("i1/generate/r1", "g", None), 0),
        (("i1/train", "t", None), ("i1/generate/r1", "g", "Run"), 1),
        (("i1/train", "t", None), ("i1/generate/r1", "g", "Joined"), 0),
    ],
)
def test_no_job_begins_beside_one_that_comes_to_its_stages(
    first: tuple[str, str, str | None], second: tuple[str, str, str | None], found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, peer_run("run", 0.0, *GENERATES)),
        (0.0, "ADDED", RUNS, peer_run("peer", 0.0, PREPARED)),
        (30.0, "ADDED", JOBS, peer_job("peer", *first)),
        (60.0, "ADDED", JOBS, peer_job("run", *second)),
    ]
    assert len(begins_alone.violations(_of_two(history(*rows)))) == found


def test_two_jobs_of_whole_runs_meet_in_all_that_follows() -> None:
    ones, others = reach_from("i1/train", "t", "Run"), reach_from("i2/generate/r1", "g", "Run")
    assert common(ones, others, 2)[0] == (2, "generation")
    assert common(reach_from("i1/train", "t", "PerRole"), others, 2) == []


def _of_two(made: History) -> History:
    return replace(made, created=2)
