"""The errors of a request to a cluster. The module imports no client, so all commands can load it.

The messages name the object and the remedy, because a user sees only the message.
"""

from __future__ import annotations

import json
from typing import Any


class ClusterError(ValueError):
    """The cluster cannot be used as requested; the message names the remedy."""


class NotFoundError(ClusterError):
    """The object does not exist."""


class ForbiddenError(ClusterError):
    """The user has no right to the request."""


class AlreadyExistsError(ClusterError):
    """An object with this name exists."""


class ClusterUnreachableError(RuntimeError):
    """The API server does not answer, or cannot serve now; a later request may succeed."""


def rejection(status: int, body: str, subject: str) -> ClusterError | ClusterUnreachableError:
    """Return the error for an answer of the API server that is not a success.

    `subject` names the object of the request, such as `run quickstart in namespace team-a`.
    """
    answer = _status_object(body)
    message = str((answer or {}).get("message") or f"HTTP status {status}").partition("\n")[0]
    if status == 404 and answer is None:
        # The server answers without a Status object if it does not know the path.
        return ClusterError(
            f"{subject}: the cluster has no SelfAlignmentRun; install the operator's chart, or "
            "choose another cluster with --context"
        )
    if status == 404:
        return NotFoundError(
            f"{subject}: not found; `kubectl get selfalignmentruns --all-namespaces` lists all runs"
        )
    if status == 429 or status >= 500:
        return ClusterUnreachableError(
            f"{subject}: the API server cannot serve now: {message}; run the same command again "
            "later"
        )
    return _refusal(status, answer or {}, message, subject)


def _refusal(status: int, answer: dict[str, Any], message: str, subject: str) -> ClusterError:
    if status == 401:
        return ClusterError(
            f"{subject}: the API server does not accept the credentials; renew those in the "
            "kubeconfig"
        )
    if status == 403:
        return ForbiddenError(
            f"{subject}: forbidden: {message}; ask an administrator of the cluster for this right"
        )
    if status == 409:
        if answer.get("reason") == "AlreadyExists":
            return AlreadyExistsError(f"{subject}: exists already; choose another name")
        return ClusterError(
            f"{subject}: somebody has changed it at the same time: {message}; run the same command "
            "again"
        )
    return ClusterError(f"{subject}: the API server rejected the request: {message}")


def _status_object(body: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
