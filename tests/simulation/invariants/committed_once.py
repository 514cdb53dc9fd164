"""Nothing is made twice: no worker commits a stage that another one has committed meanwhile.

A worker looks for a stage before it begins, so a second commit means that two workers made the
stage at the same time. Two kinds of Jobs may do so: one on a node that is lost, or looks so, when
the node answers again, and one whose labels somebody has removed, because the operator does not see
it any more.
"""

from __future__ import annotations

from ..api_server import JOBS
from ..history import History
from .lost_jobs import left_jobs
from .true_failure import UID_LABEL


def violations(history: History) -> list[str]:
    """Return the stages that two workers have made."""
    unseen = {job.name for job in left_jobs(history)} | _without_labels(history)
    makers: dict[str, str] = {}
    found = []
    for commit in history.commits:
        first = makers.setdefault(commit.key, commit.job)
        if not commit.first and unseen.isdisjoint((commit.job, first)):
            text = f"the second time by {commit.job} at {commit.at:.0f} s"
            found.append(f"{commit.stage} was made twice, {text}")
    return found


def _without_labels(history: History) -> set[str]:
    return {
        str(change.document["metadata"]["name"])
        for change in history.changes
        if change.resource == JOBS
        and UID_LABEL not in (change.document["metadata"].get("labels") or {})
    }
