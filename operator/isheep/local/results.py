"""What a run has committed, looked up in its status: stages by id, iterations by number."""

from __future__ import annotations

from isheep.api.status import SelfAlignmentRunStatus


def committed_key(status: SelfAlignmentRunStatus, stage: str) -> str | None:
    """Return the key of a stage that is committed, by its id."""
    return next((s.key for s in status.stages if s.id == stage and s.committed), None)


def committed_stages(status: SelfAlignmentRunStatus) -> dict[int, dict[str, str]]:
    """Return the keys of committed stages by their ids, by iteration, prepare left out."""
    iterations: dict[int, dict[str, str]] = {}
    for record in status.stages:
        iteration, separator, _ = record.id.partition("/")
        if record.committed and separator:
            iterations.setdefault(int(iteration.removeprefix("i")), {})[record.id] = record.key
    return iterations


def newest_report(status: SelfAlignmentRunStatus) -> str | None:
    """Return the key of the report that tells most, None before the first iteration's end."""
    keys = [s.key for s in status.stages if s.committed and s.id.endswith("/report")]
    return keys[-1] if keys else None
