"""The harness itself: its kubelet with the real Job controller, its proxy, its kstatus.

The tests under tests/node run Jobs on a real kubelet. These tests check that Jobs behave
in the same way with the kubelet of the harness.
"""

from __future__ import annotations

import copy
import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from isheep.contract.order import Outcome, parse_result
from isheep.kube.job_building.jobs import Installation, Owner, job_document
from isheep.planner.pinning import Resolved
from isheep.planner.plan import plan
from isheep.planner.types import Environment, Observed, Start

from ..unit.isheep.planner.simulation import SPEC, make_run, spec_with
from .harness.cluster import Cluster
from .harness.concurrent_tests import namespace_of
from .harness.invariants import conditions_of
from .harness.kstatus import CURRENT, FAILED, IN_PROGRESS, TERMINATING, kstatus
from .harness.pod_behaviour import (
    Disrupted,
    Exit,
    ExitWithText,
    Hang,
    IgnoreSigterm,
    OutOfMemory,
    PodBehaviour,
    StayWaiting,
    Work,
)
from .harness.proxy import Proxy, Recorded
from .harness.waiting import until


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process has all tests")
def test_one_process_has_all_tests_of_the_control_plane(request: pytest.FixtureRequest) -> None:
    """Without the group, each process would start a control plane, which is slow but no error."""
    assert request.node.nodeid.endswith("@control_plane")


class JobNamespace:
    """A namespace with a run but no operator; the test creates the Jobs."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        cluster.open_namespace(namespace)
        self.uids = {"run": self.create_run("run")}

    def create_run(self, name: str) -> str:
        """Create a run, and return its UID."""
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": name},
            "spec": SPEC,
        }
        path = f"/apis/isheep.dev/v1alpha1/namespaces/{self.namespace}/selfalignmentruns"
        return str(self.cluster.server.must("POST", path, document)["metadata"]["uid"])

    def job(self, behaviour: PodBehaviour | None = None, parallelism: int = 1) -> str:
        """Create a Job for prepare, as the operator does, and return its name."""
        if behaviour is not None:
            self.cluster.kubelet.workers(self.namespace).set_behaviour("prepare", behaviour)
        created = self.cluster.server.must("POST", self.path, self.document("run", parallelism))
        return str(created["metadata"]["name"])

    def document(self, name: str, parallelism: int) -> dict[str, Any]:
        """Return the Job of a run for prepare."""
        if name not in self.uids:
            self.uids[name] = self.create_run(name)
        uid = self.uids[name]
        # The kubelet's expansion must not change a dollar in the order.
        spec = spec_with(storage={"s3": {"bucket": "bucket"}}, randomSeed=7)
        run = replace(make_run(spec), name=name, namespace=self.namespace, uid=uid)
        planned = plan(run, Observed(), datetime.now(UTC), Environment(worker_image="image"))
        (start,) = [action for action in planned.actions if isinstance(action, Start)]
        start = replace(start, parallelism=parallelism)
        resolved = Resolved.model_validate(planned.status.resolved)
        owner = Owner(name, uid, {})
        chart = Installation("image", "IfNotPresent", None, {})
        return job_document(start, owner, resolved, chart)

    @property
    def path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def until_finished(self, name: str, condition: str) -> dict[str, Any]:
        """Wait until a Job has a condition, and return the Job."""

        def finished() -> dict[str, Any] | None:
            job: dict[str, Any] = self.cluster.server.get(f"{self.path}/{name}")
            found = conditions_of(job)
            return job if condition in found else None

        return until(finished, otherwise=lambda: str([self.pods(), self.cluster.kubelet.errors]))

    def pods(self) -> list[dict[str, Any]]:
        found = self.cluster.server.get(f"/api/v1/namespaces/{self.namespace}/pods")
        return sorted(found["items"], key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def ends(self) -> list[dict[str, Any]]:
        """Return the terminated states of the pods' containers."""
        states = [
            pod["status"]["containerStatuses"][0]["state"]
            for pod in self.pods()
            if pod["status"].get("containerStatuses")
        ]
        return [state["terminated"] for state in states if "terminated" in state]


