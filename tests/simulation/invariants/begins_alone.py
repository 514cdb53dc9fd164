"""No Job begins beside the Job of another run that will come to the same stage.

Two runs never make one stage at the same time (docs/architecture.md, Failures). Whether two Jobs
meet is a matter of time, and `committed_once` sees only those that do. A Job that can come to a
stage to which the Job of a peer can come, too, must not begin at all (`job_reach`,
docs/decisions/0021). An edited run is left out, because its old Job has the settings of before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import calm_times, has_act
from .job_reach import Reach, Stages, common, is_same, reach_of, slot_of
from .job_states import prepares
from .lost_jobs import left_jobs

CALM_SECONDS = 20.0
"""How long nothing may have disturbed the operator before a Job begins."""
Jobs = dict[str, tuple[str, Reach]]
"""The run and the stages of each Job at work."""


def violations(history: History) -> list[str]:
    """Return the Jobs that begin beside a Job which may make the same stages."""
    if history.created < 2 or has_act(history, "unlabel-job", "overwrite-status", "edit"):
        return []
    return list(_beside(history))


def _beside(history: History) -> Iterator[str]:
    calm = calm_times(history)
    lost = {job.uid for job in left_jobs(history)}
    runs: dict[str, Stages] = {}
    jobs: Jobs = {}
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = Stages(change.document)
            if change.kind == "DELETED":
                del runs[uid]
        elif change.resource != JOBS:
            continue
        elif change.kind == "DELETED" or is_finished(change.document) or uid in lost:
            jobs.pop(uid, None)
        elif uid not in jobs and not prepares(change.document):
            owner = change.document["metadata"]["ownerReferences"][0]["uid"]
            reach = _certain(change.document)
            if owner in runs and calm.holds(change.at - CALM_SECONDS, change.at):
                for other in _met(owner, reach, runs, jobs):
                    name = change.document["metadata"]["name"]
                    yield f"{name} begins beside a Job of {other} for the same stages"
            jobs[uid] = owner, reach


def _certain(job: Json) -> Reach:
    """Return what a Job makes for sure: later, two roles may need two models."""
    reach = reach_of(job)
    first = slot_of(steps_of(job)[0][0])
    joined = len(reach.slots) > 1 and first[0] > 1
    return Reach(frozenset({first}), reach.key) if joined else reach


def _met(uid: str, reach: Reach, runs: Mapping[str, Stages], jobs: Jobs) -> Iterator[str]:
    """Yield the runs with a Job at work that will come to a stage of a new Job."""
    run = runs[uid]
    for owner, other in jobs.values():
        peer = runs.get(owner)
        if owner == uid or peer is None:
            continue
        if reach.key in peer.made or other.key in run.made:
            continue
        last = min(int(one.run["spec"]["iterations"]) for one in (run, peer))
        slots = (
            s for s in common(reach, other, last) if not run.is_over(s) and not peer.is_over(s)
        )
        if any(is_same(slot, run, peer) for slot in slots):
            yield str(peer.run["metadata"]["name"])
