"""The ends of pods and their effects on a run.

Some of these tests take more than a minute, because the Job controller waits 10, 20 and 40
seconds before it replaces a failed pod.
"""

from __future__ import annotations

from .harness.concurrent_tests import takes_long
from .harness.invariants import conditions_of, steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import (
    Disrupted,
    Exit,
    ExitWithText,
    Hang,
    OutOfMemory,
    Work,
    WorkBesideFailure,
    WorkBesideSidecar,
)
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
FAILING_JOB_SECONDS = 300.0
"""A Job whose pods all fail lasts 70 seconds or more."""


def record(namespace: NamespaceFixture, stage: str) -> dict[str, object]:
    return next(s for s in namespace.status()["stages"] if s["id"] == stage)


@takes_long
def test_an_unreachable_store_stalls_the_run_after_all_retries_of_the_job(
    namespace: NamespaceFixture,
) -> None:
    failure = Exit(69, reason="StoreUnreachable", message="the bucket does not answer")
    namespace.workers.set_behaviour("train", failure, failure, failure, failure, Work())
    namespace.create(FROM_TRAIN)
    ready = conditions_of(namespace.until_phase_seen("Stalled", timeout=FAILING_JOB_SECONDS))[
        "Ready"
    ]
    assert ready["reason"] == "StoreUnreachable"
    assert "the bucket does not answer" in ready["message"]
    # The run continues without a user when the bucket is reachable again.
    namespace.until_phase("Succeeded")
    assert namespace.started().count("i1/train") == 2
    assert record(namespace, "i1/train")["failures"] == 0


@takes_long
def test_the_status_names_a_pod_that_was_killed_at_its_memory_limit_and_the_stage_is_retried(
    namespace: NamespaceFixture,
) -> None:
    kill = OutOfMemory()
    namespace.workers.set_behaviour("train", kill, kill, kill, kill, Work())
    namespace.create(FROM_TRAIN)
    namespace.until(lambda: "lastFailure" in namespace.status(), FAILING_JOB_SECONDS)
    assert "OOMKilled" in namespace.status()["lastFailure"]["message"]
    namespace.until_phase("Succeeded")
    assert namespace.started().count("i1/train") == 2
    assert record(namespace, "i1/train")["failures"] == 1
    assert "Stalled" not in namespace.phases()


@takes_long
def test_a_run_fails_at_its_deadline(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN.spec(activeDeadlineSeconds=90))
    namespace.until_phase("Failed", timeout=FAILING_JOB_SECONDS)
    assert conditions_of(namespace.run())["Failed"]["reason"] == "DeadlineExceeded"
    namespace.until(lambda: not namespace.pods())
    # A retry continues after the last commit, with the whole deadline again.
    namespace.annotate(retry="1")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]


def test_disruptions_are_not_counted_as_failures(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Disrupted("PreemptionByScheduler"), Work())
    namespace.workers.set_behaviour("merge", ExitWithText(143), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    # The Job controller has replaced the pod; the operator has created no second Job.
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert record(namespace, "i1/train")["failures"] == 0


def test_the_job_controller_retries_a_failed_pod_and_the_status_shows_it_at_once(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Exit(74, "DiskFailed", "disk full"), Work())
    namespace.create(FROM_TRAIN)
    # The Job controller waits ten seconds before it replaces the pod.
    namespace.until_reason("Retrying")
    assert "disk full" in namespace.message()
    failure = namespace.status()["lastFailure"]
    assert (failure["stage"], failure["reason"]) == ("i1/train", "DiskFailed")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert record(namespace, "i1/train")["failures"] == 0


def test_a_credential_that_the_store_refuses_costs_one_pod_and_stalls_the_run(
    namespace: NamespaceFixture,
) -> None:
    refused = Exit(64, "StoreRefused", "the store does not know the access key")
    namespace.workers.set_behaviour("train", refused, refused, Work())
    namespace.create(FROM_TRAIN)
    stalled = conditions_of(namespace.until_phase_seen("Stalled"))["Stalled"]
    assert stalled["reason"] == "StoreRefused"
    assert "does not know the access key" in stalled["message"]
    train = [p for p in namespace.pods() if "-train-" in p["metadata"]["name"]]
    assert len(train) == 1
    # The next attempt meets the same cause, so the run has not left its state meanwhile.
    namespace.until_phase("Succeeded")
    assert namespace.started().count("i1/train") == 3
    phases = namespace.phases()
    assert phases.count("Stalled") == 1
    assert [reason for _, reason, _ in namespace.events()].count("StoreRefused") == 2


def test_the_status_shows_the_end_of_the_log_if_there_is_no_result(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour(
        "train", ExitWithText(70, "Traceback (most recent call last): boom")
    )
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    assert "boom" in namespace.message()
    assert "exit code 70" in namespace.message()
    assert namespace.status()["lastFailure"]["pod"].startswith("run-train-")


def test_a_container_beside_the_worker_does_not_keep_the_job(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", WorkBesideSidecar(), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_reason("SidecarRunning")
    assert "istio-proxy" in namespace.message()
    namespace.until_phase("Succeeded")
    # The result of the first attempt is used, and its pod does not go on.
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    namespace.until(lambda: not namespace.pods())
    assert [reason for _, reason, _ in namespace.events()].count("SidecarRunning") == 1


def test_a_container_that_fails_beside_the_worker_wastes_no_pod(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", WorkBesideFailure(), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    # The result of the only pod is used, although Kubernetes would start it three times again.
    assert "lastFailure" not in namespace.status()
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
    assert record(namespace, "i1/train")["failures"] == 0


def test_exit_code_0_without_a_result_counts_as_a_failure(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", ExitWithText(0, "bye"), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]
    assert record(namespace, "i1/train")["failures"] == 1


def test_a_job_that_a_user_deletes_is_created_again(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN)
    job = namespace.until_running("i1/train")
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Succeeded")
    jobs = [job for job in namespace.jobs_created() if steps_of(job)[0][0] == "i1/train"]
    assert len({job["metadata"]["uid"] for job in jobs}) == 2


def test_the_job_controller_replaces_a_pod_that_a_user_deletes(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN)
    job = namespace.until_running("i1/train")
    name = job["metadata"]["name"]
    (pod,) = [p for p in namespace.pods() if p["metadata"]["labels"]["job-name"] == name]
    namespace.api.must("DELETE", namespace.core("pods", pod["metadata"]["name"]))
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/merge", "i1/report"]