@pytest.fixture
def jobs(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[JobNamespace]:
    created = JobNamespace(cluster, namespace_of(request.node))
    try:
        yield created
    finally:
        cluster.close_namespace(created.namespace)


def test_a_pod_executes_its_order_and_reports_the_result(jobs: JobNamespace) -> None:
    jobs.until_finished(jobs.job(), "Complete")
    (end,) = jobs.ends()
    result = parse_result(end["message"])
    assert result is not None
    assert (result.outcome, end["exitCode"], end["reason"]) == (Outcome.COMMITTED, 0, "Completed")
    assert result.prepared is not None
    (pod,) = jobs.pods()
    assert conditions_of(pod)["Ready"]["reason"] == "PodCompleted"
    assert pod["status"]["podIP"].startswith("127.")


@pytest.mark.parametrize("code", [64, 70, 80])
def test_a_final_exit_code_ends_a_job_after_one_pod(jobs: JobNamespace, code: int) -> None:
    job = jobs.until_finished(jobs.job(Exit(code)), "Failed")
    assert len(jobs.ends()) == 1
    assert conditions_of(job)["Failed"]["reason"] in ("PodFailurePolicy", "FailedIndexes")


def test_the_end_of_a_log_is_not_parsed_as_a_result(jobs: JobNamespace) -> None:
    jobs.until_finished(jobs.job(ExitWithText(70, "Traceback: boom")), "Failed")
    (end,) = jobs.ends()
    assert parse_result(end["message"]) is None


def test_disrupted_pods_are_replaced_and_not_counted(jobs: JobNamespace) -> None:
    workers = jobs.cluster.kubelet.workers(jobs.namespace)
    workers.set_behaviour("prepare", Disrupted(), ExitWithText(143), OutOfMemory(), Work())
    job = jobs.until_finished(jobs.job(parallelism=3), "Complete")
    codes = [end["exitCode"] for end in jobs.ends()]
    assert sorted(codes) == [0, 0, 0, 137, 143, 143]
    assert job["status"]["succeeded"] == 3


def test_a_deleted_pod_is_stopped_and_then_removed(jobs: JobNamespace) -> None:
    for behaviour in (Hang(), IgnoreSigterm()):
        name = jobs.job(behaviour)
        until(lambda: [p for p in jobs.pods() if p["status"]["phase"] == "Running"])
        options = {"propagationPolicy": "Foreground"}
        jobs.cluster.server.must("DELETE", f"{jobs.path}/{name}", options)
        until(lambda: not jobs.pods())
        path = f"{jobs.path}/{name}"
        until(lambda path=path: jobs.cluster.server.request("GET", path).status == 404)


def test_a_waiting_pod_continues_when_the_cause_is_fixed(jobs: JobNamespace) -> None:
    name = jobs.job(StayWaiting("CreateContainerConfigError", 'secret "s3" not found'))
    until(lambda: [p for p in jobs.pods() if p["status"].get("containerStatuses")])
    (pod,) = jobs.pods()
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}
    jobs.cluster.kubelet.workers(jobs.namespace).let_work("prepare")
    jobs.until_finished(name, "Complete")


def test_kstatus_computes_the_states_of_its_documentation() -> None:
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


# The proxy keeps the processes of an operator apart.

DELAY_SECONDS = 1.0


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    created = Proxy(cluster.server, cluster.server.token, cluster.background)
    created.start()
    try:
        yield created
    finally:
        created.stop()


def send(kubeconfig: dict[str, Any], namespace: str, name: str) -> http.client.HTTPConnection:
    """Send the creation of a ConfigMap, and return the connection without the response."""
    address = urlsplit(kubeconfig["clusters"][0]["cluster"]["server"]).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = json.dumps({"metadata": {"name": name}})
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    return connection


def test_a_late_request_of_a_killed_process_does_not_count_for_the_next_process(
    jobs: JobNamespace, proxy: Proxy
) -> None:
    first = proxy.connect()
    proxy.delay(DELAY_SECONDS)
    killed = send(first, jobs.namespace, "late")
    until(lambda: proxy.requests)
    killed.close()

    calls: list[Recorded] = []
    proxy.on_write_of_next_process(calls.append)
    second = proxy.connect()
    rejection = proxy.reject("POST", "/configmaps", 503, times=1)
    assert second != first, "each process has its own port"
    (late,) = proxy.all_requests()
    until(lambda: late.status)
    assert late.status == 201, "the network still delivers the request"
    assert proxy.requests == proxy.writes() == calls == []
    assert rejection.times == 1

    assert send(second, jobs.namespace, "rejected").getresponse().status == 503
    assert send(second, jobs.namespace, "created").getresponse().status == 201
    until(lambda: calls)
    assert [call.generation for call in calls] == [2]
    assert [write.status for write in proxy.writes()] == [503, 201]


def test_a_hook_is_called_for_one_process_only(jobs: JobNamespace, proxy: Proxy) -> None:
    calls: list[Recorded] = []
    proxy.on_write_of_next_process(calls.append, early=True)
    for name in ("first", "second"):
        assert send(proxy.connect(), jobs.namespace, name).getresponse().status == 201
    assert [call.generation for call in calls] == [1]


def test_a_process_that_starts_during_an_outage_connects_after_it(
    jobs: JobNamespace, proxy: Proxy
) -> None:
    with proxy.outage():
        kubeconfig = proxy.connect()
        with pytest.raises(ConnectionRefusedError):
            send(kubeconfig, jobs.namespace, "refused")
    assert send(kubeconfig, jobs.namespace, "created").getresponse().status == 201
