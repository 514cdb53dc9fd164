"""The reason of a run is that of something that has happened to it, and that can cause it.

Each reason has the facts that can cause it. The facts are collected in the order of the changes, so
a reason that comes before its cause is a violation too. A reason that nothing here can cause is one
as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

from ..api_server import JOBS, PODS, RUNS, Change, Json
from ..history import History
from ..queue import is_queued
from ..refusals import REFUSALS
from .true_failure import UID_LABEL

ANY: frozenset[str] = frozenset()
"""The cause of a reason that says only that the run goes on."""
IGNORED = "reason='ignored'"
"""What the fault of a pod has whose scheduler does not look at it."""
FAILED_POD = frozenset({"a pod failed"})
CAUSES: dict[str, frozenset[str]] = {
    **dict.fromkeys((Reason.PENDING, Reason.RUNNING, Reason.STARTING, Reason.SUCCEEDED), ANY),
    # The models of the simulation are never better than M(0).
    Reason.NO_IMPROVEMENT: ANY,
    # `keeps_deadline` compares it with the start of the run.
    Reason.DEADLINE_EXCEEDED: ANY,
    # `true_ending` compares it with the verdict.
    Reason.STOPPED_EARLY: frozenset({"a run that a guard stops"}),
    Reason.SUSPENDED: frozenset({"suspended by its spec"}),
    Reason.STOPPING: frozenset(
        {"a Job is deleted", "a Job is suspended", "somebody deletes a Job"}
    ),
    Reason.RETRYING: FAILED_POD,
    # A guard waits for a measurement that has failed finally.
    Reason.EVALUATION_MISSING: FAILED_POD,
    Reason.RETRIES_EXCEEDED: FAILED_POD,
    Reason.KILLED: FAILED_POD,
    Reason.DISK_OR_IO: frozenset({f"exit {int(ExitCode.DISK)}"}),
    Reason.DISRUPTED: frozenset(
        {"a pod is disrupted", f"exit {int(ExitCode.STOPPED)}", "a wrong clock"}
    ),
    Reason.NODE_LOST: frozenset({"a node is silent"}),
    Reason.QUEUED: frozenset({"a Job is suspended"}),
    Reason.PREEMPTED: frozenset({"a Job is suspended"}),
    # The queue creates a Workload long before the operator calls it missing. The Workload of a Job
    # that somebody deletes may be gone before a late watch reports the deletion.
    Reason.WORKLOAD_MISSING: frozenset(
        {"a wrong clock", "a Job lost its labels", "somebody deletes a Job"}
    ),
    # The Job controller creates each pod, and the scheduler looks at it, long before the operator
    # calls this missing.
    Reason.PODS_NOT_CREATED: frozenset({"a wrong clock"}),
    # The Workload of a Job that has lost its labels names no queue.
    Reason.LOCAL_QUEUE_NOT_FOUND: frozenset({"a Job lost its labels"}),
    Reason.JOB_SUSPENDED: frozenset({"a Job is suspended without a queue"}),
    Reason.WAITING_FOR_PEER: frozenset({"another run"}),
    Reason.RUN_LIMIT: frozenset({"a limit of runs"}),
    Reason.IMAGE_PULL_FAILED: frozenset({"ImagePullBackOff"}),
    Reason.CONTAINER_NOT_STARTED: frozenset({"CreateContainerConfigError"}),
    Reason.UNSCHEDULABLE: frozenset(
        {"a node is silent", "a wrong clock", "the scheduler ignores a pod"}
    ),
    **{one.reason: frozenset({f"a Job is refused: {one.reason}"}) for one in REFUSALS},
    Reason.JOB_NAME_CONFLICT: frozenset({"a Job lost its labels"}),
    Reason.PREPARE_OVERDUE: frozenset({"a Job had too little time", "a wrong clock"}),
    Reason.STORE_UNREACHABLE: frozenset({f"exit {int(ExitCode.UNREACHABLE)}"}),
    Reason.INVALID_INPUT: frozenset({f"exit {int(ExitCode.BAD_INPUT)}"}),
    Reason.DEFECT: frozenset({f"exit {int(ExitCode.DEFECT)}"}),
    Reason.OUT_OF_MEMORY: frozenset({f"exit {int(ExitCode.DEVICE_MEMORY)}"}),
}


TEXTS: dict[str, tuple[str, ...]] = {
    Reason.IMAGE_PULL_FAILED: ("why",),
    Reason.CONTAINER_NOT_STARTED: ("why",),
    Reason.UNSCHEDULABLE: ("nodes are available", "says nothing about the pod"),
}
"""What the messages of these reasons contain: the words of the kubelet and of the scheduler."""
for _one in REFUSALS:
    TEXTS[_one.reason] = (*TEXTS.get(_one.reason, ()), _one.message)


def violations(history: History) -> list[str]:
    """Return the versions of runs with a reason that nothing has caused."""
    facts: defaultdict[str, set[str]] = defaultdict(set)
    found: list[str] = []
    reasons: dict[str, str] = {}
    runs: set[str] = set()
    refused = [
        (r.at, f"a Job is refused: {r.refusal.reason}") for r in history.requests if r.refusal
    ]
    for change in history.changes:
        for uid, fact in _facts(change):
            facts[uid].add(fact)
        if change.resource != RUNS:
            continue
        if change.kind == "ADDED":
            runs.add(_uid(change))
        reason = _reason(change.document)
        if reason is None or reasons.get(_uid(change)) == reason:
            continue
        reasons[_uid(change)] = reason
        message = _message(change.document)
        if reason in TEXTS and not any(text in message for text in TEXTS[reason]):
            found.append(f"version {change.version} explains {reason} with {message}")
        happened = facts[_uid(change)] | set(_of_faults(history, change.at))
        happened |= {"another run"} if len(runs) > 1 else set()
        happened |= {"a limit of runs"} if history.limit is not None else set()
        happened |= {text for at, text in refused if at <= change.at}
        causes = CAUSES.get(reason)
        if causes is None or (causes and causes.isdisjoint(happened)):
            found.append(f"version {change.version} has the reason {reason} without a cause")
    return found


def _reason(run: Json) -> str | None:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), None)


def _message(run: Json) -> str:
    conditions = run["status"].get("conditions") or ()
    return next((str(c.get("message")) for c in conditions if c["type"] == "Ready"), "")


def _uid(change: Change) -> str:
    return str(change.document["metadata"]["uid"])


def _facts(change: Change) -> Iterator[tuple[str, str]]:
    """Yield what a change tells about a run, by the UID of the run."""
    document = change.document
    run = (document["metadata"].get("labels") or {}).get(UID_LABEL, "")
    if change.resource == JOBS and not run:
        # Somebody has removed the labels.
        run = next((one["uid"] for one in document["metadata"].get("ownerReferences") or ()), "")
    if change.resource == RUNS and "safeguards" in document["spec"]:
        yield _uid(change), "a run that a guard stops"
    if change.resource == RUNS and document["spec"].get("suspend"):
        yield _uid(change), "suspended by its spec"
    elif change.resource == JOBS:
        if "deletionTimestamp" in document["metadata"]:
            yield run, "a Job is deleted"
        if document["spec"].get("suspend"):
            yield run, "a Job is suspended"
            if not is_queued(document):
                yield run, "a Job is suspended without a queue"
        conditions = (document.get("status") or {}).get("conditions") or ()
        if any(c["reason"] == "DeadlineExceeded" for c in conditions):
            yield run, "a Job had too little time"
        before = change.before
        if before is not None and UID_LABEL not in (document["metadata"].get("labels") or {}):
            yield before["metadata"]["labels"].get(UID_LABEL, ""), "a Job lost its labels"
    elif change.resource == PODS:
        yield from ((run, fact) for fact in _of_pod(document))
        if _ends_deleted(change):
            # It may be gone before the operator has read its result.
            yield run, "a pod failed"


def _ends_deleted(change: Change) -> bool:
    """Return whether a pod ends whose deletion has begun before."""
    before, ended = change.before or {}, change.document["status"].get("phase")
    deleted = "deletionTimestamp" in (before.get("metadata") or {})
    return deleted and ended != before["status"].get("phase") and ended == "Succeeded"


def _of_pod(pod: Json) -> Iterator[str]:
    status = pod["status"]
    states = [container["state"] for container in status.get("containerStatuses") or ()]
    stopped = any(
        (state.get("terminated") or {}).get("exitCode") == ExitCode.STOPPED for state in states
    )
    if any(c["type"] == "DisruptionTarget" for c in status.get("conditions") or ()):
        yield "a pod is disrupted"
    elif status.get("phase") == "Failed" and not stopped:
        yield "a pod failed"
    for state in states:
        if "waiting" in state:
            yield str(state["waiting"]["reason"])
        ended = state.get("terminated")
        if ended is not None:
            yield f"exit {ended['exitCode']}"
            # A worker that ends well and leaves no result has failed for the planner.
            if not ended.get("message"):
                yield "a pod failed"


def _of_faults(history: History, until: float) -> Iterator[str]:
    if any(silence.begin <= until for silence in history.silences):
        yield "a node is silent"
        yield "a pod is disrupted"
    texts = " ".join(text for at, text in history.faults if at <= until)
    if "'delete-job'" in texts:
        yield "somebody deletes a Job"
    if IGNORED in texts:
        yield "the scheduler ignores a pod"
    if "'clock'" in texts:
        yield "a wrong clock"
