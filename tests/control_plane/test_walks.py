"""Jobs whose pods walk through several stages: generation, assessment, both, or the whole run."""

from __future__ import annotations

from typing import Any

import pytest

from .harness.concurrent_tests import OperatorFactory
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.pod_behaviour import Exit, HoldAfter, KilledAfter, StayWaiting, Work
from .harness.runs import Run

REST = ["i1/select", "i1/train", "i1/merge", "i1/report"]
GENERATION = ["i1/generate/r1", "i1/curate/r1", "i1/respond"]


def run(jobs: str = "PerRole", **pool: Any) -> Run:
    return Run().spec(compute={"inference": {"jobs": jobs, **pool}})


def whole_run() -> Run:
    return Run().spec(compute={"jobs": "Run", "inference": {}})


def stages(namespace: NamespaceFixture, name: str = "run") -> dict[str, dict[str, Any]]:
    """Return the stages in the status, by id."""
    return {stage["id"]: stage for stage in namespace.status(name).get("stages", [])}


def committed_once(namespace: NamespaceFixture) -> bool:
    return all(times == 1 for times in namespace.workers.committed.values())


@pytest.mark.parametrize(
    ("jobs", "inference"),
    [("PerRole", ["i1/generate/r1", "i1/assess"]), ("Joined", ["i1/generate/r1"])],
)
def test_one_job_for_each_role_or_for_both(
    jobs: str, inference: list[str], namespace: NamespaceFixture
) -> None:
    namespace.create(run(jobs))
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", *inference, *REST]
    assert all(stage["committed"] for stage in stages(namespace).values())
    job = namespace.until_job("i1/generate/r1")
    assert [stage for stage, _ in steps_of(job)] == ["i1/generate/r1"]
    assert job["metadata"]["labels"]["isheep.dev/pool"] == "inference"
    assert committed_once(namespace)


def test_the_default_is_one_job_for_each_role(namespace: NamespaceFixture) -> None:
    namespace.create(Run().spec(compute=None))
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/generate/r1", "i1/assess", *REST]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_pod_that_is_killed_in_any_stage_loses_no_commit(
    done: int, namespace: NamespaceFixture
) -> None:
    namespace.workers.set_behaviour("generate", KilledAfter(done), Work())
    namespace.create(run())
    namespace.until_phase("Succeeded")
    # The Job controller replaces the pod. The new pod walks again, and adopts what is committed.
    assert namespace.started() == ["prepare", "i1/generate/r1", "i1/assess", *REST]
    assert committed_once(namespace)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_job_that_is_deleted_in_any_stage_loses_no_commit(
    done: int, namespace: NamespaceFixture
) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(done))
    namespace.create(run())
    job = namespace.until_running("i1/generate/r1")
    # The operator reads the progress of the pod, and the status shows the commits.
    namespace.until(lambda: stages(namespace).get(GENERATION[done], {}).get("committed") is False)
    assert all(stages(namespace)[stage]["committed"] for stage in GENERATION[:done])
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_job(GENERATION[done], number=2 if done == 0 else 1)
    for kind in ("generate", "curate", "respond"):
        namespace.workers.let_work(kind)
    namespace.until_phase("Succeeded")
    assert namespace.started() == [
        "prepare",
        "i1/generate/r1",
        GENERATION[done],
        "i1/assess",
        *REST,
    ]
    assert committed_once(namespace)


def test_the_status_shows_the_stage_in_which_the_pods_are(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(2))
    namespace.create(run())
    namespace.until(lambda: namespace.status().get("progress", "").startswith("1/1 respond"))
    assert namespace.status()["stage"]["id"] == "i1/respond"
    namespace.workers.let_work("generate")
    namespace.until_phase("Succeeded")


def test_a_pod_without_a_node_holds_nothing_up(namespace: NamespaceFixture) -> None:
    waiting = StayWaiting("CreateContainerError", "no GPU is free")
    namespace.workers.set_behaviour("generate", waiting, Work())
    namespace.create(
        run(parallelism=3).spec(instructions={"count": 192}),
    )
    # Two pods have walked to the end, so the Job of the third one is not needed any more.
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/generate/r1", "i1/assess", *REST]
    namespace.until(lambda: not namespace.cluster.kubelet.running(namespace.name))
    assert committed_once(namespace)


def test_the_commits_of_running_pods_are_seen_while_another_pod_waits(
    namespace: NamespaceFixture,
) -> None:
    waiting = StayWaiting("CreateContainerError", "no GPU is free")
    namespace.workers.set_behaviour("generate", waiting, HoldAfter(1))
    namespace.create(run(parallelism=2).spec(instructions={"count": 128}))
    namespace.until(lambda: stages(namespace).get("i1/generate/r1", {}).get("committed") is True)
    assert stages(namespace)["i1/curate/r1"]["committed"] is False
    namespace.workers.let_work("generate")
    namespace.until_phase("Succeeded")


