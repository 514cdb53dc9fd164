"""The operator stops a Job soon whose stage an edit has replaced (docs/architecture.md).

An attempt goes on through an edit if its key stays in the plan. That of prepare is known at once,
and the other keys when prepare has committed for the newest spec. From then on, a Job at work
begins with a stage of the plan. The stop is sent before the status that answers the edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import calm_times, has_act
from .true_failure import UID_LABEL

SECONDS = 2.0
WANTS = ("Pending", "Running")
"""The phases of a run that wants its Jobs; other rules hold for those that have ended."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The stages of a run's plan; before prepare has committed, only its key is known."""

    stages: frozenset[tuple[str, str]]
    is_prepared: bool

    def has(self, job: Json) -> bool:
        """Return whether a Job may begin with its stage."""
        steps = steps_of(job)
        is_known = self.is_prepared or any(name == "prepare" for name, _ in steps)
        return not is_known or not self.stages.isdisjoint(steps)


def violations(history: History) -> list[str]:
    """Return the Jobs that have worked on a replaced stage for too long."""
    if history.silences or history.exempt or has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    return [
        f"{name} works on a replaced stage for {end - begin:.0f} s"
        for name, begin, end in _stays(history)
        if end > calm.after(begin, SECONDS)
    ]


def _stays(history: History) -> Iterator[tuple[str, float, float]]:
    """Yield the Jobs that work on a stage that has left the plan, and from when to when."""
    plans: dict[str, _Plan | None] = {}
    working: dict[str, dict[str, Json]] = {}
    since: dict[str, float] = {}
    for change in history.changes:
        metadata = change.document["metadata"]
        uid, run = metadata["uid"], metadata["uid"]
        if change.resource == RUNS:
            plans[uid] = _plan(change.document) if change.kind != "DELETED" else None
        elif change.resource == JOBS:
            run = metadata["labels"][UID_LABEL]
            jobs = working.setdefault(run, {})
            over = is_finished(change.document) or "deletionTimestamp" in metadata
            if over or change.kind == "DELETED":
                jobs.pop(uid, None)
                if uid in since:
                    yield metadata["name"], since.pop(uid), change.at
            else:
                jobs[uid] = change.document
        else:
            continue
        plan = plans.get(run)
        for uid, job in working.get(run, {}).items():
            if plan is not None and not plan.has(job):
                since.setdefault(uid, change.at)
            elif uid in since:
                yield job["metadata"]["name"], since.pop(uid), change.at


def _plan(run: Json) -> _Plan | None:
    """Return the plan of a run; None if the status does not answer its spec, or if it has ended."""
    status: Any = run.get("status") or {}
    is_known = status.get("observedGeneration") == run["metadata"]["generation"]
    if not is_known or status.get("phase") not in WANTS:
        return None
    stages = frozenset((one["id"], one["key"]) for one in status.get("stages") or ())
    return _Plan(stages, "prepared" in (status.get("resolved") or {}))
