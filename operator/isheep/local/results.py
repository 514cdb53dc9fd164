"""The committed stages of a run: their keys by id and by iteration, the newest report and model."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.choices import Handover
from isheep.contract.stage_ids import iteration_of, kind_name


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


def newest_model(keys: Mapping[str, str], form: Handover | None) -> str | None:
    """Return the id of the stage that made the newest M(t) in this form, or None if there is none.

    Without a form, it is the model of `status.modelUri`: merged weights if the run has any, else
    the adapter. `keys` contains the keys of committed stages by their ids.
    """
    for kind in ("merge", "train"):
        found = [stage for stage in keys if kind_name(stage) == kind]
        if found and form in (None, "Merged" if kind == "merge" else "Adapter"):
            return max(found, key=iteration_of)
    return None
