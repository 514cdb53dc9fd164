"""The spans of a run, for traces: one for the run, and one for each attempt of a stage. Pure.

A span is made when a status says that a stage has ended, from the difference to the status before.
So an operator that starts again makes no span of what has ended before. The ids of a span are
hashes of the run's UID, the stage, its key and the number of the attempt. So if two operators make
the same span, it has the same ids, and a backend can drop one. A span that cannot be sent is lost,
and nothing waits for it.

In a Job with a walk, stages follow each other in one pod. A stage then begins when the stage before
it has ended, as far as this process has seen it, and otherwise when the pods began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from isheep.api.status import SelfAlignmentRunStatus, StageRecord
from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of, kind_name
from isheep.planner.types import Attempt, RunView, StageRef

ENDS = ("Succeeded", "Failed")
TRACE_BYTES, SPAN_BYTES = 16, 8
Value = str | int | float | bool
Outcome = Literal["committed", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Span:
    """A span with its ids as numbers. `error` is the reason and the message of a failure.

    `job` is the Job in which it ended, if it is a span of a stage.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start: datetime
    end: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None
    job: str | None = None


def spans(
    run: RunView,
    after: SelfAlignmentRunStatus,
    attempts: Sequence[Attempt],
    now: datetime,
    ends: Mapping[str, datetime],
) -> Iterator[Span]:
    """Yield the spans of what has ended in a new status.

    Args:
        run: The run with the status before.
        after: The new status, which is stored.
        attempts: The attempts that were observed before it.
        now: The time of the new status.
        ends: The end of the last span of each Job, by its name.
    """
    before = {StageRef(record.id, record.key): record for record in run.status.stages}
    latest = dict(ends)
    for record in after.stages:
        known = before.get(StageRef(record.id, record.key))
        if not _has_ended(known, record):
            continue
        attempt = _attempt_of(record, attempts)
        if attempt is None:
            continue
        start = max(attempt.started or attempt.created, latest.get(attempt.name, attempt.created))
        end = max(start, attempt.finished or now)
        latest[attempt.name] = end
        yield _stage_span(run, record, attempt, (start, end), after)
    if after.phase in ENDS and run.status.phase != after.phase:
        yield _run_span(run, after, now)


def _has_ended(before: StageRecord | None, after: StageRecord) -> bool:
    """Return whether an attempt has ended since; a stage that was found committed has none."""
    if before is None:
        return after.attempts > 0
    committed = after.committed and not before.committed
    return after.attempts > before.attempts or (committed and after.attempts > 0)


def _attempt_of(record: StageRecord, attempts: Sequence[Attempt]) -> Attempt | None:
    """Return the attempt that has made a stage, or failed to; None if its Job is gone."""
    ref = StageRef(record.id, record.key)
    own = [one for one in attempts if ref in one.steps]
    walked = [one for one in attempts if one.walk is not None and _reports(one, ref)]
    numbered = [one for one in own if one.number == record.attempts]
    return next(iter((*numbered, *walked, *own)), None)


def _outcome(record: StageRecord, attempt: Attempt) -> Outcome:
    """Return how an attempt has ended; one that an edit or a suspension stops has not failed."""
    if record.committed:
        return "committed"
    return "stopped" if attempt.occupies else "failed"


def _reports(attempt: Attempt, ref: StageRef) -> bool:
    steps = (*attempt.committed, *attempt.result_steps)
    in_frontier = any(result.frontier is not None for result in attempt.results)
    return in_frontier or any(StageRef(step.id, step.key) == ref for step in steps)


def _stage_span(
    run: RunView,
    record: StageRecord,
    attempt: Attempt,
    times: tuple[datetime, datetime],
    after: SelfAlignmentRunStatus,
) -> Span:
    """Return the span of a stage; `times` are its start and end."""
    outcome = _outcome(record, attempt)
    gpus: dict[str, Value] = {f"isheep.gpus.{name}": count for name, count in attempt.gpus.items()}
    waited = ((attempt.started or attempt.created) - attempt.created).total_seconds()
    return Span(
        name=kind_name(record.id),
        trace_id=trace_id(run.uid),
        span_id=span_id(run.uid, record.id, record.key, record.attempts),
        parent_id=root_id(run.uid),
        start=times[0],
        end=times[1],
        attributes={
            **_names(run),
            "k8s.job.name": attempt.name,
            "isheep.stage": record.id,
            "isheep.iteration": iteration_of(record.id),
            "isheep.key": record.key,
            "isheep.attempt": record.attempts,
            "isheep.outcome": outcome,
            "isheep.pods.wait_seconds": waited,
            **gpus,
            **{f"isheep.counts.{name}": value for name, value in record.counts.items()},
        },
        error=_failure(record, after) if outcome == "failed" else None,
        job=attempt.name,
    )


def _failure(record: StageRecord, after: SelfAlignmentRunStatus) -> str:
    failure = after.last_failure
    if failure is not None and failure.stage in (None, record.id):
        return f"{failure.reason}: {failure.message}"
    return str(record.hold.reason if record.hold is not None else Reason.RETRYING)


def _run_span(run: RunView, after: SelfAlignmentRunStatus, now: datetime) -> Span:
    ready = next((one for one in after.conditions if one.type == "Ready"), None)
    text = f"{ready.reason}: {ready.message}" if ready is not None else "Failed"
    start = after.start_time or run.created
    return Span(
        name=run.name,
        trace_id=trace_id(run.uid),
        span_id=root_id(run.uid),
        parent_id=None,
        start=start,
        end=max(start, after.completion_time or now),
        attributes={**_names(run), "isheep.generation": run.generation},
        error=text if after.phase == "Failed" else None,
    )


def _names(run: RunView) -> dict[str, Value]:
    return {"k8s.namespace.name": run.namespace, "isheep.run": run.name, "isheep.run.uid": run.uid}


def trace_id(uid: str) -> int:
    """Return the id of the trace of a run."""
    return _hash(TRACE_BYTES, uid)


def root_id(uid: str) -> int:
    """Return the id of the span of a run, the parent of all its other spans."""
    return _hash(SPAN_BYTES, uid, "run")


def span_id(uid: str, stage: str, key: str, attempt: int) -> int:
    """Return the id of the span of an attempt, from the run's UID and the stage's id and key."""
    return _hash(SPAN_BYTES, uid, stage, key, str(attempt))


def _hash(size: int, *parts: str) -> int:
    """Return a hash of some texts as a number of `size` bytes; 0 is no valid id of a span."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()[:size]
    return int.from_bytes(digest, "big") or 1
