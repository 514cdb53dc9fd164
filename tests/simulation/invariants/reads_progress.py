"""The operator reads the progress of a Job at work every 30 seconds (docs/architecture.md).

It reads a pod that does not answer less and less often, and no pod more often. What an answer
reports is in the status a few seconds later: the committed stages, and the stage at work with its
items, which are written once a minute at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..api_server import JOBS, PODS, RUNS, Json
from ..history import History
from ..polls import Poll
from ..readings import is_prepared, reads_measurements
from .disturbances import FOREVER, Calm, calm_times
from .job_states import JobState, JobStates
from .open_requests import is_open

POLL_SECONDS = 30.0
LATE_SECONDS = 15.0
"""How late a poll may be: a pass that inspects the pods comes before it."""
EARLY_SECONDS = 25.0
MOST_DOUBLINGS = 4
NOTED_SECONDS = 5.0
"""How soon an answer is in the status."""
WRITTEN_SECONDS = 70.0
"""How soon the items of an answer are in the status."""


@dataclass(slots=True)
class _Work:
    """The polls of a Job; `since` is when its pods work or have changed, or `FOREVER`."""

    since: float = FOREVER
    last: Poll | None = None
    silent: int = 0
    before: int = 0
    """How many polls had no answer before the last one, which is what its pass has planned with."""

    @property
    def due(self) -> float:
        last = self.since if self.last is None else max(self.since, self.last.at)
        doublings = min(max(self.silent, self.before), MOST_DOUBLINGS)
        return last + POLL_SECONDS * (1 << doublings) + LATE_SECONDS


def violations(history: History) -> list[str]:
    """Return the polls that are missing or too early, and the answers that a status ignores."""
    return list(_wrong(history, calm_times(history)))


def _wrong(history: History, calm: Calm) -> Iterator[str]:
    jobs = JobStates()
    runs: dict[str, Json] = {}
    work: dict[str, _Work] = {}
    answers: dict[str, tuple[Poll, JobState]] = {}
    polls = iter([*history.polls, None])
    poll = next(polls)
    for change in history.changes:
        while poll is not None and poll.at < change.at:
            yield from _polled(poll, work, calm)
            job = jobs.get(poll.job)
            if job is not None and poll.answered:
                answers[poll.job] = poll, job
            poll = next(polls)
        for uid, (answer, job) in list(answers.items()):
            if change.at > answer.at + NOTED_SECONDS:
                del answers[uid]
                alone = sum(one.lives for one in jobs.of(job.run)) < 2
                yield from _ignored(answer, job, runs.get(job.run), calm, alone=alone)
        uid = change.document["metadata"]["uid"]
        if change.resource == RUNS:
            runs[uid] = change.document
            if change.kind == "DELETED" or change.version in history.exempt or _asks(runs[uid]):
                _forget(uid, jobs, work, answers)
            if change.kind == "DELETED":
                del runs[uid]
        elif change.resource in (JOBS, PODS):
            known = jobs.note(change)
            owner = uid if change.resource == JOBS else _owner(change.document)
            if owner in work and change.at > work[owner].due:
                yield from _missing(work[owner], jobs.get(owner), change.at, calm)
            if known is not None and _is_read(known) and known.run in runs:
                found = work.setdefault(owner, _Work())
                if found.since == FOREVER or change.resource == JOBS:
                    found.since, found.last = change.at, None
            else:
                _pause(owner, work, answers)


def _is_read(job: JobState) -> bool:
    return job.lives and not job.suspended and job.works


def _owner(pod: Json) -> str:
    owners = pod["metadata"]["ownerReferences"]
    return str(owners[0]["uid"]) if owners else ""


def _asks(run: Json) -> bool:
    over = (run.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Suspended")
    return over or any(is_open(run).values()) or bool(run["spec"].get("suspend"))


def _forget(
    run: str,
    jobs: JobStates,
    work: dict[str, _Work],
    answers: dict[str, tuple[Poll, JobState]],
) -> None:
    for job in jobs.of(run):
        _pause(str(job.document["metadata"]["uid"]), work, answers)


def _pause(job: str, work: dict[str, _Work], answers: dict[str, tuple[Poll, JobState]]) -> None:
    if job in work:
        work[job].since, work[job].last = FOREVER, None
    answers.pop(job, None)


def _polled(poll: Poll, work: dict[str, _Work], calm: Calm) -> Iterator[str]:
    """Note a poll, and yield that it comes too early or too late."""
    found = work.setdefault(poll.job, _Work())
    if poll.at > found.due:
        yield from _missing(found, None, poll.at, calm)
    before = found.last
    early = before is not None and poll.at - before.at < EARLY_SECONDS
    if early and before is not None and calm.holds(before.at, poll.at):
        yield f"the pod of {poll.name} is read again after {poll.at - before.at:.1f} s"
    found.last, found.before = poll, found.silent
    found.silent = 0 if poll.answered else found.silent + 1


def _missing(found: _Work, job: JobState | None, at: float, calm: Calm) -> Iterator[str]:
    begin = found.since if found.last is None else max(found.since, found.last.at)
    if at > calm.after(begin, found.due - begin):
        name = job.name if job is not None else "a Job"
        yield f"nobody reads the progress of {name} for {at - begin:.0f} s"


def _ignored(
    poll: Poll, job: JobState, run: Json | None, calm: Calm, *, alone: bool
) -> Iterator[str]:
    """Yield that a status does not have what an answer has reported.

    If the Job is not `alone`, the status shows a stage of the other one.
    """
    if run is None or not calm.holds(poll.at - NOTED_SECONDS, poll.at + NOTED_SECONDS):
        return
    status = run.get("status") or {}
    if not is_prepared(run):
        # After an edit, prepare must commit before the stages of the run are known again.
        return
    stages = {s["id"]: s for s in status.get("stages") or ()}
    for stage, key in poll.committed:
        known = stages.get(stage)
        if known is None and reads_measurements(stage):
            # Somebody may have asked for one of the measurements again.
            continue
        if known is None or (known["key"] == key and not known.get("committed")):
            yield f"{job.name} has reported {stage} as committed, and the status does not say so"
            return
    shown = (status.get("stage") or {}).get("id")
    # A pod that begins again passes through the stages that are committed.
    done = {stage for stage, _ in poll.committed}
    done |= {stage for stage, record in stages.items() if record.get("committed")}
    begun = poll.stage is not None and poll.stage not in done
    begun = begun and not reads_measurements(str(poll.stage))
    if alone and job.walks and begun and shown != poll.stage:
        yield f"{job.name} has reported the stage {poll.stage}, and the status shows {shown}"
