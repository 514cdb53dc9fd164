"""One Job at work for a key, and no Job for stages that the run's status has as committed.

The functions of the tests with a real control plane check this in the same way.
"""

from __future__ import annotations

from ...control_plane.harness.invariants import check_jobs
from ...control_plane.harness.observer import Version
from ..api_server import JOBS, RUNS
from ..history import History


def versions(history: History, resource: str) -> list[Version]:
    """Return the versions of a resource's objects."""
    return [
        Version(change.kind, change.document, 0.0)
        for change in history.changes
        if change.resource == resource
    ]


def violations(history: History) -> list[str]:
    """Return the first violation, if there is one."""
    try:
        check_jobs(versions(history, JOBS), versions(history, RUNS), history.exempt)
    except AssertionError as error:
        return [str(error).partition("\n")[0]]
    return []
