"""What invariants and themes read in the documents of runs and pods."""

from __future__ import annotations

import json
from functools import lru_cache

from isheep.recipes.stage_kinds import StageKind, kind_of

from .api_server import Change, Json

INDEX = "batch.kubernetes.io/job-completion-index"
HISTORY_LOST = ("410", "'compact'", "'silence'")
"""The faults after which a watch has lost events, as the log of faults names them."""
MEASURING = ("evaluate", "score", "judge", "verdict")


def loses_history(fault: str) -> bool:
    """Return whether a watch has lost events after a fault of the log."""
    return any(word in fault for word in HISTORY_LOST)


def measures(stage: str) -> bool:
    """Return whether a stage measures a model, which happens while the next iteration goes on."""
    return any(part in MEASURING for part in stage.split("/"))


def reads_measurements(stage: str) -> bool:
    """Return whether a stage reads all measurements, so that it is made again after one of them.

    A measurement is made again if it has failed finally, and somebody retries or edits the run.
    """
    return kind_of(stage) in (StageKind.VERDICT, StageKind.REPORT)


def is_prepared(run: Json) -> bool:
    """Return whether the status of a run has the result of its stage prepare."""
    return "prepared" in ((run.get("status") or {}).get("resolved") or {})


def charged_seconds(run: Json) -> float:
    """Return the GPU seconds in the status of a run, of all resources."""
    gpu = (run.get("status") or {}).get("gpu") or {}
    return sum((gpu.get("seconds") or {}).values())


def reported_steps(pod: Json) -> frozenset[tuple[str, str]]:
    """Return the stages in the result of a pod that has ended, as ids and keys."""
    for container in pod["status"].get("containerStatuses") or ():
        message = (container["state"].get("terminated") or {}).get("message")
        if message and message.startswith("{"):
            return _parsed(message)
    return frozenset()


@lru_cache(maxsize=1000)
def _parsed(message: str) -> frozenset[tuple[str, str]]:
    return frozenset((one["id"], one["key"]) for one in json.loads(message).get("steps") or ())


def index_of(pod: Json) -> str:
    """Return the completion index of a pod."""
    return str(pod["metadata"]["annotations"][INDEX])


def has_gpu(pod: Json) -> bool:
    """Return whether a pod asks for a GPU."""
    resources = (container.get("resources") or {} for container in pod["spec"]["containers"])
    return any("nvidia.com/gpu" in (one.get("limits") or {}) for one in resources)


def ends_pod(change: Change) -> bool:
    """Return whether a pod has ended or is gone after a change."""
    phase = change.document["status"].get("phase")
    return change.kind == "DELETED" or phase in ("Succeeded", "Failed")
