"""Shared work: several pods of one stage, several runs with the same stages, and a queue."""

from __future__ import annotations

from typing import Any

from .harness.api import MERGE_PATCH
from .harness.invariants import conditions_of, steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Disrupted, Exit, Hang, Hold, Work
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
MANY = (
    Run()
    .spec(instructions={"count": 192}, compute={"inference": {"parallelism": 3}})
    .skip_to("i1/respond")
)
"""192 pairs are three parts, one for each of three pods."""
NODES = FROM_TRAIN.spec(training={"numNodes": 2})
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


# Several pods share one stage.


def test_three_pods_share_a_stage_and_the_last_commits(namespace: NamespaceFixture) -> None:
    namespace.create(MANY)
    namespace.until_phase("Succeeded")
    job = namespace.until_job("i1/respond")
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    (container,) = spec["template"]["spec"]["containers"]
    assert {"name": "ISHEEP_WORKERS", "value": "3"} in container["env"]
    stages = {s["id"]: s for s in namespace.status()["stages"]}
    assert stages["i1/respond"]["counts"] == {"pairs": 192}
    assert namespace.started().count("i1/respond") == 1


def test_the_job_controller_replaces_one_disrupted_pod_of_three(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("respond", Disrupted(), Work())
    namespace.create(MANY)
    namespace.until_phase("Succeeded")
    assert namespace.started().count("i1/respond") == 1


def test_a_defect_in_one_pod_of_three_ends_the_job(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("respond", Exit(70, message="a bug"), Hold())
    namespace.create(MANY)
    namespace.until_phase("Failed")
    assert "a bug" in namespace.message()
    namespace.until(lambda: not namespace.cluster.kubelet.running(namespace.name))


# Several nodes train together.


def services(namespace: NamespaceFixture) -> list[dict[str, Any]]:
    return list(namespace.api.get(namespace.core("services"))["items"])


def test_the_service_of_the_training_nodes_exists_as_long_as_the_run(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(NODES)
    namespace.until_phase("Succeeded")
    spec = namespace.until_job("i1/train")["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (2, 2, 0)
    (service,) = services(namespace)
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert namespace.started().count("i1/train") == 1
    namespace.delete()
    namespace.until(lambda: not services(namespace))


def test_the_failure_of_one_node_ends_the_attempt_of_all_nodes(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(137), Hang(), Work())
    namespace.create(NODES)
    namespace.until(lambda: "lastFailure" in namespace.status())
    namespace.until_phase("Succeeded")
    # The Job controller has replaced no pod; a second Job has started both nodes.
    assert namespace.started().count("i1/train") == 2
    assert len(services(namespace)) == 1
    stages = {s["id"]: s for s in namespace.status()["stages"]}
    assert stages["i1/train"]["failures"] == 1


# Several runs have the same stages.


def test_the_younger_of_two_runs_waits_for_the_older_and_adopts_its_result(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    assert namespace.phase("younger") == "Running"
    assert "older" in namespace.message("younger")
    namespace.workers.let_work("train")
    for name in ("older", "younger"):
        namespace.until_phase("Succeeded", name)
    assert namespace.workers.committed[namespace.keys["i1/train"]] == 1
    assert namespace.workers.adopted[namespace.keys["i1/train"]] <= 1


def test_a_stage_that_many_runs_share_runs_once(namespace: NamespaceFixture) -> None:
    names = [f"run-{n}" for n in range(5)]
    for name in names:
        namespace.create(FROM_TRAIN.named(name))
    for name in names:
        namespace.until_phase("Succeeded", name)
    for stage in ("i1/train", "i1/merge"):
        assert namespace.workers.committed[namespace.keys[stage]] == 1


def test_the_younger_run_continues_if_the_older_one_fails(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold(), run="older")
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    job = namespace.until_running("i1/train", "older")
    namespace.workers.set_behaviour("train", Exit(70), run="older")
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Failed", "older")
    namespace.until_phase("Succeeded", "younger")
    # A retry of the older run finds the results of the younger one.
    namespace.workers.let_work("train", run="older")
    namespace.annotate("older", retry="1")
    namespace.until_phase("Succeeded", "older")
    assert namespace.workers.committed[namespace.keys["i1/train"]] == 1


def test_the_younger_run_continues_if_the_older_one_is_suspended(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hang(), run="older")
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    namespace.edit("older", suspend=True)
    namespace.until_phase("Succeeded", "younger")
    assert namespace.phase("older") == "Suspended"


def test_the_younger_run_continues_if_the_older_one_is_deleted(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), run="older")
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    namespace.delete("older")
    namespace.until_phase("Succeeded", "younger")


def test_runs_in_different_stores_do_not_wait_for_each_other(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold(), run="here")
    namespace.create(FROM_TRAIN.named("here"))
    namespace.until_running("i1/train", "here")
    other_store = {"s3": {"bucket": "another-bucket"}}
    namespace.create(FROM_TRAIN.named("there").spec(storage=other_store))
    namespace.until(lambda: namespace.started("there").count("i1/train") == 1)
    # Each of the two stores may have a Job for the same key.
    namespace.stores_differ = True
    namespace.until_phase("Succeeded", "there")
    namespace.workers.let_work("train", run="here")
    namespace.until_phase("Succeeded", "here")


# Another manager executes a run.


def test_a_run_of_another_manager_is_left_alone(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN.named("theirs").spec(managedBy="example.com/manager"))
    namespace.create(FROM_TRAIN.named("ours").spec(managedBy="isheep.dev/operator"))
    namespace.until_phase("Succeeded", "ours")
    assert "phase" not in namespace.status("theirs")
    assert namespace.jobs_created("theirs") == []
    changed = namespace.kubectl(
        *("patch", "selfalignmentrun", "theirs", "--type=merge"),
        '--patch={"spec":{"managedBy":"isheep.dev/operator"}}',
        check=False,
    )
    assert "managedBy cannot be set, changed or removed" in changed.stderr


# A queue admits the Jobs.


def admit(namespace: NamespaceFixture, job: dict[str, Any]) -> None:
    """Resume a Job, as Kueue does when it admits the Job."""
    path = namespace.jobs_path(job["metadata"]["name"])
    namespace.api.must("PATCH", path, {"spec": {"suspend": False}}, content_type=MERGE_PATCH)


def test_the_jobs_of_a_queued_run_wait_for_their_admission(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN.queued("team"))
    for number, stage in enumerate(ORDER):
        job = namespace.until_job(stage)
        assert job["spec"]["suspend"] is True
        labels = job["metadata"]["labels"]
        assert labels["kueue.x-k8s.io/queue-name"] == "team"
        namespace.until_reason("Queued")
        assert namespace.phase() == ("Pending" if number == 0 else "Running")
        admit(namespace, job)
    namespace.until_phase("Succeeded")
    assert "Stalled" not in namespace.phases()


def test_a_queue_may_suspend_an_admitted_job_again(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN.queued())
    admit(namespace, namespace.until_job("prepare"))
    job = namespace.until_job("i1/train")
    admit(namespace, job)
    namespace.until_running("i1/train")
    path = namespace.jobs_path(job["metadata"]["name"])
    namespace.api.must("PATCH", path, {"spec": {"suspend": True}}, content_type=MERGE_PATCH)
    namespace.until_reason("Queued")
    namespace.until_quiet(0.5)
    admit(namespace, job)
    for stage in ("i1/merge", "i1/report"):
        admit(namespace, namespace.until_job(stage))
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
    assert conditions_of(namespace.run())["Complete"]["status"] == "True"


def test_the_operator_does_not_copy_other_labels_of_a_run_to_its_jobs(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN.labelled(team="red"))
    job = namespace.until_job("prepare")
    assert "team" not in job["metadata"]["labels"]
    assert not job["spec"].get("suspend")
    assert steps_of(job)[0][0] == "prepare"
    namespace.until_phase("Succeeded")
