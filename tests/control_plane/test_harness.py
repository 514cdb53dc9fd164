"""The harness itself: its kubelet under the real Job controller, its proxy, its kstatus.

What a pod's status looks like is held against a real kubelet by the tests under
tests/node; here it is shown that Jobs get on with it as they do with a real one.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from isheep.contract.order import Outcome, parse_result
from isheep.kube.jobs import Installation, Owner, job_document
from isheep.planner.pinning import Resolved
from isheep.planner.plan import plan
from isheep.planner.types import Environment, Observed, Start

from ..unit.isheep.planner.world import SPEC, make_run, spec_with
from .harness.behaviour import (
    Behaviour,
    Disrupted,
    Exit,
    Hang,
    Ignore,
    OutOfMemory,
    Say,
    Wait,
    Work,
)
from .harness.kstatus import CURRENT, FAILED, IN_PROGRESS, TERMINATING, kstatus
from .harness.laws import conditions_of
from .harness.plane import ControlPlane
from .harness.waiting import until


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process has all tests")
def test_one_process_has_all_tests_of_the_control_plane(request: pytest.FixtureRequest) -> None:
    """What breaks it is silent: each process starts a control plane, and all are slow."""
    assert request.node.nodeid.endswith("@control_plane")


class Place:
    """A namespace with one run that nobody operates, and Jobs made by hand."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        plane.open_namespace(namespace)
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": "run"},
            "spec": SPEC,
        }
        path = f"/apis/isheep.dev/v1alpha1/namespaces/{namespace}/selfalignmentruns"
        self.uid = plane.server.must("POST", path, document)["metadata"]["uid"]

    def job(self, behaviour: Behaviour | None = None, parallelism: int = 1) -> str:
        """Make a prepare Job, as the operator would, and return its name."""
        if behaviour is not None:
            self.plane.kubelet.workshop(self.namespace).tell("prepare", behaviour)
        # A dollar in the order must come through the kubelet's expansion.
        spec = spec_with(storage={"s3": {"bucket": "bucket"}}, randomSeed=7)
        run = replace(make_run(spec), namespace=self.namespace, uid=self.uid)
        made = plan(run, Observed(), datetime.now(UTC), Environment(worker_image="image"))
        (start,) = [action for action in made.actions if isinstance(action, Start)]
        start = replace(start, parallelism=parallelism)
        resolved = Resolved.model_validate(made.status.resolved)
        owner = Owner("run", self.uid, {})
        chart = Installation("image", "IfNotPresent", None, {})
        document = job_document(start, owner, resolved, chart)
        created = self.plane.server.must("POST", self.jobs, document)
        return str(created["metadata"]["name"])

    @property
    def jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def until_finished(self, name: str, condition: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = self.plane.server.get(f"{self.jobs}/{name}")
            found = conditions_of(job)
            return job if condition in found else None

        return until(look, otherwise=lambda: str([self.pods(), self.plane.kubelet.errors]))

    def pods(self) -> list[dict[str, Any]]:
        found = self.plane.server.get(f"/api/v1/namespaces/{self.namespace}/pods")
        return sorted(found["items"], key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def ends(self) -> list[dict[str, Any]]:
        """Return how the containers of the pods ended."""
        states = [
            pod["status"]["containerStatuses"][0]["state"]
            for pod in self.pods()
            if pod["status"].get("containerStatuses")
        ]
        return [state["terminated"] for state in states if "terminated" in state]


@pytest.fixture
def place(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[Place]:
    made = Place(control_plane, f"harness-{abs(hash(request.node.name)) % 10**8}")
    try:
        yield made
    finally:
        control_plane.close_namespace(made.namespace)


def test_a_pod_carries_out_its_order_and_leaves_the_result(place: Place) -> None:
    place.until_finished(place.job(), "Complete")
    (end,) = place.ends()
    result = parse_result(end["message"])
    assert result is not None
    assert (result.outcome, end["exitCode"], end["reason"]) == (Outcome.COMMITTED, 0, "Completed")
    assert result.prepared is not None
    (pod,) = place.pods()
    assert conditions_of(pod)["Ready"]["reason"] == "PodCompleted"
    assert pod["status"]["podIP"].startswith("127.")


@pytest.mark.parametrize("code", [64, 70, 80])
def test_final_codes_end_a_job_at_once(place: Place, code: int) -> None:
    job = place.until_finished(place.job(Exit(code)), "Failed")
    assert len(place.ends()) == 1
    assert conditions_of(job)["Failed"]["reason"] in ("PodFailurePolicy", "FailedIndexes")


def test_a_log_tail_is_no_result(place: Place) -> None:
    place.until_finished(place.job(Say(70, "Traceback: boom")), "Failed")
    (end,) = place.ends()
    assert parse_result(end["message"]) is None


def test_what_is_ended_from_outside_is_replaced_and_not_counted(place: Place) -> None:
    workshop = place.plane.kubelet.workshop(place.namespace)
    workshop.tell("prepare", Disrupted(), Say(143), OutOfMemory(), Work())
    job = place.until_finished(place.job(parallelism=3), "Complete")
    codes = [end["exitCode"] for end in place.ends()]
    assert sorted(codes) == [0, 0, 0, 137, 143, 143]
    assert job["status"]["succeeded"] == 3


def test_a_deleted_pod_is_stopped_and_then_gone(place: Place) -> None:
    for behaviour in (Hang(), Ignore()):
        name = place.job(behaviour)
        until(lambda: [p for p in place.pods() if p["status"]["phase"] == "Running"])
        options = {"propagationPolicy": "Foreground"}
        place.plane.server.must("DELETE", f"{place.jobs}/{name}", options)
        until(lambda: not place.pods())
        path = f"{place.jobs}/{name}"
        until(lambda path=path: place.plane.server.request("GET", path).status == 404)


def test_a_waiting_pod_goes_on_when_what_it_waits_for_is_there(place: Place) -> None:
    name = place.job(Wait("CreateContainerConfigError", 'secret "s3" not found'))
    until(lambda: [p for p in place.pods() if p["status"].get("containerStatuses")])
    (pod,) = place.pods()
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}
    place.plane.kubelet.workshop(place.namespace).mend("prepare")
    place.until_finished(name, "Complete")


def test_kstatus_reads_objects_as_its_documentation_says() -> None:
    def run(generation: int = 1, observed: int | None = 1, **conditions: str) -> dict[str, Any]:
        listed = [{"type": t, "status": s} for t, s in conditions.items()]
        status: dict[str, Any] = {"conditions": listed}
        if observed is not None:
            status["observedGeneration"] = observed
        return {"metadata": {"generation": generation}, "status": status}

    assert kstatus(run(observed=-1)) == IN_PROGRESS
    assert kstatus(run(2, 1, Ready="True")) == IN_PROGRESS
    assert kstatus(run(Ready="True")) == CURRENT
    assert kstatus(run(Ready="False")) == IN_PROGRESS
    assert kstatus(run(Ready="False", Reconciling="True")) == IN_PROGRESS
    assert kstatus(run(Ready="False", Stalled="True")) == FAILED
    assert kstatus(run(observed=None)) == CURRENT
    deleted = copy.deepcopy(run(Ready="True"))
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert kstatus(deleted) == TERMINATING
