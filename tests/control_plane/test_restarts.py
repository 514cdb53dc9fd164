"""Kills, restarts and upgrades of the operator: no run is affected."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.concurrent_tests import OperatorFactory, takes_long
from .harness.operator_process import SHORT_WAITS, UPGRADE
from .harness.pod_behaviour import Hold
from .harness.proxy import Recorded
from .harness.runs import Run
from .harness.waiting import until

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


def outcome(status: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a status that must not depend on disturbances."""
    return {
        "phase": status["phase"],
        "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status["conditions"]),
        "stages": [(s["id"], s["key"], s["committed"], s["attempts"]) for s in status["stages"]],
        "history": [{k: v for k, v in h.items() if k != "gpuSeconds"} for h in status["history"]],
        "uris": [status[name].rpartition("/stages/")[2] for name in ("modelUri", "reportUri")],
    }


@takes_long
@pytest.mark.parametrize(
    "writes_of_processes",
    [pytest.param((1,), marks=pytest.mark.long, id="each"), pytest.param((2, 3, 1, 4), id="some")],
)
def test_an_operator_that_is_killed_after_its_writes_reaches_the_same_end(
    operators: OperatorFactory, writes_of_processes: tuple[int, ...]
) -> None:
    """Kill each process after some writes, every second one before its last response.

    `make test` has few processes, because each one takes seconds to start. Its simulation ends the
    operator at any write.
    """
    expected = outcome_without_disturbance(operators)
    environment, namespace = operators()
    namespace.create(FROM_TRAIN)
    killed: list[str] = []

    def run_one_process(writes: int, *, early: bool) -> None:
        left = [writes]

        def count(request: Recorded) -> None:
            left[0] -= 1
            if left[0] == 0:
                killed.append(str(request))
                environment.operator.kill()

        environment.proxy.on_write_of_next_process(count, early=early)
        environment.operator.start(wait=False)
        namespace.until(lambda: not environment.operator.is_alive() or is_over())

    def is_over() -> bool:
        return namespace.phase() == "Succeeded" and not namespace.jobs()

    for number, writes in enumerate(itertools.cycle(writes_of_processes), start=1):
        run_one_process(writes, early=number % 2 == 0)
        if environment.operator.is_alive():
            break
        assert len(killed) == number, f"process {number} ended without a kill"
        assert number < 100, "\n".join(killed)
    # Each Job is at least one write. A process can write once more before the kill ends it.
    assert len(killed) >= len(ORDER) // max(writes_of_processes), "\n".join(killed)
    assert outcome(namespace.status()) == expected
    assert namespace.started() == ORDER


def outcome_without_disturbance(operators: OperatorFactory) -> dict[str, Any]:
    """Return the outcome of a run of an operator that no test disturbs."""
    environment, namespace = operators()
    environment.start()
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    namespace.until(lambda: not namespace.jobs())
    return outcome(namespace.status())


def test_an_upgrade_retrains_nothing(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold(), run="running")
    namespace.create(FROM_TRAIN.named("finished"))
    namespace.until_phase("Succeeded", "finished")
    namespace.create(FROM_TRAIN.named("running").spec(randomSeed=1))
    namespace.until_running("i1/train", "running")
    namespace.until_quiet()
    assert environment.operator.stop() == 0
    before = namespace.run("finished")["metadata"]["resourceVersion"]

    environment.operator.patches = {**UPGRADE, **SHORT_WAITS}
    environment.operator.config["workerImage"] = "isheep-worker@sha256:" + "1" * 64
    environment.operator.start()
    namespace.workers.let_work("train", run="running")
    namespace.until_phase("Succeeded", "running")
    assert namespace.started("running") == ORDER
    assert namespace.started("finished") == ORDER
    assert namespace.run("finished")["metadata"]["resourceVersion"] == before
    images = {image_of(job)[-1] for job in namespace.jobs_created("running")}
    assert images == {"0"}, "the run keeps the image of its stage versions"

    # After an edit, only the stages whose keys change run again; the store has the result.
    namespace.edit("finished", training={"numTrainEpochs": 3})
    namespace.until_phase("Succeeded", "finished")
    assert namespace.started("finished") == [*ORDER, *ORDER]
    assert namespace.workers.committed[namespace.keys["i1/train"]] == 1

    # Only a new run uses the new versions.
    namespace.create(FROM_TRAIN.named("new").spec(randomSeed=2))
    namespace.until_phase("Succeeded", "new")
    old = namespace.status("running")["resolved"]["stageVersions"]["train"]
    assert namespace.status("new")["resolved"]["stageVersions"]["train"] == old + 1
    assert len(namespace.started("new")) == 9, "the new run adopts no result of another version"
    assert {image_of(job)[-1] for job in namespace.jobs_created("new")} == {"1"}


def test_a_restarted_operator_waits_for_the_job_of_a_deleted_run(
    operators: OperatorFactory,
) -> None:
    """The run is deleted while no operator runs, and a finalizer delays the deletion of its Job."""
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold(), run="older")
    namespace.create(FROM_TRAIN.named("older"))
    job = namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    environment.operator.kill()
    path = namespace.jobs_path(job["metadata"]["name"])
    hold = {"metadata": {"finalizers": ["isheep.test/hold"]}}
    namespace.api.must("PATCH", path, hold, content_type=MERGE_PATCH)
    namespace.delete("older")
    environment.operator.start()
    namespace.until_quiet()
    assert namespace.reason("younger") == "WaitingForPeer"
    assert "older" in namespace.message("younger")
    release = {"metadata": {"finalizers": None}}
    namespace.api.must("PATCH", path, release, content_type=MERGE_PATCH)
    namespace.until_phase("Succeeded", "younger")


def test_the_operator_waits_at_its_start_for_the_api_server(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    namespace.create(FROM_TRAIN)
    with environment.proxy.outage():
        environment.operator.start(wait=False)
        until(
            lambda: environment.operator.page_status("/healthz") == 200,
            otherwise=environment.operator.tail,
        )
        assert environment.operator.page_status("/readyz") == 503
    namespace.until_phase("Succeeded")
    assert environment.operator.is_ready()


def image_of(job: dict[str, Any]) -> str:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return str(container["image"])