def test_two_runs_one_round_apart_make_each_stage_once(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(2), run="older")
    namespace.create(run().named("older"))
    namespace.until(lambda: stages(namespace, "older").get("i1/respond") is not None)
    namespace.create(run().named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    assert "older" in namespace.message("younger")
    namespace.workers.let_work("generate", run="older")
    for name in ("older", "younger"):
        namespace.until_phase("Succeeded", name)
    assert committed_once(namespace)


def test_runs_with_different_groupings_make_each_stage_once(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(1), run="older")
    namespace.create(run("Joined").named("older"))
    namespace.until(lambda: stages(namespace, "older").get("i1/curate/r1") is not None)
    for jobs in ("PerStage", "PerRole"):
        namespace.create(run(jobs).named(jobs.lower()))
        namespace.until_reason("WaitingForPeer", jobs.lower())
    namespace.workers.let_work("generate", run="older")
    for name in ("older", "perstage", "perrole"):
        namespace.until_phase("Succeeded", name)
    assert committed_once(namespace)


def test_an_edit_of_a_later_stage_of_the_walk_stops_its_job(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(1))
    namespace.create(run())
    namespace.until(lambda: stages(namespace).get("i1/curate/r1") is not None)
    namespace.edit("run", responses={"sampling": {"temperature": 0.5}})
    namespace.until_phase("Succeeded")
    # The first stage is committed, and its key has not changed.
    assert namespace.started()[-6:] == ["i1/curate/r1", "i1/assess", *REST]
    assert committed_once(namespace)


def test_an_edit_of_a_stage_after_the_walk_lets_its_job_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(1))
    namespace.create(run())
    job = namespace.until_running("i1/generate/r1")
    namespace.edit("run", selection={"threshold": 2})
    namespace.until_quiet()
    assert "deletionTimestamp" not in namespace.until_running("i1/generate/r1")["metadata"]
    namespace.workers.let_work("generate")
    namespace.until_phase("Succeeded")
    names = [one["metadata"]["name"] for one in namespace.jobs_created()]
    assert names.count(job["metadata"]["name"]) == 1
    assert namespace.started().count("i1/generate/r1") == 1


def test_a_defect_in_a_later_stage_fails_the_run_and_names_the_stage(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("assess", Exit(70, message="a bug"))
    namespace.create(run())
    namespace.until_phase("Failed")
    assert namespace.message().startswith("i1/assess: ")
    assert "a bug" in namespace.message()


def test_an_operator_that_restarts_reads_the_walk_again(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("generate", HoldAfter(1))
    namespace.create(run())
    namespace.until(lambda: stages(namespace).get("i1/curate/r1") is not None)
    environment.operator.kill()
    namespace.workers.let_work("generate")
    environment.operator.start()
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/generate/r1", "i1/assess", *REST]
    assert committed_once(namespace)


def test_one_job_for_the_whole_run(namespace: NamespaceFixture) -> None:
    namespace.create(whole_run())
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/generate/r1"]
    assert all(stage["committed"] for stage in stages(namespace).values())
    job = namespace.until_job("i1/generate/r1")
    assert job["spec"]["parallelism"] == 1
    assert committed_once(namespace)


@pytest.mark.parametrize("done", [3, 5, 7])
def test_a_job_of_the_whole_run_that_is_deleted_loses_no_commit(
    done: int, namespace: NamespaceFixture
) -> None:
    order = [*GENERATION, "i1/assess", *REST]
    namespace.workers.set_behaviour("generate", HoldAfter(done))
    namespace.create(whole_run())
    job = namespace.until_running("i1/generate/r1")
    namespace.until(lambda: stages(namespace).get(order[done], {}).get("committed") is False)
    assert all(stages(namespace)[stage]["committed"] for stage in order[:done])
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/generate/r1", order[done]]
    assert committed_once(namespace)


@pytest.mark.parametrize("jobs", ["PerStage", "Run"])
def test_a_run_in_one_job_and_another_run_make_each_stage_once(
    jobs: str, namespace: NamespaceFixture
) -> None:
    namespace.workers.set_behaviour("generate", HoldAfter(1), run="older")
    namespace.create(whole_run().named("older"))
    namespace.until(lambda: stages(namespace, "older").get("i1/curate/r1") is not None)
    namespace.create((whole_run() if jobs == "Run" else run(jobs)).named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    namespace.workers.let_work("generate", run="older")
    for name in ("older", "younger"):
        namespace.until_phase("Succeeded", name)
    assert committed_once(namespace)
