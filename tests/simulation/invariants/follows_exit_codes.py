"""The end of an attempt has the effect that its exit code promises (docs/architecture.md).

The table below is that of the documentation. It is not derived from the planner: which pod of a Job
decides, what its exit code does to the run, whether the attempt counts as a failure, and how long
the run waits. `status.lastFailure` names this pod and this reason.

The first status that counts an attempt is compared with the status before. A status that answers an
edit or a retry as well has new counts, and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

from ..api_server import JOBS, PODS, RUNS, Change, Json
from ..history import History
from .disturbances import has_wrong_clock
from .job_states import JobState, JobStates, exit_code, is_disrupted
from .keeps_waiting import seconds_of

PREPARE = "prepare"
ENDS_A_JOB = (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY)
"""The exit codes that fail a Job at once, so the pod with such a code decides."""
RETRY_SECONDS = (10.0, 40.0, 160.0)
STALL_SECONDS = (60.0, 120.0, 300.0, 600.0, 1800.0)
DISRUPTION_SECONDS = 10.0
REDUCTIONS = 3
"""How often a batch is halved."""
ERROR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Effect:
    """What the end of an attempt does to the first stage that is not committed.

    `ends` is the reason of a run that fails, and `reason` that of the wait and of the failure.
    """

    reason: str = ""
    ends: str | None = None
    stalled: bool = False
    counts: bool = False
    halves: bool = False
    seconds: float = 0.0


def violations(history: History) -> list[str]:
    """Return the ends of attempts that a status counts in another way."""
    clock = has_wrong_clock(history)
    return list(_wrong(history, exact=not clock))


def _wrong(history: History, *, exact: bool) -> Iterator[str]:
    runs: dict[str, Json] = {}
    jobs = JobStates()
    for change in history.changes:
        document = change.document
        uid = document["metadata"]["uid"]
        if change.resource in (JOBS, PODS):
            jobs.note(change)
        elif change.resource == RUNS:
            before = runs.get(uid)
            runs[uid] = document
            if before is None or change.kind == "DELETED" or change.version in history.exempt:
                continue
            if _asks_nothing(before, document):
                counted = [job for job in jobs.of(uid) if _is_counted(job, before, document)]
                # Two attempts that are counted together cannot be told apart.
                one = len(counted) == 1 and _has_ended(counted[0], history)
                if one and not _names_another(document, counted[0], jobs.of(uid)):
                    yield from _compared(counted[0], before, change, exact=exact)


def _asks_nothing(before: Json, after: Json) -> bool:
    """Return whether a status answers no edit and no retry in addition."""
    names = ("observedGeneration", "lastHandledRetry")
    old, new = before.get("status") or {}, after.get("status") or {}
    return bool(old) and all(old.get(name) == new.get(name) for name in names)


def _record(run: Json, ref: tuple[str, str]) -> Json:
    stages = (run.get("status") or {}).get("stages") or ()
    return next((dict(s) for s in stages if (s["id"], s["key"]) == ref), {})


def _is_counted(job: JobState, before: Json, after: Json) -> bool:
    """Return whether a version of its run is the first one that counts the end of a Job."""
    counts = [int(_record(run, job.first).get("attempts") or 0) for run in (before, after)]
    return counts[0] < job.number <= counts[1]


def _names_another(run: Json, job: JobState, jobs: Iterable[JobState]) -> bool:
    """Return whether the last failure is that of a pod of another Job, which goes on."""
    pod = (run["status"].get("lastFailure") or {}).get("pod")
    others = (one for other in jobs if other is not job for one in other.pods.values())
    return any(one["metadata"]["name"] == pod for one in others)


def _has_ended(job: JobState, history: History) -> bool:
    """Return whether a Job has ended by itself: nobody has deleted it, and its nodes answered.

    An operator counts an attempt after it has read the pods, however late it reads them. An attempt
    that it stops is deleted before the status is written.
    """
    ended = job.ended
    if ended is None or job.deleting:
        return False
    return not any(one.begin <= ended and job.created <= one.end for one in history.silences)


def _compared(job: JobState, before: Json, change: Change, *, exact: bool) -> Iterator[str]:
    after = change.document
    own = [dict(s) for s in after["status"].get("stages") or ()]
    touched = [s for s in own if _differs(_record(before, (s["id"], s["key"])), s)]
    allowed = list(_endings(job))
    wrong = []
    for code, pod in allowed:
        if code is None or _may_be_over(job, after, pod, code):
            return
        stage = touched[0] if touched else {}
        failed = after["status"].get("phase") == "Failed" or _goes_on_without(before, after)
        old = _record(before, (stage["id"], stage["key"])) if stage else _next(before)
        effect = _effect(job.first[0], code, pod is not None and is_disrupted(pod), old)
        why = _difference(effect, old, stage, after, pod, failed=failed)
        why = why or _wrong_stage(after, job)
        if why is None and exact:
            why = _wrong_wait(effect, stage, job)
        if why is None:
            return
        wrong.append(f"{why} after the exit code {code}")
    if wrong:
        yield f"version {change.version}: {job.name} is counted with {wrong[0]}"


def _goes_on_without(before: Json, after: Json) -> bool:
    """Return whether a run begins to go on without a stage, which has failed finally."""
    stages = after["status"].get("stages") or ()
    lost = [(stage["id"], stage["key"]) for stage in stages if stage.get("failure")]
    return any(not _record(before, ref).get("failure") for ref in lost)


def _next(run: Json) -> Json:
    """Return the record of the stage that an attempt without a record of its own begins with."""
    stages = (run.get("status") or {}).get("stages") or ()
    return next((dict(s) for s in stages if not s.get("committed")), {})


def _differs(before: Json, after: Json) -> bool:
    names = ("failures", "memoryReduction")
    counts = any((before.get(n) or 0) != (after.get(n) or 0) for n in names)
    return counts or (after.get("hold") is not None and before.get("hold") != after["hold"])


def _endings(job: JobState) -> Iterator[tuple[int | None, Json | None]]:
    """Yield the exit codes, with their pods, that may decide about a Job.

    Of several pods that ended within a second, each may have been the last one. A pod that is being
    deleted may be gone when the operator reads the pods.
    """
    failed = [pod for pod in job.pods.values() if pod["status"].get("phase") == "Failed"]
    if _has(job.document, "Complete"):
        # Without a result, the last pod that failed before may be all that is known.
        yield None if failed else 0, None
        return
    staying = [pod for pod in failed if "deletionTimestamp" not in pod["metadata"]]
    if not staying:
        yield None, None
    for pods in (staying, failed):
        ranks = [(_rank(pod), pod) for pod in pods]
        best = max((rank for rank, _ in ranks), default=())
        yield from ((exit_code(pod), pod) for rank, pod in ranks if rank == best)


def _has(job: Json, kind: str) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _rank(pod: Json) -> tuple[Any, ...]:
    """Return how much a pod that failed explains: a code of its own, no disruption, a late end."""
    end = _terminated(pod).get("finishedAt", "")
    return exit_code(pod) in ENDS_A_JOB, not is_disrupted(pod), end


def _terminated(pod: Json) -> Json:
    for container in pod["status"].get("containerStatuses") or ():
        return dict(container["state"].get("terminated") or {})
    return {}


def _may_be_over(job: JobState, after: Json, pod: Json | None, code: int) -> bool:
    """Return whether the pods of a Job may have committed all of its stages."""
    if _has(job.document, "Failed") and any(
        c["reason"] == "DeadlineExceeded" for c in job.document["status"]["conditions"]
    ):
        return True
    if code == 0 and job.walks:
        return True
    committed = {s["id"] for s in after["status"].get("stages") or () if s.get("committed")}
    named = _named(pod) if pod is not None else None
    return (named or job.first[0]) in committed


def _effect(first: str, code: int, disrupted: bool, before: Json) -> _Effect:
    """Return what the documentation says about an exit code; `before` is the stage's record."""
    hold = before.get("hold") or {}
    stalls = hold.get("times", 1) if hold.get("stalled") else 0
    stall = STALL_SECONDS[min(stalls, len(STALL_SECONDS) - 1)]
    failures = before.get("failures") or 0
    if disrupted or code == ExitCode.STOPPED:
        return _Effect(Reason.DISRUPTED, seconds=DISRUPTION_SECONDS)
    if code == ExitCode.UNREACHABLE:
        return _Effect(Reason.STORE_UNREACHABLE, stalled=True, seconds=stall)
    if code == ExitCode.BAD_INPUT and first == PREPARE:
        return _Effect(Reason.INVALID_INPUT, stalled=True, seconds=stall)
    if code == ExitCode.BAD_INPUT:
        return _Effect(Reason.INVALID_INPUT, ends=Reason.INVALID_INPUT)
    if code == ExitCode.DEFECT:
        return _Effect(Reason.DEFECT, ends=Reason.DEFECT)
    if code == ExitCode.DEVICE_MEMORY:
        if (before.get("memoryReduction") or 0) >= REDUCTIONS:
            return _Effect(Reason.OUT_OF_MEMORY, ends=Reason.OUT_OF_MEMORY)
        return _Effect(Reason.RETRYING, halves=True)
    if failures < len(RETRY_SECONDS):
        return _Effect(Reason.RETRYING, counts=True, seconds=RETRY_SECONDS[failures])
    last = Reason.DISK_OR_IO if code == ExitCode.DISK else Reason.RETRIES_EXCEEDED
    return _Effect(last, ends=last)


