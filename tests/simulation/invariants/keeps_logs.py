"""An attempt that has ended stays while somebody needs its logs, and no longer.

docs/architecture.md and `planner/cleanup.py` promise both:

- The last attempt of a stage that is not committed stays, because its logs show the cause. A failed
  attempt with a walk stays until a later one of its walk has ended, or until no stage waits that it
  may have reached.
- Any other attempt is deleted as soon as the stored status has its end, and all stages that its
  pods have reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..readings import reported_steps
from .disturbances import calm_times, has_act
from .job_states import JobState, JobStates

SECONDS = 30.0
"""How long an attempt that nobody needs may stay."""
WATCH_SECONDS = 1.0
"""How long a watch may take to report the end of a Job."""
AT_WORK = ("Pending", "Running")


def violations(history: History) -> list[str]:
    """Return the attempts that an operator has deleted too early, and those that stay for long."""
    if history.exempt or has_act(history, "unlabel-job"):
        return []
    return list(dict.fromkeys(_wrong(history)))


def _wrong(history: History) -> Iterator[str]:
    calm = calm_times(history)
    deletions = {
        one.version
        for one in history.requests
        if one.method == "DELETE" and "/jobs/" in one.path and one.status < 300
    }
    jobs = JobStates()
    runs: dict[str, Json] = {}
    reported: dict[str, set[tuple[str, str]]] = {}
    since: dict[str, float] = {}
    for change in history.changes:
        document, uid = change.document, change.document["metadata"]["uid"]
        touched = ""
        if change.resource == RUNS:
            runs[uid], touched = document, uid
            if change.kind == "DELETED":
                del runs[uid]
        elif change.resource == JOBS:
            before = jobs.get(uid)
            ended = None if before is None else before.ended
            # An operator that does not know the end of an attempt stops it.
            is_late = ended is not None and change.at - ended > WATCH_SECONDS
            known_end = ended is not None and is_late and calm.holds(ended, change.at)
            if change.version in deletions and before is not None and known_end:
                lost = bool(history.silences)
                yield from _needed(before, runs, jobs, reported.get(uid, set()), lost=lost)
            known = jobs.note(change)
            touched = known.run if known is not None else ""
        elif change.resource == PODS:
            known = jobs.note(change)
            if known is not None and (steps := reported_steps(document)):
                owner = document["metadata"]["ownerReferences"][0]["uid"]
                reported.setdefault(owner, set()).update(steps)
        if touched:
            for job in jobs.of(touched):
                place = str(job.document["metadata"]["uid"])
                if _is_useless(job, runs, jobs, reported.get(place, set())):
                    since.setdefault(place, change.at)
                else:
                    since.pop(place, None)
        for place, begin in list(since.items()):
            left = jobs.get(place)
            if left is None:
                del since[place]
            elif change.at > calm.after(begin, SECONDS):
                yield f"{left.name} stays, and nobody needs its logs"


def _record(run: Json, job: JobState) -> Json | None:
    """Return the record of the first stage of an attempt; None if it left the plan."""
    status = run.get("status") or {}
    if status.get("observedGeneration") != run["metadata"]["generation"]:
        return None
    if job.first[0] != "prepare" and "prepared" not in (status.get("resolved") or {}):
        return None
    stages = status.get("stages") or ()
    return next((dict(s) for s in stages if (s["id"], s["key"]) == job.first), None)


def _needed(
    job: JobState,
    runs: dict[str, Json],
    jobs: JobStates,
    reported: set[tuple[str, str]],
    *,
    lost: bool,
) -> Iterator[str]:
    """Yield why an attempt is needed that an operator deletes.

    If a node has not answered (`lost`), an attempt whose pods were on it has ended, too. A pod that
    reports when the node answers again may be gone before the operator reads it.
    """
    run = runs.get(job.run)
    record = None if run is None else _record(run, job)
    if run is None or record is None or run["status"].get("phase") not in AT_WORK:
        return
    attempts = int(record.get("attempts") or 0)
    if _has_failed_in_walk(job):
        if attempts < job.number:
            yield f"{job.name} is deleted before its end is stored"
        elif _waits(run, job) and not _has_successor(job, jobs.of(job.run), lost=lost):
            yield f"{job.name} is deleted, and its logs show why a stage is not committed"
    elif not record.get("committed") and attempts <= job.number:
        yield f"{job.name} is deleted, and its logs show why {job.first[0]} is not committed"
    elif not lost and _unstored(run, reported):
        yield f"{job.name} is deleted before a stage is stored that its pods have reported"


def _is_useless(
    job: JobState, runs: dict[str, Json], jobs: JobStates, reported: set[tuple[str, str]]
) -> bool:
    """Return whether nobody needs an attempt that has ended, and the stored status says so."""
    run = runs.get(job.run)
    record = None if run is None or job.ended is None or job.deleting else _record(run, job)
    if run is None or record is None or run["status"].get("phase") not in AT_WORK:
        return False
    if int(record.get("attempts") or 0) < job.number or _unstored(run, reported):
        return False
    if _has_failed_in_walk(job):
        return not _waits(run, job) or _has_successor(job, jobs.of(job.run))
    return bool(record.get("committed"))


def _unstored(run: Json, reported: set[tuple[str, str]]) -> bool:
    stages = run["status"].get("stages") or ()
    return any((s["id"], s["key"]) in reported and not s.get("committed") for s in stages)


def _has_failed_in_walk(job: JobState) -> bool:
    conditions = (job.document.get("status") or {}).get("conditions") or ()
    return job.walks and any(c["type"] == "Failed" for c in conditions)


def _walk(job: JobState) -> Json:
    return dict(json.loads(job.document["metadata"]["annotations"]["isheep.dev/walk"]))


def _waits(run: Json, job: JobState) -> bool:
    """Return whether a stage is not committed that the walk of an attempt may have reached."""
    waiting = [s["id"] for s in run["status"].get("stages") or () if not s.get("committed")]
    if _walk(job)["grouping"] == "Run":
        return bool(waiting)
    iteration = iteration_of(job.first[0])
    own = (stage for stage in waiting if iteration_of(stage) == iteration)
    return any(STAGE_DEFINITIONS[kind_of(stage)].role is not None for stage in own)


def _has_successor(job: JobState, jobs: Iterable[JobState], *, lost: bool = False) -> bool:
    """Return whether a later attempt of the same walk has ended."""
    walk = _walk(job)
    return any(
        (_walk(other)["claim"] == walk["claim"] or _walk(other)["grouping"] == "Run")
        for other in jobs
        if other.walks and (other.ended is not None or lost) and other.created > job.created
    )
