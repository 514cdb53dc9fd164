"""Outages and delays of the API server, and watches that end: no run is affected."""

from __future__ import annotations

from typing import Any

from .harness.concurrent_tests import OperatorFactory, exclusive
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS
from .harness.operator_environment import OperatorEnvironment
from .harness.pod_behaviour import Hold
from .harness.runs import Run
from .harness.waiting import always

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]


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
    """A compaction before a watch resumes removes the events of the deletions.

    The LIST with which the watch resumes reports no deletion, and the next LIST of the operator is
    five minutes away.
    """
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
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1}
    environment, namespace = operators(timings=timings)
    environment.start()
    namespace.workers.set_behaviour("train", Hold())
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN.named("younger"))
    namespace.until_reason("WaitingForPeer", "younger")
    namespace.create(FROM_TRAIN.named("without-job").spec(randomSeed=1))
    return environment, namespace
