"""Kills, a second operator, upgrades, outages and idle time of the operator: no run is affected."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.concurrent_tests import OperatorFactory, exclusive, takes_long
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS
from .harness.operator_environment import OperatorEnvironment
from .harness.operator_process import SHORT_WAITS, UPGRADE, OperatorProcess
from .harness.pod_behaviour import Hold
from .harness.ports import free_port
from .harness.proxy import Proxy, Recorded
from .harness.runs import Run
from .harness.waiting import always, until

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]
IDLE_SECONDS = 20.0


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
@pytest.mark.parametrize("writes_of_processes", [(1,), (2, 3, 1, 4)], ids=["each", "some"])
def test_an_operator_that_is_killed_after_its_writes_reaches_the_same_end(
    operators: OperatorFactory, writes_of_processes: tuple[int, ...]
) -> None:
    """Kill each process after some writes, every second one before its last response."""
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


@takes_long
def test_only_the_holder_of_the_lease_writes(operators: OperatorFactory) -> None:
    # An idle holder does not renew. No Job of this test takes longer than half of the Lease.
    environment, namespace = operators(lease_seconds=60)
    environment.start()
    cluster = namespace.cluster
    proxy = Proxy(cluster.server, cluster.rights.token, cluster.background)
    proxy.start()
    config = {**environment.operator.config, "httpPort": free_port()}
    second = OperatorProcess(environment.folder / "second", proxy.connect, config, "operator-1")
    try:
        second.start()
        for name in ("one", "two", "three"):
            namespace.create(FROM_TRAIN.named(name).spec(randomSeed=len(name)))
        for name in ("one", "two", "three"):
            namespace.until_phase("Succeeded", name)
        writers = [bool(environment.proxy.writes()), bool(proxy.writes())]
        assert sorted(writers) == [False, True], "only one of the operators has written"
        pairs = [(environment.operator, environment.proxy), (second, proxy)]
        (holder, holder_proxy), (other, other_proxy) = pairs if writers[0] else pairs[::-1]

        # The holder of the Lease is killed: the other operator waits until the Lease expires.
        namespace.workers.set_behaviour("train", Hold())
        namespace.create(FROM_TRAIN.named("four").spec(randomSeed=4))
        namespace.until_running("i1/train", "four")
        holder.kill()
        holder.wait()
        namespace.workers.let_work("train")
        namespace.until_phase("Succeeded", "four")
        assert namespace.started("four") == ORDER
        assert other_proxy.writes()

        # The restarted operator writes nothing while the other one holds the Lease. The other
        # one releases the Lease when it stops.
        holder.start(wait=False)
        for number in itertools.count():
            # A write renews the Lease of the other operator until the restarted one is ready.
            namespace.create(Run(f"suspended-{number}").spec(suspend=True))
            namespace.until_phase("Suspended", f"suspended-{number}")
            assert holder.is_alive(), holder.tail()
            if holder.is_ready():
                break
        namespace.create(FROM_TRAIN.named("five").spec(randomSeed=55))
        namespace.until_phase("Succeeded", "five")
        assert holder_proxy.writes() == []
        assert other.stop() == 0
        namespace.create(FROM_TRAIN.named("six").spec(randomSeed=66))
        namespace.until_phase("Succeeded", "six")
        assert holder_proxy.writes()
    finally:
        if second.process is not None and second.is_alive():
            second.stop()
        proxy.stop()


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


def test_an_operator_with_finished_runs_only_lists_and_watches(operators: OperatorFactory) -> None:
    """It does not even write its Lease."""
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1, "listSeconds": 2}
    environment, namespace = operators(timings=timings)
    environment.start()
    run = Run().skip_to("i1/report")
    names = [f"run-{n}" for n in range(20)]
    for seed, name in enumerate(names):
        namespace.create(run.named(name).spec(randomSeed=seed))
    for name in names:
        namespace.until_phase("Succeeded", name)
    namespace.until(lambda: not any(namespace.jobs(name) for name in names))
    for name in names:
        # The operator creates the Events after it has written the status.
        namespace.until(lambda name=name: "Succeeded" in [e[1] for e in namespace.events(name)])
    namespace.until_quiet(5.0)
    before = len(environment.proxy.requests)
    time.sleep(IDLE_SECONDS)
    sent = environment.proxy.requests[before:]
    assert [str(request) for request in sent if request.is_write] == []
    assert {request.resource for request in sent} <= {"selfalignmentruns", "jobs"}


def test_a_run_that_waits_for_its_job_causes_no_writes(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    # Before, the operator writes the status and deletes the Job of prepare.
    namespace.until(lambda: namespace.status().get("stage", {}).get("id") == "i1/train")
    namespace.until(lambda: len(namespace.jobs()) == 1)
    namespace.until_quiet(5.0)
    before = len(environment.proxy.requests)
    time.sleep(5)
    sent = environment.proxy.requests[before:]
    assert [str(r) for r in sent if r.is_counted_write] == []
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")


def test_the_operator_continues_after_an_outage_of_the_api_server(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    with environment.proxy.outage():
        namespace.workers.let_work("train")
        namespace.until(
            lambda: "i1/train" in [steps_of(job)[0][0] for job in namespace.jobs(finished=True)]
        )
        always(environment.operator.is_alive, 4, otherwise="the operator has ended")
        assert environment.operator.page_status("/healthz") == 200
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER


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


def test_a_slow_api_server_causes_no_second_job(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    environment.proxy.delay(0.5)
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    environment.proxy.clear_faults()
    assert namespace.started() == ORDER


def test_the_operator_resumes_watches_that_end(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    environment.proxy.cut_watches()
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER


def delete_during_an_outage(environment: OperatorEnvironment, namespace: NamespaceFixture) -> None:
    """Delete a run that another waits for, and a Job, so that no watch reports the deletions."""
    older = namespace.until_running("i1/train", "older")
    lost = namespace.until_running("i1/train", "without-job")
    with environment.proxy.outage():
        namespace.workers.let_work("train")
        namespace.delete("older")
        namespace.delete_job(lost["metadata"]["name"])
        uids = {older["metadata"]["uid"], lost["metadata"]["uid"]}
        namespace.until(lambda: not uids & {j["metadata"]["uid"] for j in latest_jobs(namespace)})
        marker = namespace.create(Run("marker").spec(suspend=True))
        environment.proxy.expire_before(int(marker["metadata"]["resourceVersion"]))
        namespace.api.compact()


def latest_jobs(namespace: NamespaceFixture) -> list[dict[str, Any]]:
    return list(namespace.cluster.observer.latest(JOBS, namespace.name).values())


def test_the_operator_finds_deletions_that_no_watch_has_reported(
    operators: OperatorFactory,
) -> None:
    """A compaction before a watch resumes removes the events of the deletions."""
    environment, namespace = with_a_peer_and_a_job_to_delete(operators)
    delete_during_an_outage(environment, namespace)
    namespace.until_phase("Succeeded", "younger")
    namespace.until_phase("Succeeded", "without-job")


@exclusive
def test_the_operator_finds_deletions_after_a_restart_of_the_api_server(
    operators: OperatorFactory,
) -> None:
    """The watches resume at a real API server that was restarted after a compaction."""
    environment, namespace = with_a_peer_and_a_job_to_delete(operators)
    # An API server that starts forbids all requests until it has read the roles.
    namespace.may_be_forbidden = True
    delete_during_an_outage(environment, namespace)
    environment.proxy.expire_before(0)
    namespace.cluster.servers.restart_api_server(namespace.api)
    namespace.until_phase("Succeeded", "younger")
    namespace.until_phase("Succeeded", "without-job")


def with_a_peer_and_a_job_to_delete(
    operators: OperatorFactory,
) -> tuple[OperatorEnvironment, NamespaceFixture]:
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1, "listSeconds": 3}
    environment, namespace = operators(timings=timings)
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    namespace.create(FROM_TRAIN.named("without-job").spec(randomSeed=1))
    return environment, namespace


def test_the_operator_ignores_runs_outside_the_watched_namespaces(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators()
    environment.start()
    other = f"{namespace.name}-other"
    namespace.cluster.open_namespace(other)
    path = f"/apis/isheep.dev/v1alpha1/namespaces/{other}/selfalignmentruns"
    namespace.api.must("POST", path, FROM_TRAIN.document())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.api.get(f"{path}/run")["status"] == {"observedGeneration": -1}
    assert not [r for r in environment.proxy.requests if f"/{other}/" in r.path]
    namespace.cluster.close_namespace(other)


@exclusive
def test_the_operator_watches_all_namespaces_if_the_list_is_empty(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators(watchNamespaces=[])
    environment.start()
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER
    assert any(r.path == "/apis/batch/v1/jobs" for r in environment.proxy.requests)


def test_the_installed_command_works_with_its_default_timings(operators: OperatorFactory) -> None:
    """The command runs unpatched, as the chart starts it."""
    environment, namespace = operators(patches={}, timings={})
    environment.start()
    namespace.create(Run().skip_to("i1/report"))
    namespace.until_phase("Succeeded")
    status, text = environment.operator.page("/metrics")
    assert status == 200
    assert "isheep_" in text
    assert environment.operator.stop() == 0


def test_the_metrics_count_runs_and_the_probes_succeed(operators: OperatorFactory) -> None:
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold(), run="held")
    namespace.create(FROM_TRAIN.named("held"))
    namespace.create(Run("suspended").spec(suspend=True))
    namespace.until_running("i1/train", "held")
    namespace.until_phase("Suspended", "suspended")
    assert environment.operator.page_status("/healthz") == 200
    assert environment.operator.page_status("/readyz") == 200
    assert environment.operator.page_status("/elsewhere") == 404

    def counts(phase: str) -> bool:
        return f'isheep_runs{{phase="{phase}"}} 1.0' in environment.operator.page("/metrics")[1]

    # The operator's watch can be later than the observer's.
    namespace.until(lambda: counts("Running") and counts("Suspended"))
    namespace.delete("held")
    namespace.until(lambda: counts("Suspended") and not counts("Running"))


def test_an_invalid_configuration_ends_the_operator_with_a_message(
    operators: OperatorFactory,
) -> None:
    environment, _ = operators(patches={}, workerImage="")
    environment.operator.start(wait=False)
    assert environment.operator.wait() == 64
    assert "workerImage" in environment.operator.tail()


def test_the_status_shows_the_progress_of_a_pod(operators: OperatorFactory) -> None:
    port = {"isheep.kube.names:HTTP_PORT": 18080}
    environment, namespace = operators(patches={**port, **SHORT_WAITS})
    environment.start()
    namespace.workers.set_behaviour("respond", Hold(progress=(41, 100)))
    namespace.create(Run().spec(instructions={"count": 100}).skip_to("i1/respond"))
    namespace.until(lambda: namespace.status().get("stage", {}).get("itemsDone") == 41)
    assert namespace.status()["progress"] == "1/1 respond 41%"
    assert namespace.status()["stage"]["itemsTotal"] == 100
    namespace.workers.let_work("respond")
    namespace.until_phase("Succeeded")


def test_the_operator_plans_again_after_another_client_has_changed_the_run(
    operators: OperatorFactory,
) -> None:
    """The operator writes a status only over the version that it planned from."""
    environment, namespace = operators()
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    environment.proxy.delay(0.3)
    namespace.workers.let_work("train")
    for number in range(8):
        labels = {"metadata": {"labels": {"touched": str(number)}}}
        namespace.api.must("PATCH", namespace.runs_path("run"), labels, content_type=MERGE_PATCH)
        time.sleep(0.25)
    environment.proxy.clear_faults()
    namespace.until_phase("Succeeded")
    assert namespace.started() == ORDER


def image_of(job: dict[str, Any]) -> str:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return str(container["image"])
