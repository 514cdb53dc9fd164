"""The operator asks the API server as often as its configuration says, and not more often.

`kube/config.py` has the times. Everything is listed every five minutes, once more after the watches
are open, and again by a process that takes the Lease from another one. A Job without ready pods is
inspected every 30 seconds if nothing of it changes. Nobody reads a Job that a watch reports, or the
Lease that they hold. No status is written that is stored already. Without this, a thousand runs
would need an API server of their own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from ..api_server import JOBS, PODS, RUNS, Change
from ..connection import WRITES, Request
from ..history import History
from ..readings import loses_history
from .disturbances import Calm, calm_times, has_act
from .true_failure import UID_LABEL

LIST_SECONDS = 300.0
LATE_SECONDS = 30.0
LOOK_SECONDS = 30.0
EARLY_SECONDS = 5.0
CHANGED_SECONDS = 5.0
"""How long after a change of a Job, its pods or its run the next look may follow it."""
UID = "controller-uid="
NOT_FOUND = 404
HIDING = (
    *("unlabel-job", "delete-job", "lose-deletion", "second-operator", "hand-over", "clock"),
    *("silence", "delay", "compact", "partition"),
)
"""The acts after which an operator may have to read a Job."""
SOON_SECONDS = 1.0
"""How soon a Job is deleted after the look before its stop."""


def violations(history: History) -> list[str]:
    """Return the first request of each kind that is missing, too early or useless."""
    calm = calm_times(history)
    found = (next(kind(history, calm), None) for kind in KINDS)
    return [text for text in found if text is not None]


def _lists(history: History, calm: Calm) -> Iterator[str]:
    """Yield that a process has listed the runs again too late, or too early and too often."""
    times: defaultdict[int, list[float]] = defaultdict(list)
    last: dict[int, float] = {}
    for request in history.requests:
        last[request.process] = request.at
        if request.method == "GET" and urlsplit(request.path).path.endswith(f"/{RUNS}"):
            times[request.process].append(request.at)
    for process, found in times.items():
        for before, after in zip(found, [*found[1:], last[process]], strict=True):
            if after - before > LIST_SECONDS + LATE_SECONDS and calm.holds(before, after):
                yield f"nobody lists all runs for {after - before:.0f} s"
        # A process that is alone has taken the Lease from no other one.
        if any(loses_history(text) for _, text in history.faults):
            # A watch that has lost its history lists again, whenever it notes that.
            continue
        later = found[2:] if len(last) == 1 else found[3:]
        for before, after in zip(found, later, strict=False):
            if after - before < LIST_SECONDS - LATE_SECONDS and calm.holds(before, after):
                yield f"all runs are listed again in {after - before:.0f} s"


def _looks(history: History, calm: Calm) -> Iterator[str]:
    """Yield that the pods of a Job are listed again soon although nothing of it has changed."""
    changed: defaultdict[str, list[float]] = defaultdict(list)
    owners: dict[str, str] = {}
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == JOBS:
            owners[metadata["uid"]] = metadata["ownerReferences"][0]["uid"]
            changed[metadata["uid"]].append(change.at)
        elif change.resource == PODS and metadata.get("ownerReferences"):
            changed[metadata["ownerReferences"][0]["uid"]].append(change.at)
        elif change.resource == RUNS:
            changed[metadata["uid"]].append(change.at)
    before: dict[tuple[int, str], float] = {}
    for job, request in _pod_lists(history):
        known = before.get((request.process, job))
        if known is not None and request.at - known < SOON_SECONDS:
            # A pass that finds its Job gone reads the pods once more.
            continue
        before[request.process, job] = request.at
        if known is None or request.at - known >= LOOK_SECONDS - EARLY_SECONDS:
            continue
        places = (changed[job], changed[owners.get(job, "")])
        begin, end = known - CHANGED_SECONDS, request.at + SOON_SECONDS
        same = all(bisect_left(one, begin) == bisect_left(one, end) for one in places)
        if same and calm.holds(begin, request.at):
            yield f"the pods of a Job are listed again after {request.at - known:.0f} s"


def _pod_lists(history: History) -> Iterator[tuple[str, Request]]:
    """Yield the requests that list the pods of a Job, with the UID of the Job."""
    for request in history.requests:
        if request.method == "GET" and f"/{PODS}?" in request.path:
            (labels, *_) = parse_qs(urlsplit(request.path).query).get("labelSelector", [""])
            if UID in labels:
                yield labels.partition(UID)[2], request


def _useless_writes(history: History, calm: Calm) -> Iterator[str]:
    """Yield that an operator writes a status which is stored already."""
    written = {change.version: change.at for change in history.changes if change.resource == RUNS}
    for request in history.requests:
        done = request.method == "PATCH" and request.status < 300
        if (
            done
            and written.get(request.version) != request.at
            and calm.holds(request.at - CHANGED_SECONDS, request.at)
        ):
            yield f"{request.path} is written at {request.at:.1f} s, and nothing changes"


def _leases(history: History, calm: Calm) -> Iterator[str]:
    """Yield that a process reads the Lease again that it holds, or that it knows to be missing."""
    knows, since = 0, 0.0
    for request in history.requests:
        if "/leases" not in request.path:
            continue
        if request.method in WRITES and request.status < 300:
            knows, since = request.process, request.at
        elif request.method == "GET":
            again = request.process == knows and calm.holds(since - CHANGED_SECONDS, request.at)
            if again:
                yield f"a process reads the Lease again at {request.at:.1f} s"
            if request.status == NOT_FOUND:
                knows, since = request.process, max(request.at, CHANGED_SECONDS)


def _searches(history: History, calm: Calm) -> Iterator[str]:
    """Yield that a process looks for the forgotten Jobs of a run again, which it does once.

    It forgets that for a run which rests.
    """
    last: dict[tuple[int, str], float] = {}
    for request in history.requests:
        if request.method == "GET" and f"/{PODS}?" in request.path:
            (labels, *_) = parse_qs(urlsplit(request.path).query).get("labelSelector", [""])
            if not labels.startswith(f"{UID_LABEL}=") or "&continue=" in request.path:
                continue  # The next page of a LIST is no other LIST.
            begin = last.get((request.process, labels), request.at)
            last[request.process, labels] = request.at
            again = begin < request.at < begin + 2 * SOON_SECONDS
            if again and calm.holds(begin - CHANGED_SECONDS, request.at):
                yield f"the pods of a run are searched again after {request.at - begin:.0f} s"


def _reads(history: History, calm: Calm) -> Iterator[str]:
    """Yield that a process reads a Job although the watch and the LIST report it.

    It reads a Job that has disappeared, that has no pod, or whose creation had no clear answer
    (docs/architecture.md, The operator), and one that has changed since the last LIST or event.
    """
    reads = [r for r in history.requests if r.method == "GET" and f"/{JOBS}/" in r.path]
    unclear = any(text.startswith("POST") and f"/{JOBS}:" in text for _, text in history.faults)
    if not reads or unclear or has_act(history, *HIDING):
        return
    changes = iter([*(one for one in history.changes if one.resource == JOBS), None])
    change = next(changes)
    known: dict[str, Change] = {}
    for request in reads:
        while change is not None and change.at <= request.at:
            known[change.document["metadata"]["name"]] = change
            change = next(changes)
        name = urlsplit(request.path).path.rpartition("/")[2]
        last = known.get(name)
        if last is None or not last.document["status"].get("active"):
            continue
        if request.status >= NOT_FOUND:
            continue
        if request.at > last.at + CHANGED_SECONDS and calm.holds(last.at, request.at):
            yield f"the Job {name} is read at {request.at:.1f} s, and the watch reports it"


KINDS = (_lists, _looks, _useless_writes, _leases, _searches, _reads)
