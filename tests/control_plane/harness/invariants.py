"""What must hold in every story, at every moment of it.

The tests tell what happens; these are the promises that no happening breaks, looked up
in the histories of a namespace once its test is done:

- kstatus says of every version of a run what the run itself says;
- never two Jobs at work on one key, and none at a key that is committed;
- the operator makes and removes Jobs and never changes one; it removes the very Job
  that it means, dependents first;
- it never asks for what its roles do not give.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
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


def conditions_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = (document.get("status") or {}).get("conditions") or []
    return {condition["type"]: condition for condition in found}


def steps_of(job: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the steps of a Job, by id and key; none where somebody took them away."""
    text = (job["metadata"].get("annotations") or {}).get("isheep.dev/steps", "[]")
    return [(step["id"], step["key"]) for step in json.loads(text)]


def is_finished(job: dict[str, Any]) -> bool:
    found = conditions_of(job)
    return any(found.get(kind, {}).get("status") == "True" for kind in ("Complete", "Failed"))


def check_runs(runs: Iterable[Version]) -> None:
    """The conditions are those of the phase, and kstatus reads them as they are meant."""
    for version in runs:
        if version.deleted:
            continue
        document = version.document
        status, generation = document.get("status") or {}, document["metadata"]["generation"]
        phase, observed = status.get("phase"), status.get("observedGeneration")
        expected = EXPECTED[phase] if observed == generation else IN_PROGRESS
        if "deletionTimestamp" in document["metadata"]:
            expected = TERMINATING
        told = f"version {version.number} of {version.name}: {json.dumps(status, indent=1)}"
        assert kstatus(document) == expected, told
        found = conditions_of(document)
        if phase is None:
            assert not found, told
            continue
        assert {t: c["status"] for t, c in found.items()} == CONDITIONS[phase], told
        assert {c["observedGeneration"] for c in found.values()} == {observed}, told


def check_jobs(
    jobs: Sequence[Version], runs: Sequence[Version], excused: Collection[int] = ()
) -> None:
    """At most one Job at work on a key; none is made for what its run knows as committed.

    What a run knows is lost with versions that are excused: somebody wrote over them.
    """
    at_work: dict[str, dict[str, str]] = {}
    known: set[str] = set()
    committed: dict[str, set[tuple[str, str]]] = {}
    for version in sorted([*jobs, *runs], key=lambda v: v.number):
        document = version.document
        if document.get("kind") == "SelfAlignmentRun" or "iterations" in document.get("spec", {}):
            stages = (document.get("status") or {}).get("stages") or []
            done = {(s["id"], s["key"]) for s in stages if s.get("committed")}
            committed[version.uid] = set() if version.number in excused else done
            continue
        if version.deleted or is_finished(document):
            for others in at_work.values():
                others.pop(version.uid, None)
            continue
        steps = steps_of(document)
        for step in steps:
            others = at_work.setdefault(step[1], {})
            others[version.uid] = version.name
            # What prepare finds is the run's own, so each run has its own prepare.
            if step[0] != "prepare":
                assert len(others) == 1, f"{step[0]} is at work in {sorted(others.values())}"
        if version.uid not in known:
            known.add(version.uid)
            owner = document["metadata"].get("labels", {}).get("isheep.dev/run-uid", "")
            done = committed.get(owner, set())
            assert not done or not done.issuperset(steps), f"{version.name} is made for nothing"


def check_requests(requests: Iterable[Recorded], *, may_be_forbidden: bool = False) -> None:
    """The operator asks for what it may, and only makes and removes Jobs."""
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
        if request.resource == "selfalignmentruns":
            assert not request.is_write, str(request)
