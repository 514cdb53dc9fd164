"""The committed stages of a run: their keys by id and by iteration, and the newest report's key."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.stage_ids import iteration_of


def committed_keys(status: SelfAlignmentRunStatus) -> dict[str, str]:
    """Return the keys of committed stages by their ids."""
    return {record.id: record.key for record in status.stages if record.committed}


def committed_stages(status: SelfAlignmentRunStatus) -> dict[int, dict[str, str]]:
    """Return the keys of committed stages by iteration and id, without prepare."""
    iterations: dict[int, dict[str, str]] = {}
    for stage, key in committed_keys(status).items():
        if iteration := iteration_of(stage):
            iterations.setdefault(iteration, {})[stage] = key
    return iterations


def newest_report(keys: Mapping[str, str]) -> str | None:
    """Return the key of the newest report, or None before the end of the first iteration.

    `keys` contains the keys of committed stages by their ids, in the plan's order.
    """
    reports = [key for stage, key in keys.items() if stage.endswith("/report")]
    return reports[-1] if reports else None
