"""What a run has committed: the keys of its stages by id, by iteration, and the last report's."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.status import SelfAlignmentRunStatus


def committed_keys(status: SelfAlignmentRunStatus) -> dict[str, str]:
    """Return the keys of committed stages by their ids."""
    return {record.id: record.key for record in status.stages if record.committed}


def committed_stages(status: SelfAlignmentRunStatus) -> dict[int, dict[str, str]]:
    """Return the keys of committed stages by their ids, by iteration, prepare left out."""
    iterations: dict[int, dict[str, str]] = {}
    for stage, key in committed_keys(status).items():
        iteration, separator, _ = stage.partition("/")
        if separator:
            iterations.setdefault(int(iteration.removeprefix("i")), {})[stage] = key
    return iterations


def newest_report(keys: Mapping[str, str]) -> str | None:
    """Return the key of the report that tells most, None before the first iteration's end.

    `keys` are those of committed stages by their ids, in the plan's order.
    """
    reports = [key for stage, key in keys.items() if stage.endswith("/report")]
    return reports[-1] if reports else None
