"""An operator that nothing disturbs reacts soon, and not only with its next LIST.

A request that fails delays only the run that it is about, and new runs: other workers serve the
Jobs and the edits of other runs.
It notes the end of each Job, each edit and each retry in the status of the run. While a run says
that it runs, and gives no reason to wait, a Job is at work for it. A run that waits for a time goes
on at that time. A run that waits for a peer, or for an attempt that stops, goes on when no peer and
no such Job is left. The status says that a Job waits for its queue.

All of this holds with a wrong clock, too, except for waits: their end is a time of the operator's
clock. No wait lasts longer than the longest one of the schedule, and the operator looks again with
each LIST. So a wait ends after both of these times, from its begin or from when the clock was set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.reasons import Reason
from isheep.planner.retry_schedule import STALLED_SCHEDULE

from ..api_server import JOBS, RUNS, Change, Json
from ..history import History
from ..job_controller import is_finished
from .disturbances import Calm, calm_times, disturbed_runs, has_wrong_clock
from .job_states import prepares, ready_reason
from .keeps_waiting import seconds_of
from .open_requests import is_open
from .true_failure import UID_LABEL

LIMITS = {
    "end": 8.0,
    "generation": 8.0,
    "retry": 8.0,
    "job": 8.0,
    "hold": 8.0,
    "peer": 8.0,
    "queue": 8.0,
    "stop": 8.0,
}
"""The most seconds for each kind of news, while nothing disturbs the operator.

