"""The message about a failure is that of the pod that it names (docs/reference/stuck-runs.md).

A worker that fails says why in its termination message. One that says nothing has an exit code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..api_server import PODS, RUNS, Json
from ..history import History
from .job_states import exit_code


def violations(history: History) -> list[str]:
    """Return the failures whose message is not that of their pod."""
    return list(_wrong(history))


def _wrong(history: History) -> Iterator[str]:
    pods: dict[str, Json] = {}
    known: dict[str, Json] = {}
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == PODS:
            pods[metadata["name"]] = change.document
        if change.resource != RUNS:
            continue
        failure = (change.document.get("status") or {}).get("lastFailure") or {}
        pod = pods.get(failure.get("pod", ""))
        if pod is None or failure == known.get(metadata["uid"]):
            continue
        known[metadata["uid"]] = failure
        said = _said(pod)
        if said is not None and said not in failure["message"]:
            yield f"version {change.version} explains the end of {failure['pod']} with another text"


def _said(pod: Json) -> str | None:
    """Return what the message about a pod contains; None if its worker has not failed."""
    code = exit_code(pod)
    if not code:
        return None
    for container in pod["status"].get("containerStatuses") or ():
        text = container["state"]["terminated"].get("message")
        if text:
            return str(json.loads(text).get("message"))
    return f"exit code {code}"
