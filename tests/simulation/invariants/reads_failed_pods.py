"""The status has the stages that a failed pod has reported, although its Job goes on.

A pod of a Job with a walk commits stage after stage. If it fails, its result names the stages that
it has committed (docs/architecture.md), and the Job controller waits before it replaces the pod.
The operator looks at a pod that has failed at once, so the run does not say that it still makes a
committed stage. `true_results` has the ends of Jobs.
"""

from __future__ import annotations

from collections import defaultdict

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from ..readings import is_prepared, reported_steps
from .disturbances import calm_times, has_act
from .open_requests import is_open
from .true_failure import UID_LABEL
from .true_jobs import WALK

SECONDS = 10.0
"""How long an operator that nothing disturbs may take."""
Stage = tuple[str, str]


def violations(history: History) -> list[str]:
    """Return the runs whose status does not have a stage in time."""
    if history.exempt or history.silences or has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    reported: defaultdict[str, set[Stage]] = defaultdict(set)
    failures: defaultdict[str, int] = defaultdict(int)
    due: defaultdict[str, dict[Stage, float]] = defaultdict(dict)
    runs: dict[str, Json] = {}
    found: dict[str, str] = {}
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        uid = metadata["uid"]
        if change.resource == PODS and document["status"].get("phase") == "Failed":
            reported[metadata["ownerReferences"][0]["uid"]] |= reported_steps(document)
        elif change.resource == JOBS and WALK in metadata["annotations"]:
            run = metadata["labels"].get(UID_LABEL, "")
            failed = (document.get("status") or {}).get("failed", 0)
            if not _goes_on(document):
                due.pop(run, None)
            elif failed > failures[uid]:
                failures[uid] = failed
                end = calm.after(change.at, SECONDS)
                due[run] = dict.fromkeys(reported[uid], end) | due[run]
        elif change.resource == RUNS:
            before = runs.pop(uid, {})
            late = [step for step in _left(before) if due[uid].get(step, change.at) < change.at]
            if late:
                text = f"{metadata['name']} has not {late[0][0]} at {change.at:.0f} s"
                found.setdefault(uid, f"{text}, which a failed pod has reported")
            runs[uid] = document
            if change.kind == "DELETED" or any(is_open(document).values()):
                due.pop(uid, None)
    return list(found.values())


def _goes_on(job: Json) -> bool:
    ends = "deletionTimestamp" in job["metadata"] or is_finished(job)
    return not ends and not job["spec"].get("suspend")


def _left(run: Json) -> list[Stage]:
    """Return the stages of a status that are not committed; none while an edit repeats prepare."""
    if not is_prepared(run):
        return []
    stages = (run.get("status") or {}).get("stages") or ()
    return [(one["id"], one["key"]) for one in stages if not one.get("committed")]