A request takes a tenth of a second here, and so does a watch. A pass has a few requests. A plan is
repeated after two seconds, at most three times in a row, and the times of waits have whole seconds.
"""
URGENT = ("end", "generation", "retry")
"""The news of a run that is not new. Most workers serve nothing else."""
LIST_SECONDS = 300.0
WRONG_CLOCK_SECONDS = STALLED_SCHEDULE[-1].total_seconds() + LIST_SECONDS + LIMITS["hold"]
"""The longest wait from its begin on, if the clock is wrong."""
WHAT = {
    "end": "the end of a Job",
    "generation": "an edit",
    "retry": "a retry",
    "job": "that nothing is at work",
    "hold": "the end of a wait",
    "peer": "that no peer is left",
    "queue": "that its Job waits for the queue",
    "stop": "that no Job stops any more",
}
IDLE = ("Succeeded", "Failed", "Stalled", "Suspended")
"""The phases in which a run wants no stage of a peer."""
GOES_ON = (None, "Pending", "Running", "Starting")
"""The reasons that do not say why a run waits."""


@dataclass(slots=True)
class _Run:
    """What is known about a run: its Jobs, which of them work, and since when news is due."""

    document: Json
    jobs: dict[str, Json] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    waits_until: float | None = None

    @property
    def working(self) -> bool:
        return any(not is_finished(job) for job in self.jobs.values())

    @property
    def is_peer(self) -> bool:
        """Whether another run may wait for this one."""
        return self.working or (self.document.get("status") or {}).get("phase") not in IDLE


@dataclass(frozen=True, slots=True)
class _Limits:
    """When a reaction is late."""

    calm: Calm
    wrong_clock: bool
    others: Mapping[str, Calm] = field(default_factory=dict)
    """The calm times of runs, if a request about another run has failed."""

    def latest(self, name: str, begin: float, run: Json) -> float:
        """Return the latest time for the reaction of a run to news at `begin`."""
        waits = name == "hold" and self.wrong_clock
        calm = self.calm
        if name in URGENT and (run.get("status") or {}).get("phase") is not None:
            calm = self.others.get(run["metadata"]["name"], calm)
        return calm.after(begin, WRONG_CLOCK_SECONDS if waits else LIMITS[name])


def violations(history: History) -> list[str]:
    """Return what an operator has noted too late, or not at all."""
    calm = calm_times(history, clocks=False)
    others: dict[str, Calm] = {}
    if disturbed_runs(history):
        names = {f.run["metadata"]["name"] for f in history.final}
        others = {name: calm_times(history, clocks=False, run=name) for name in names}
    return list(_late(history.changes, _Limits(calm, has_wrong_clock(history), others)))


def _late(changes: tuple[Change, ...], limits: _Limits) -> Iterator[str]:
    runs: dict[str, _Run] = {}
    deleted: dict[str, _Run] = {}
    for change in changes:
        uid = _run_of(change)
        if uid in deleted and change.resource == JOBS:
            _note_job(deleted[uid], change)
            yield from _peers(runs, deleted, change.at, limits)
        if uid is None or (uid not in runs and change.resource != RUNS):
            continue
        run = runs.setdefault(uid, _Run(change.document))
        if change.resource == RUNS and change.kind == "DELETED":
            # Its Jobs may work for a while, and other runs wait for them.
            deleted[uid] = runs.pop(uid)
            continue
        if change.resource == RUNS:
            yield from _answered(run, change, limits)
            run.document = change.document
        else:
            _note_job(run, change)
        yield from _waits(run, change, limits)
        yield from _peers(runs, deleted, change.at, limits)
    end = changes[-1].at if changes else 0.0
    for run in runs.values():
        for name in list(run.due):
            yield from _checked(run, name, end, limits)


def _run_of(change: Change) -> str | None:
    metadata = change.document["metadata"]
    if change.resource == RUNS:
        return str(metadata["uid"])
    if change.resource != JOBS:
        return None
    # Somebody may have removed the labels of a Job.
    owner = next((one["uid"] for one in metadata.get("ownerReferences") or ()), None)
    return (metadata.get("labels") or {}).get(UID_LABEL, owner)


def _answered(run: _Run, change: Change, limits: _Limits) -> Iterator[str]:
    """Yield what the status of a run answers too late, and note what is due next."""
    before, after = run.document.get("status") or {}, change.document.get("status") or {}
    if before != after:
        yield from _checked(run, "end", change.at, limits)
    for name, due in is_open(change.document).items():
        yield from _noted(run, name, change.at, limits, due=due)


def _note_job(run: _Run, change: Change) -> None:
    uid, document = change.document["metadata"]["uid"], change.document
    known = run.jobs.get(uid)
    if change.kind == "DELETED":
        run.jobs.pop(uid, None)
        return
    if is_finished(document) and UID_LABEL not in (document["metadata"].get("labels") or {}):
        # The operator reads a Job without labels every ten seconds (docs/architecture.md).
        return
    run.jobs[uid] = document
    ends = known is not None and not is_finished(known) and is_finished(document)
    if ends and change.before is not None and is_finished(change.before):
        # The Job had no labels when it ended, and has them again.
        ends = False
    if ends and "deletionTimestamp" not in document["metadata"] and _is_expected(run, document):
        run.due.setdefault("end", change.at)


def _is_expected(run: _Run, job: Json) -> bool:
    """Return whether the end of a Job is due: after an edit, prepare must commit before others."""
    resolved = (run.document.get("status") or {}).get("resolved") or {}
    return "prepared" in resolved or prepares(job)


def _peers(
    runs: dict[str, _Run], deleted: dict[str, _Run], at: float, limits: _Limits
) -> Iterator[str]:
    """Yield which runs have waited too long for a peer that is not there."""
    left = any(one.working for one in deleted.values())
    for uid, run in runs.items():
        if ready_reason(run.document) == Reason.WAITING_FOR_PEER:
            others = left or any(one.is_peer for name, one in runs.items() if name != uid)
            yield from _noted(run, "peer", at, limits, due=not others)
        elif "peer" in run.due:
            yield from _checked(run, "peer", at, limits)


def _waits(run: _Run, change: Change, limits: _Limits) -> Iterator[str]:
    """Yield for what a run has waited too long that is not there."""
    status: dict[str, Any] = run.document.get("status") or {}
    reason = ready_reason(run.document)
    says = status.get("phase") in GOES_ON[:3] and reason in GOES_ON
    held = [job for job in run.jobs.values() if job["spec"].get("suspend")]
    due = {
        "job": says and not run.working,
        "queue": says and bool(held) and len(held) == len(run.jobs),
        "stop": reason == Reason.STOPPING and not run.jobs,
    }
    for name, is_due in due.items():
        yield from _noted(run, name, change.at, limits, due=is_due)
    until = _held_until(status, reason) if not run.jobs else None
    if until is None:
        yield from _checked(run, "hold", change.at, limits)
    elif until != run.waits_until:
        run.due["hold"] = change.at if limits.wrong_clock else until
    run.waits_until = until


def _held_until(status: Json, reason: str | None) -> float | None:
    """Return when the wait ends that is the reason of a run; None if it waits for something else.

    A run that has failed waits for a person.
    """
    holds = (s.get("hold") for s in status.get("stages") or () if not s.get("committed"))
    if status.get("phase") not in ("Pending", "Running", "Stalled"):
        return None
    ends = [seconds_of(h["until"]) for h in holds if h and h["reason"] == reason]
    return min(ends, default=None)


def _noted(run: _Run, name: str, at: float, limits: _Limits, *, due: bool) -> Iterator[str]:
    if due:
        run.due.setdefault(name, at)
    else:
        yield from _checked(run, name, at, limits)


def _checked(run: _Run, name: str, at: float, limits: _Limits) -> Iterator[str]:
    begin = run.due.pop(name, at)
    if at > limits.latest(name, begin, run.document):
        who = run.document["metadata"]["name"]
        yield f"{who}: {WHAT[name]} is noted after {at - begin:.0f} s"
