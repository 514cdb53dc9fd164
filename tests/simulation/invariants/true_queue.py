"""A suspended Job has the queue of its run: one in another queue is deleted and created again.

`docs/how-to/queue-with-kueue.md` promises it. Kueue starts a Job in the queue of its label, so a
run that somebody has moved would wait in the old one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..api_server import JOBS, RUNS, Change, Json
from ..history import History
from ..job_controller import is_finished
from ..queue import QUEUE_LABEL
from .disturbances import Calm, calm_times, has_act
from .true_failure import UID_LABEL

SECONDS = 10.0
"""How long an operator that nothing disturbs may take."""


def violations(history: History) -> list[str]:
    """Return the suspended Jobs that stay in the old queue of their run."""
    if not has_act(history, "move-queue"):
        return []
    return list(dict.fromkeys(_left(history.changes, calm_times(history, clocks=False))))


def _left(changes: tuple[Change, ...], calm: Calm) -> Iterator[str]:
    queues: dict[str, str | None] = {}
    jobs: dict[str, Json] = {}
    since: dict[str, float] = {}
    for change in changes:
        document, uid = change.document, change.document["metadata"]["uid"]
        if change.resource == RUNS:
            # The Jobs of a run that is gone are those of the garbage collector.
            queues[uid] = None if change.kind == "DELETED" else queue_of(document)
        elif change.resource == JOBS:
            jobs[uid] = document
            if change.kind == "DELETED":
                del jobs[uid]
        else:
            continue
        wrong = {job for job, one in jobs.items() if _is_wrong(one, queues)}
        for job in [job for job in since if job not in wrong]:
            del since[job]
        for job in wrong:
            begin = since.setdefault(job, change.at)
            if change.at > calm.after(begin, SECONDS):
                yield f"{jobs[job]['metadata']['name']} stays in the queue {queue_of(jobs[job])}"


def _is_wrong(job: Json, queues: dict[str, str | None]) -> bool:
    """Return whether a Job waits in another queue than that of its run."""
    metadata = job["metadata"]
    wanted = queues.get((metadata.get("labels") or {}).get(UID_LABEL, ""))
    waits = job["spec"].get("suspend") and not is_finished(job)
    deleted = "deletionTimestamp" in metadata
    return bool(waits) and not deleted and wanted is not None and queue_of(job) != wanted


def queue_of(document: Json) -> str | None:
    """Return the queue in the labels of a run or a Job."""
    queue: str | None = (document["metadata"].get("labels") or {}).get(QUEUE_LABEL)
    return queue
