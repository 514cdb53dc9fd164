"""What must hold in every test and in every version of every object.

A test describes one sequence of events. These functions check, in the recorded histories
of its namespace, what no sequence of events may break:

- kstatus computes from every version of a run the state that the run's phase means;
- no two Jobs run for one key at the same time, and no Job is created for a committed key;
- the operator creates and deletes Jobs and never changes one; it deletes a Job by its UID,
  dependents first;
- the operator sends no request that its roles forbid.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from .kstatus import CURRENT, FAILED, IN_PROGRESS, TERMINATING, kstatus
from .observer import Version
from .proxy import Recorded

EXPECTED = {
    None: IN_PROGRESS,
    "Pending": IN_PROGRESS,
    "Running": IN_PROGRESS,
    "Suspended": IN_PROGRESS,
    "Stalled": FAILED,
    "Failed": FAILED,
    "Succeeded": CURRENT,
}
CONDITIONS = {
    "Pending": {"Ready": "False", "Reconciling": "True"},
    "Running": {"Ready": "False", "Reconciling": "True"},
    "Suspended": {"Ready": "False", "Suspended": "True"},
    "Stalled": {"Ready": "False", "Stalled": "True"},
    "Failed": {"Ready": "False", "Failed": "True", "Stalled": "True"},
    "Succeeded": {"Ready": "True", "Complete": "True"},
}

ADDED = {"Degrading", "Evaluated"}
"""Conditions that any run may have, too."""


def conditions_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = (document.get("status") or {}).get("conditions") or []
    return {condition["type"]: condition for condition in found}


def steps_of(job: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the id and the key of each step of a Job; none if the annotation is missing."""
    return list(_parsed((job["metadata"].get("annotations") or {}).get("isheep.dev/steps", "[]")))


@lru_cache(maxsize=1000)
def _parsed(steps: str) -> tuple[tuple[str, str], ...]:
    return tuple((step["id"], step["key"]) for step in json.loads(steps))


def is_finished(job: dict[str, Any]) -> bool:
    found = conditions_of(job)
    return any(found.get(kind, {}).get("status") == "True" for kind in ("Complete", "Failed"))


def check_runs(runs: Iterable[Version]) -> None:
    """Check that the conditions match the phase, and that kstatus computes the phase's state."""
    for version in runs:
        if version.deleted:
            continue
        document = version.document
        status, generation = document.get("status") or {}, document["metadata"]["generation"]
        phase, observed = status.get("phase"), status.get("observedGeneration")
        expected = EXPECTED[phase] if observed == generation else IN_PROGRESS
        if "deletionTimestamp" in document["metadata"]:
            expected = TERMINATING
        assert kstatus(document) == expected, _described(version)
        found = conditions_of(document)
        if phase is None:
            assert not found, _described(version)
            continue
        # A run that has ended may also say when it is deleted, and any run what it lacks.
        ended = phase in ("Succeeded", "Failed")
        also = {*ADDED, "Expiring"} if ended else ADDED
        shown = {t: c["status"] for t, c in found.items() if t not in also}
        assert shown == CONDITIONS[phase], _described(version)
        assert {c["observedGeneration"] for c in found.values()} == {observed}, _described(version)


def _described(version: Version) -> str:
    status = json.dumps(version.document.get("status") or {}, indent=1)
    return f"version {version.number} of {version.name}: {status}"


def check_jobs(
    jobs: Sequence[Version], runs: Sequence[Version], exempt: Collection[int] = ()
) -> None:
    """Check that at most one Job runs for a key, and that no Job is created for committed steps.

    Args:
        jobs: All versions of the Jobs.
        runs: All versions of the runs.
        exempt: Resource versions of runs whose status another client has overwritten. The
            committed stages of such a version are unknown.
    """
    running: dict[str, dict[str, dict[str, Any]]] = {}
    created: set[str] = set()
    committed: dict[str, set[tuple[str, str]]] = {}
    for version in sorted([*jobs, *runs], key=lambda v: v.number):
        document = version.document
        if document.get("kind") == "SelfAlignmentRun" or "iterations" in document.get("spec", {}):
            stages = (document.get("status") or {}).get("stages") or []
            done = {(s["id"], s["key"]) for s in stages if s.get("committed")}
            committed[version.uid] = set() if version.number in exempt else done
            continue
        if version.deleted or is_finished(document):
            for others in running.values():
                others.pop(version.uid, None)
            continue
        steps = steps_of(document)
        for step in steps:
            others = running.setdefault(step[1], {})
            others[version.uid] = document
            # The result of prepare depends on the run, so each run has its own prepare.
            if step[0] != "prepare":
                names = sorted(job["metadata"]["name"] for job in others.values())
                assert not _exclude_each_other(others.values()), f"{step[0]} runs in {names}"
        if version.uid not in created:
            created.add(version.uid)
            owner = document["metadata"].get("labels", {}).get("isheep.dev/run-uid", "")
            done = committed.get(owner, set())
            assert not done or not done.issuperset(steps), (
                f"all steps of {version.name} were committed already"
            )


def _exclude_each_other(jobs: Iterable[dict[str, Any]]) -> bool:
    """Return whether two of these Jobs, which have the same first stage, must not run together.

    The Job of a whole run commits its first stage and goes on. The Job of another run may adopt
    that stage meanwhile. The commits show whether both make a stage.
    """
    found = list(jobs)
    owners = {job["metadata"].get("labels", {}).get("isheep.dev/run-uid", "") for job in found}
    walks = ((job["metadata"].get("annotations") or {}).get("isheep.dev/walk") for job in found)
    whole = any(json.loads(walk or "{}").get("grouping") == "Run" for walk in walks)
    return len(owners) < len(found) or (len(found) > 1 and not whole)


def check_requests(requests: Iterable[Recorded], *, may_be_forbidden: bool = False) -> None:
    """Check that the operator sends permitted requests only, and changes no Job."""
    for request in requests:
        if not may_be_forbidden:
            assert request.status != 403, f"{request}: {request.answer}"
        if request.resource == "jobs" and request.is_write:
            assert request.method in ("POST", "DELETE"), str(request)
        if request.resource == "jobs" and request.method == "DELETE":
            body = request.body or {}
            assert body.get("propagationPolicy") == "Foreground", str(request)
            assert body.get("preconditions", {}).get("uid"), str(request)
        if request.resource == "selfalignmentruns/status":
            body = request.body
            assert body["metadata"]["resourceVersion"], str(request)
        if request.resource == "selfalignmentruns" and request.is_write:
            # Only the time to live of a run lets the operator change it, and only to delete it.
            assert request.method == "DELETE", str(request)
            preconditions = (request.body or {}).get("preconditions", {})
            assert preconditions.keys() == {"uid", "resourceVersion"}, str(request)
