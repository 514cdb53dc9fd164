"""What a person has asked of a run and its status does not answer yet."""

from __future__ import annotations

from ..api_server import Json

RETRY = "isheep.dev/retry"


def is_open(document: Json) -> dict[str, bool]:
    """Return whether the status lacks the newest spec, and the newest retry.

    A run that has succeeded has nothing to retry.
    """
    metadata, status = document["metadata"], document.get("status") or {}
    asked = (metadata.get("annotations") or {}).get(RETRY)
    over = status.get("phase") == "Succeeded"
    return {
        "generation": status.get("observedGeneration") != metadata["generation"],
        "retry": asked not in (None, status.get("lastHandledRetry")) and not over,
    }