def _difference(
    effect: _Effect, before: Json, stage: Json, after: Json, pod: Json | None, *, failed: bool
) -> str | None:
    """Return in what a status differs from an effect, or None."""
    failure = after["status"].get("lastFailure") or {}
    named = None if pod is None else pod["metadata"]["name"]
    if (failure.get("pod"), failure.get("reason")) != (named, effect.reason):
        return f"the failure {failure.get('reason')} of {failure.get('pod')}"
    if failed or effect.ends is not None:
        return None if failed and effect.ends is not None else f"the run's failure {failed}"
    hold = stage.get("hold") or {}
    if (hold.get("reason"), bool(hold.get("stalled"))) != (effect.reason, effect.stalled):
        return f"the wait {hold.get('reason')}, stalled {hold.get('stalled')}"
    for name, more in (("failures", effect.counts), ("memoryReduction", effect.halves)):
        if (stage.get(name) or 0) != (before.get(name) or 0) + more:
            return f"{name} {stage.get(name)} after {before.get(name)}"
    return None


def _wrong_stage(after: Json, job: JobState) -> str | None:
    """Return that the failure names another stage than each pod that has named one."""
    named = {_named(pod) for pod in job.pods.values() if exit_code(pod)} - {None}
    stages = after["status"].get("stages") or ()
    open_stages = {stage["id"] for stage in stages if not stage.get("committed")}
    shown = (after["status"].get("lastFailure") or {}).get("stage")
    if named & open_stages and shown not in named:
        return f"a failure of {shown} after that of {sorted(map(str, named))}"
    return None


def _named(pod: Json) -> str | None:
    """Return the stage that the result of a pod names."""
    message = _terminated(pod).get("message") or ""
    stage: str | None = json.loads(message).get("stage") if message.startswith("{") else None
    return stage


def _wrong_wait(effect: _Effect, stage: Json, job: JobState) -> str | None:
    """Return that the wait has another length, which counts from the end of the Job."""
    conditions = job.document["status"]["conditions"]
    ended = max(seconds_of(c["lastTransitionTime"]) for c in conditions)
    hold = stage.get("hold")
    if effect.ends is not None or not hold:
        return None
    wait = seconds_of(hold["until"]) - ended
    if abs(wait - effect.seconds) > ERROR_SECONDS:
        return f"a wait of {wait:.0f} s instead of {effect.seconds:.0f} s"
    return None
