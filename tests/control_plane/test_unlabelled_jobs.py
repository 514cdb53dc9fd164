"""Somebody removes the labels of a Job at work, so no watch and no LIST shows it to the operator.

The watch then reports the Job as deleted. The operator reads the Job, so no other Job starts beside
it: in the process that has seen the Job with its labels, and in one that starts later.
"""

from __future__ import annotations

from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.concurrent_tests import OperatorFactory
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS
from .harness.pod_behaviour import HoldAfter
from .harness.runs import Run

GPU = "nvidia.com/gpu"
ORDER = ["prepare", "i1/generate/r1", "i1/assess", "i1/select", "i1/train", "i1/merge", "i1/report"]


def walking_run(**pool: Any) -> Run:
    return Run().spec(compute={"inference": {"jobs": "PerRole", **pool}})


def until_the_walk_goes_on(namespace: NamespaceFixture) -> str:
    """Wait until the Job of generation has committed its first stage; return its name.

    From then on the name of the next Job is another one, so no conflict of names prevents it.
    """
    name: str = namespace.until_running("i1/generate/r1")["metadata"]["name"]

    def first_is_committed() -> bool:
        stages = {s["id"]: s for s in namespace.status().get("stages", [])}
        return bool(stages.get("i1/generate/r1", {}).get("committed"))

    namespace.until(first_is_committed)
    return name


def remove_labels(namespace: NamespaceFixture, name: str) -> None:
    """Replace all labels of a Job; an API server gives a Job without labels those of its pods."""
    labels = namespace.api.get(namespace.jobs_path(name))["metadata"]["labels"]
    removal = {"metadata": {"labels": {**dict.fromkeys(labels), "team": "x"}}}
    namespace.api.must("PATCH", namespace.jobs_path(name), removal, content_type=MERGE_PATCH)


def reads_of(namespace: NamespaceFixture, name: str) -> int:
    """Return how often operators have read a Job."""
    path = namespace.jobs_path(name)
    requests = namespace.proxy.all_requests()
    return sum(r.method == "GET" and r.path.partition("?")[0] == path for r in requests)


def started(namespace: NamespaceFixture) -> list[str]:
    """Return the first stage of each Job that was ever created, in order."""
    first: dict[str, str] = {}
    for version in namespace.cluster.observer.history(JOBS, namespace.name):
        first.setdefault(version.uid, steps_of(version.document)[0][0])
    return list(first.values())


def test_a_job_without_labels_is_read_until_it_ends(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(1))
    namespace.create(walking_run())
    name = until_the_walk_goes_on(namespace)
    remove_labels(namespace, name)
    # The second look comes after a pass that could have started the next Job.
    namespace.until(lambda: reads_of(namespace, name) >= 2)
    assert started(namespace) == ORDER[:2]
    assert namespace.phase() == "Running"
    namespace.workers.let_work("generate")
    namespace.until_phase("Succeeded")
    assert started(namespace) == ORDER
    assert all(times == 1 for times in namespace.workers.committed.values())
    # The operator deletes it as any other Job whose result is stored.
    namespace.until(lambda: namespace.api.request("GET", namespace.jobs_path(name)).status == 404)


@pytest.mark.parametrize("gpus", [1, 0], ids=["with-gpus", "without-gpus"])
def test_an_operator_that_starts_finds_a_job_without_labels(
    operators: OperatorFactory, gpus: int
) -> None:
    """The status names a Job that holds GPUs. Any other Job is found by its pods."""
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("generate", HoldAfter(1))
    namespace.create(walking_run(**({"resources": {"limits": {GPU: gpus}}} if gpus else {})))
    name = until_the_walk_goes_on(namespace)
    if gpus:
        namespace.until(lambda: namespace.status().get("gpu", {}).get("attempts"))
    environment.operator.kill()
    environment.operator.wait()
    remove_labels(namespace, name)
    before = reads_of(namespace, name)
    environment.operator.start()
    namespace.until(lambda: reads_of(namespace, name) >= before + 2)
    assert started(namespace) == ORDER[:2]
    namespace.workers.let_work("generate")
    namespace.until_phase("Succeeded")
    assert started(namespace) == ORDER
    assert all(times == 1 for times in namespace.workers.committed.values())
