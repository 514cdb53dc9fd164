"""The operator does not wait for a node that is lost (docs/decisions/0020).

When all pods of a Job that have not ended count as lost, the next look of the operator sees it. The
attempt ends, and its Job is deleted. If somebody has stopped the Job, the operator looks a minute
after the grace period of its pods. From then on, a run does not say that it waits for the end of
the Job. A wrong clock of the operator changes these times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from isheep.contract.reasons import Reason

from ..api_server import JOBS, PODS, RUNS, Change, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import Calm, calm_times, has_act, has_wrong_clock
from .job_states import prepares, ready_reason
from .keeps_waiting import seconds_of
from .lost_in_time import DELETED_SECONDS, ERROR_SECONDS, NEVER, lost_at
from .lost_jobs import is_over
from .true_failure import UID_LABEL

SECONDS = 60.0
"""Two looks at the pods of a Job."""


@dataclass(slots=True)
class _Run:
    """A run with its Jobs, and the pods of each Job."""

    document: Json | None = None
    jobs: dict[str, Json] = field(default_factory=dict)
    pods: dict[str, dict[str, Json]] = field(default_factory=dict)
    changed: float = 0.0
    """When the run or its Jobs have changed the last time."""
    resumed: dict[str, float] = field(default_factory=dict)
    """When a Job that was suspended has continued."""
    wanted: float = 0.0
    """From when on the run wants its Jobs: after an edit, prepare commits before the others."""

    def due(self) -> dict[str, float]:
        """Return the names of the Jobs that the operator must leave, and from when on."""
        if self.document is None:
            return {}
        lost = {uid: self._lost(uid) for uid in self.jobs}
        going = {uid for uid, job in self.jobs.items() if "deletionTimestamp" in job["metadata"]}
        waits = ready_reason(self.document) == Reason.STOPPING
        return {
            self.jobs[uid]["metadata"]["name"]: max(
                since,
                self._looks_at(uid) if uid in going else 0.0,
                0.0 if prepares(self.jobs[uid]) else self.wanted,
                self.resumed.get(uid, 0.0),
            )
            for uid, since in lost.items()
            if since < NEVER
            and (uid not in going or (waits and len(lost) == 1))
            and (self.wanted < NEVER or prepares(self.jobs[uid]))
        }

    def _looks_at(self, uid: str) -> float:
        """Return when the operator looks at the pods of a Job that stops, and says so."""
        metadata, pod = self.jobs[uid]["metadata"], self.jobs[uid]["spec"]["template"]["spec"]
        grace = float(pod["terminationGracePeriodSeconds"])
        return max(
            self.changed, seconds_of(metadata["deletionTimestamp"]) + grace + DELETED_SECONDS
        )

    def _lost(self, uid: str) -> float:
        """Return from when on the pods of a Job count as lost, as they are now."""
        live = [pod for pod in self.pods.get(uid, {}).values() if not is_over(pod)]
        if self.jobs[uid]["spec"].get("suspend"):
            return NEVER
        return max((lost_at(pod) + ERROR_SECONDS for pod in live), default=NEVER)

    def note(self, change: Change) -> None:
        """Note a change of the run, of a Job or of a pod."""
        document, uid = change.document, change.document["metadata"]["uid"]
        gone = change.kind == "DELETED"
        if change.resource != PODS:
            self.changed = change.at
        if change.resource == RUNS:
            self.document = None if gone else document
            resolved = (document.get("status") or {}).get("resolved") or {"prepared": {}}
            if "prepared" not in resolved:
                self.wanted = NEVER
            elif self.wanted == NEVER:
                self.wanted = change.at
        elif change.resource == JOBS:
            before = self.jobs.get(uid)
            if before and before["spec"].get("suspend") and not document["spec"].get("suspend"):
                self.resumed[uid] = change.at
            self.jobs[uid] = document
            if gone or is_finished(document):
                del self.jobs[uid]
        elif document["metadata"]["ownerReferences"]:
            pods = self.pods.setdefault(document["metadata"]["ownerReferences"][0]["uid"], {})
            pods[uid] = document
            if gone:
                del pods[uid]


def violations(history: History) -> list[str]:
    """Return the Jobs on lost nodes for which an operator has waited too long."""
    hidden = history.exempt or has_act(history, "unlabel-job")
    if not history.silences or hidden or has_wrong_clock(history):
        return []
    return list(_late(history.changes, calm_times(history)))


def _late(changes: tuple[Change, ...], calm: Calm) -> Iterator[str]:
    runs: dict[str, _Run] = {}
    for change in changes:
        if change.resource not in (RUNS, JOBS, PODS):
            continue
        metadata = change.document["metadata"]
        uid = metadata["uid"] if change.resource == RUNS else metadata["labels"].get(UID_LABEL, "")
        run = runs.setdefault(uid, _Run())
        for name, since in run.due().items():
            if change.at > calm.after(since, SECONDS):
                late = f"{change.at - since:.0f} s"
                yield f"{name} has lost its nodes, and nobody notes it for {late}"
        run.note(change)
