"""What the pods of a Job have reported is in the status soon after the end of the Job.

A pod that fails may have committed stages before. Its result names them, and the next attempt must
not begin with one of them. A Job that somebody deletes, or whose labels are gone, may be too late,
and so may a pod that is gone as soon as its node answers again.
After an edit, the results of Jobs that go on are in the status when prepare has committed again.
"""

from __future__ import annotations

from collections import defaultdict

from ..api_server import JOBS, PODS, RUNS
from ..history import History
from ..job_controller import is_finished
from ..readings import is_prepared, reported_steps
from .disturbances import FOREVER, calm_times, has_act
from .true_failure import UID_LABEL

SECONDS = 10.0
"""How long an operator that nothing disturbs may take."""
READ_SECONDS = 1.0
"""How long a pod exists after the end of its Job, if an operator must have read it."""


def violations(history: History) -> list[str]:
    """Return the stages that a status does not have as committed although a pod has reported them.

    Only the first one of each run is returned.
    """
    if history.exempt or has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    reported: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    known: dict[tuple[str, str, str], float] = {}
    ends: dict[str, float] = {}
    found: dict[str, str] = {}
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        uid = metadata["uid"]
        if change.resource == PODS and metadata["ownerReferences"]:
            job = metadata["ownerReferences"][0]["uid"]
            steps = reported_steps(document)
            reported[job] |= steps
            if change.kind == "DELETED" and change.at - ends.get(job, change.at) < READ_SECONDS:
                reported[job] -= steps
                known |= {place: FOREVER for place in known if place[1:] in steps}
        if change.resource == JOBS:
            run = (metadata.get("labels") or {}).get(UID_LABEL, "")
            ended = is_finished(document) and change.kind != "DELETED"
            if ended:
                ends.setdefault(uid, change.at)
            for step in reported[uid]:
                place = (run, *step)
                if ended:
                    known.setdefault(place, calm.after(change.at, SECONDS))
                elif known.get(place, 0.0) > change.at:
                    # The Job is gone before the operator must have read its pods.
                    known[place] = FOREVER
        if change.resource == RUNS and change.kind != "DELETED" and is_prepared(document):
            late = [
                stage["id"]
                for stage in (document.get("status") or {}).get("stages") or ()
                if not stage.get("committed")
                and known.get((uid, stage["id"], stage["key"]), FOREVER) < change.at
            ]
            if late:
                text = f"version {change.version} has not {late[0]}, which a pod has reported"
                found.setdefault(uid, text)
    return list(found.values())
