"""The GPU time of a run against a real API server, Job controller and scheduler.

The test measures no speed: it compares the charged seconds with the times that the API server and
its own clock have recorded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .harness.concurrent_tests import OperatorFactory
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, Hang, Work
from .harness.runs import Run

GPU = "nvidia.com/gpu"
LIMITS = {"resources": {"limits": {GPU: 2}}}
RUN = Run().skip_to("i1/train").spec(compute={"training": LIMITS})
ROUNDING = 2.0
"""Kubernetes stores whole seconds, at the start and at the end of a pod."""


def now() -> float:
    return datetime.now(UTC).timestamp()


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def charged(namespace: NamespaceFixture) -> float:
    """Return the charged seconds of one GPU; each pod has two."""
    found: float = namespace.status().get("gpu", {}).get("seconds", {}).get(GPU, 0)
    return found / 2


def is_open(namespace: NamespaceFixture) -> bool:
    attempts = namespace.status().get("gpu", {}).get("attempts", [])
    return any(not attempt["ended"] for attempt in attempts)


def training_pods(namespace: NamespaceFixture, phase: str) -> list[dict[str, Any]]:
    return [
        pod
        for pod in namespace.pods()
        if GPU in pod["spec"]["containers"][0]["resources"].get("limits", {})
        and pod["status"].get("phase") == phase
    ]


def test_failed_suspended_and_removed_attempts_are_charged_through_a_restart(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Exit(1, seconds=3.0), Hang(), Hang(), Work())
    namespace.create(RUN)
    (failed,) = namespace.until(lambda: training_pods(namespace, "Failed"))
    (running,) = namespace.until(lambda: training_pods(namespace, "Running"))
    environment.operator.kill()
    environment.operator.start()
    end = failed["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    lost = seconds_of(end) - seconds_of(failed["status"]["startTime"])
    began = seconds_of(running["status"]["startTime"])
    namespace.until_quiet()

    asked = now()
    namespace.edit(suspend=True)
    namespace.until(lambda: not namespace.jobs() and not is_open(namespace))
    gone = now()
    stopped = charged(namespace)
    assert lost + (asked - began) - ROUNDING <= stopped <= lost + (gone - began) + ROUNDING

    namespace.edit(suspend=False)
    (running,) = namespace.until(lambda: training_pods(namespace, "Running"))
    began = seconds_of(running["status"]["startTime"])
    namespace.until(lambda: now() - began >= 2 * ROUNDING)
    (job,) = namespace.jobs(finished=False)
    deleted = now()
    # The Job is gone at once, and its pod ends later.
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Succeeded")
    status = namespace.status()
    assert charged(namespace) >= stopped + (deleted - began) - ROUNDING
    (iteration,) = status["history"]
    (train,) = (stage for stage in status["stages"] if stage["id"] == "i1/train")
    assert iteration["gpuSeconds"] == train["gpuSeconds"] == status["gpu"]["seconds"][GPU]
    assert not is_open(namespace)
