"""The GPU time in a status never falls, and what is charged is the time that the run's pods held.

The kubelets' times are exact. The operator sees the end of a pod that disappears only at its next
look, and charges a stopped pod for its grace period at most.
"""

from __future__ import annotations

from collections import Counter

from ..api_server import PODS, RUNS
from ..history import History
from ..readings import charged_seconds, ends_pod, has_gpu
from .disturbances import has_act, has_wrong_clock
from .true_failure import UID_LABEL

ERROR_SECONDS = 120.0
"""The most that one Job is charged too much: two looks at its pods, and the grace of a stop."""

FREE_SECONDS = 120.0
"""A run with finished pods of this time has been charged for at least one of them."""


def violations(history: History) -> list[str]:
    """Return the runs whose GPU time falls, is larger than that of their pods, or is missing."""
    return [*_falls(history), *_differs(history)]


def _falls(history: History) -> list[str]:
    before: dict[str, float] = {}
    found = []
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid, charged = change.document["metadata"]["uid"], charged_seconds(change.document)
        if change.version in history.exempt:
            before.pop(uid, None)
        elif charged < before.get(uid, 0.0):
            found.append(
                f"version {change.version} has {charged:.0f} GPU seconds after {before[uid]:.0f}"
            )
        before[uid] = charged
    return found


def _differs(history: History) -> list[str]:
    # A wrong clock of the operator has an effect on the time of pods that go on.
    if has_wrong_clock(history):
        return []
    held: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    begun: dict[str, float] = {}
    ended: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for change in history.changes:
        if change.resource != PODS or not has_gpu(change.document):
            continue
        metadata = change.document["metadata"]
        pod, run = metadata["uid"], metadata["labels"].get(UID_LABEL, "")
        if "startTime" in change.document["status"]:
            begun.setdefault(pod, change.at)
        if pod in begun and pod not in ended and ends_pod(change):
            held[run] += change.at - begun[pod]
            ended.add(pod)
        if metadata["ownerReferences"]:
            seen.add((run, metadata["ownerReferences"][0]["uid"]))
    jobs.update(run for run, _ in seen)
    found = []
    for final in history.final:
        uid, charged = final.run["metadata"]["uid"], charged_seconds(final.run)
        # Nobody charges the pods of a Job whose labels are gone, and a lost node may keep them.
        hidden = has_act(history, "unlabel-job")
        certain = not history.exempt and not history.silences and not hidden
        free = certain and charged == 0 and held[uid] > FREE_SECONDS
        if free or charged > held[uid] + ERROR_SECONDS * jobs[uid]:
            name = final.run["metadata"]["name"]
            found.append(f"{name} is charged {charged:.0f} GPU seconds, and held {held[uid]:.0f}")
    return found
