"""Why an API server refuses to create a Job, and the reason that a run must then have.

The answers have the form of a real API server, from which `tests/control_plane/test_conflicts.py`
gets them. The reasons are those of docs/reference/conditions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from isheep.contract.reasons import Reason

from .api_server import Answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the API server, and the reason of a run whose Job it refuses."""

    status: int
    message: str
    reason: Reason
    cause: str = ""

    def answer(self) -> Answer:
        """Return the answer."""
        details = {"causes": [{"reason": self.cause}]} if self.cause else {}
        body = {"reason": "Forbidden", "message": self.message, "details": details}
        return Answer(self.status, body)


TIMEOUT = Refusal(504, "Timeout: request did not complete", Reason.WEBHOOK_FAILED)
QUOTA = Refusal(403, "exceeded quota: q, requested: count/jobs=1", Reason.QUOTA_EXCEEDED)
REFUSALS = (
    QUOTA,
    Refusal(400, 'admission webhook "w" denied the request: no', Reason.JOB_FORBIDDEN),
    Refusal(403, 'jobs.batch "j" is forbidden: no', Reason.JOB_FORBIDDEN),
    Refusal(422, 'Job.batch "j" is invalid: spec: Forbidden', Reason.JOB_INVALID),
    Refusal(500, 'failed calling webhook "w": connection refused', Reason.WEBHOOK_FAILED),
    Refusal(404, 'namespaces "ns" not found', Reason.NAMESPACE_TERMINATING),
    Refusal(403, "unable to create", Reason.NAMESPACE_TERMINATING, cause="NamespaceTerminating"),
    TIMEOUT,
)
