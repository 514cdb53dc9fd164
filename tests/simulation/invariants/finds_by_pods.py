"""No Job is created beside one that has lost its labels and whose pods go on.

The operator finds such a Job by its name, or by its pods (`kube/passes/forgotten_jobs.py`). A run
with measurements has several Jobs at a time, so nothing is said about it. After an edit, prepare
runs beside the Jobs that go on. The next iteration begins beside the report of the one before.
"""

from __future__ import annotations

from isheep.recipes.stage_kinds import kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from ..specs import is_measured
from .disturbances import has_act
from .job_states import prepares
from .lost_jobs import is_over
from .true_failure import UID_LABEL

SECONDS = 5.0
"""How long the labels are gone before, and how long a pod has worked."""


def violations(history: History) -> list[str]:
    """Return the Jobs that an operator has created beside such a Job of the same run."""
    if history.silences or not has_act(history, "unlabel-job"):
        return []
    hidden: dict[str, tuple[float, Json]] = {}
    pods: dict[str, dict[str, float]] = {}
    measured: set[str] = set()
    found = []
    for change in history.changes:
        document, metadata = change.document, change.document["metadata"]
        uid = metadata["uid"]
        if change.resource == RUNS and is_measured(document["spec"]):
            measured.add(uid)
        elif change.resource == PODS and metadata.get("ownerReferences"):
            own = pods.setdefault(metadata["ownerReferences"][0]["uid"], {})
            if change.kind == "DELETED" or is_over(document) or "deletionTimestamp" in metadata:
                own.pop(uid, None)
            else:
                own.setdefault(uid, change.at)
        elif change.resource == JOBS:
            labels = metadata.get("labels") or {}
            gone = change.kind == "DELETED" or is_finished(document)
            if gone or UID_LABEL in labels or "deletionTimestamp" in metadata:
                hidden.pop(uid, None)
            else:
                hidden.setdefault(uid, (change.at, document))
            run = labels.get(UID_LABEL, "")
            if change.kind == "ADDED" and run not in measured:
                found += [
                    f"{metadata['name']} is created beside {other['metadata']['name']}"
                    for job, (since, other) in hidden.items()
                    if other["metadata"]["ownerReferences"][0]["uid"] == run
                    and change.at - since >= SECONDS
                    and not _may_go_on(other, beside=document)
                    and any(change.at - begin >= SECONDS for begin in pods.get(job, {}).values())
                ]
    return found


def _may_go_on(job: Json, *, beside: Json) -> bool:
    """Return whether a Job may go on beside a new one of its run."""
    reports = kind_of(steps_of(job)[0][0]) == "report"
    return reports or (prepares(beside) and not prepares(job))
