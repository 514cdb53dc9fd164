"""The chart's admission policies on a real API server: creation, and the wait for the effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
WAIT_SECONDS = 180
NAMES = {"lists": "", "listed": "-listed", "status": "-status", "judge": "-judge", "size": "-size"}
"""How the names of the policies end: of mode Open and Listed, for status, judges, and the size."""


def policy_objects(rendered: Any, policy: str) -> list[dict[str, Any]]:
    """Return one of the chart's policies and its bindings."""
    found = rendered.all(*PLURALS)
    others = [end for name, end in NAMES.items() if name != "lists"]
    if policy == "lists":
        return [i for i in found if not any(_policy(i).endswith(end) for end in others)]
    return [i for i in found if _policy(i).endswith(NAMES[policy])]


def _policy(item: dict[str, Any]) -> str:
    return str(item["spec"].get("policyName", item["metadata"]["name"]))


@contextmanager
def created(objects: Iterable[dict[str, Any]], server: Any) -> Iterator[None]:
    """Create policies and bindings, and delete them at the end."""
    items = sorted(objects, key=lambda item: list(PLURALS).index(item["kind"]))
    try:
        for item in items:
            answer = server.request("POST", f"{_path(item)}?fieldValidation=Strict", item)
            assert answer.status == 201, answer.message
        yield
    finally:
        for item in reversed(items):
            server.request("DELETE", f"{_path(item)}/{item['metadata']['name']}")


def wait_for_status(status: int, attempt: Callable[[], Any]) -> Any:
    """Repeat a request until the API server answers with a status, and return the answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (answer := attempt()).status != status:
        assert time.monotonic() < deadline, f"{answer.status}: {answer.message}"
        time.sleep(0.1)
    return answer


def _path(item: dict[str, Any]) -> str:
    return f"/apis/admissionregistration.k8s.io/v1/{PLURALS[item['kind']]}"
