"""The pod failure policy: what Kubernetes does when a pod of a Job fails. Pure.

Disruptions and requested stops do not count. Bad input, defects and exhausted device memory fail
the Job at once, because another pod would fail in the same way. Any other failure is retried up to
three times for each index.

Pods that train together cannot continue without one of them, so any failure fails their Job; the
planner then starts the next attempt from the last checkpoint.
"""

from __future__ import annotations

from isheep.contract.exit_codes import ExitCode
from isheep.contract.labels import CONTAINER
from isheep.kube.owners import Document

RETRIES_PER_INDEX = 3
FINAL_CODES = (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY)
"""The exit codes that fail a Job at once."""


def failure_fields(*, trains_together: bool) -> Document:
    """Return the fields of a Job's spec that decide about failed pods."""
    if trains_together:
        return {"backoffLimit": 0}
    return {
        "backoffLimitPerIndex": RETRIES_PER_INDEX,
        "maxFailedIndexes": 0,
        "podFailurePolicy": {"rules": _rules()},
    }


def _rules() -> list[Document]:
    # Kubernetes applies the first rule that matches, so a disruption counts before its exit code.
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        _on_codes("FailJob", *FINAL_CODES),
        _on_codes("Ignore", ExitCode.STOPPED),
    ]


def _on_codes(action: str, *codes: ExitCode) -> Document:
    values = sorted(int(code) for code in codes)
    requirement = {"containerName": CONTAINER, "operator": "In", "values": values}
    return {"action": action, "onExitCodes": requirement}
