"""A Job does not go on to stages that an edit has replaced (docs/architecture.md, The workers).

Edits stop a Job if they change the settings of a stage that it can reach. So a while after prepare
has committed for the newest spec, each stage that a Job of the run commits is one of its plan.

A verdict and a report read the measurements. They are made again when somebody retries a
measurement that has failed.
"""

from __future__ import annotations

from ..api_server import JOBS, RUNS
from ..history import History
from ..readings import is_prepared, reads_measurements
from .disturbances import calm_times, has_act
from .true_failure import UID_LABEL

SECONDS = 120.0
"""How long a stop takes at most: a pass, and the grace period of the pods."""


def violations(history: History) -> list[str]:
    """Return the stages that a Job has made for a spec of before."""
    if history.silences or history.exempt or has_act(history, "unlabel-job"):
        return []
    calm = calm_times(history)
    known: dict[str, tuple[int, float]] = {}
    owners: dict[str, str] = {}
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == JOBS and change.kind == "ADDED":
            owners[metadata["name"]] = metadata["labels"].get(UID_LABEL, "")
        elif change.resource == RUNS:
            status = change.document.get("status") or {}
            is_known = is_prepared(change.document)
            generation = status.get("observedGeneration", -1) if is_known else -1
            if known.get(metadata["uid"], (-1, 0.0))[0] != generation:
                known[metadata["uid"]] = generation, change.at
    plans = {
        final.run["metadata"]["uid"]: {(s["id"], s["key"]) for s in final.run["status"]["stages"]}
        for final in history.final
        if (final.run.get("status") or {}).get("phase") == "Succeeded"
    }
    found = []
    for commit in history.commits:
        run = owners.get(commit.job, "")
        since = known.get(run, (-1, 0.0))[1]
        stale = run in plans and (commit.stage, commit.key) not in plans[run]
        stale = stale and not reads_measurements(commit.stage)
        if stale and commit.at > calm.after(since, SECONDS):
            late = f"{commit.at - since:.0f} s after the newest spec"
            found.append(f"{commit.job} makes {commit.stage} of an old spec {late}")
    return found
