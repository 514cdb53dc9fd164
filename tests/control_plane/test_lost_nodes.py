"""A node does not answer: the run says so, goes on elsewhere, and the pod that comes back ends.

The first test marks the pod as the node controller does. The other tests have the real node
controller, which marks the pods of a node without heartbeats, and evicts those that do not tolerate
it. A pod that is cut off goes on, and its status and deletion wait until it is connected again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.cluster import NODES, Cluster
from .harness.concurrent_tests import OperatorFactory
from .harness.invariants import steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS
from .harness.operator_environment import OperatorEnvironment
from .harness.operator_process import SHORT_WAITS
from .harness.pod_behaviour import Hang, Hold
from .harness.runs import Run
from .harness.servers import CONTROLLERS, Servers, serve_crd

FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
# These patches come first: other modules import the names.
PATCHES = {
    "isheep.kube.pods.lost_nodes:SILENCE_GRACE": 5.0,
    "isheep.kube.pods.lost_nodes:DELETION_GRACE": 5.0,
    **SHORT_WAITS,
}
NODE_CONTROLLERS = ("node-lifecycle-controller", "taint-eviction-controller")
ARGUMENTS = (
    f"--controllers={','.join((*CONTROLLERS, *NODE_CONTROLLERS))}",
    "--node-monitor-period=1s",
    "--node-monitor-grace-period=15s",
)
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
STAYS = {"tolerations": [UNREACHABLE]}
"""A pod that is never evicted."""
LEAVES = {"tolerations": [{**UNREACHABLE, "tolerationSeconds": 2}]}
"""A pod that is evicted two seconds after its node has become unreachable."""


def at_work(namespace: NamespaceFixture, run: Run) -> dict[str, Any]:
    """Create a run whose first train goes on for ever; return the pod of its train, cut off."""
    namespace.loses_nodes = True
    namespace.workers.set_behaviour("train", Hang(), Hold())
    namespace.create(run)
    namespace.until_running("i1/train")
    pod = pod_of_train(namespace)
    namespace.cluster.kubelet.cut_off.add(pod["metadata"]["uid"])
    return pod


def pod_of_train(namespace: NamespaceFixture, number: int = 1) -> dict[str, Any]:
    """Return the pod of the n-th Job of train."""
    name = namespace.until_job("i1/train", number=number)["metadata"]["name"]
    found = namespace.until(
        lambda: [
            pod
            for pod in namespace.pods()
            if pod["metadata"]["labels"]["job-name"] == name and "nodeName" in pod["spec"]
        ]
    )
    return dict(found[0])


def mark_not_ready(namespace: NamespaceFixture, pod: dict[str, Any]) -> None:
    """Set the condition Ready of a pod to False, as the node controller does."""
    conditions = [
        {**one, "status": "False"} if one["type"] == "Ready" else one
        for one in pod["status"]["conditions"]
    ]
    path = f"{namespace.core('pods', pod['metadata']['name'])}/status"
    patch = {"status": {"conditions": conditions}}
    namespace.api.must("PATCH", path, patch, content_type=MERGE_PATCH)


def check_next_attempt(namespace: NamespaceFixture, lost: dict[str, Any]) -> None:
    """Check that the next attempt runs on another node, and succeeds while the lost pod stays."""
    node = lost["spec"]["nodeName"]
    job = namespace.until_job("i1/train", number=2)
    assert job["metadata"]["labels"]["isheep.dev/attempt"] == "2"
    affinity = job["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    excluded = {"key": "metadata.name", "operator": "NotIn", "values": [node]}
    assert term["matchFields"] == [excluded]
    assert pod_of_train(namespace, 2)["spec"]["nodeName"] != node
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded")
    (train,) = (s for s in namespace.status()["stages"] if s["id"] == "i1/train")
    assert (train["attempts"], train["failures"]) == (2, 0)
    failure = namespace.status()["lastFailure"]
    assert failure["reason"] == "Disrupted"
    assert f"the node {node} does not answer" in failure["message"]
    # The Job of the lost pod cannot be deleted before its node answers.
    until_only(namespace, lost)
    (job,) = namespace.jobs()
    assert "deletionTimestamp" in job["metadata"]


def until_only(namespace: NamespaceFixture, lost: dict[str, Any]) -> None:
    """Wait until the lost pod is the only one, and its Job too."""
    uid = lost["metadata"]["uid"]
    namespace.until(lambda: [pod["metadata"]["uid"] for pod in namespace.pods()] == [uid])
    jobs = {one["uid"] for one in lost["metadata"]["ownerReferences"]}
    observer = namespace.cluster.observer
    namespace.until(
        lambda: (
            {job["metadata"]["uid"] for job in observer.latest(JOBS, namespace.name).values()}
            == jobs
        )
    )


def check_return(namespace: NamespaceFixture, lost: dict[str, Any]) -> None:
    """Let the node of the lost pod answer again, and check that nothing but its pod changes."""
    before = namespace.run()["metadata"]["generation"], namespace.phases()
    namespace.cluster.kubelet.reconnect(lost["metadata"]["uid"])
    namespace.until(lambda: not namespace.pods())
    namespace.until(lambda: not namespace.jobs())
    namespace.until_quiet()
    assert (namespace.run()["metadata"]["generation"], namespace.phases()) == before
    assert namespace.started().count("i1/train") == 2


def test_the_next_attempt_avoids_the_node_and_the_pod_that_comes_back_ends(
    operators: OperatorFactory,
) -> None:
    environment, namespace = operators(patches=PATCHES)
    environment.start()
    lost = at_work(namespace, FROM_TRAIN)
    mark_not_ready(namespace, lost)
    namespace.until_reason("NodeLost")
    assert lost["spec"]["nodeName"] in namespace.message()
    check_next_attempt(namespace, lost)
    check_return(namespace, lost)


def test_an_attempt_without_another_node_starts_again_when_the_lost_node_answers(
    operators: OperatorFactory,
) -> None:
    """The scheduler finds no node for the second attempt, whose pods cannot be changed."""
    environment, namespace = operators(patches=PATCHES)
    environment.start()
    only = {"nodeSelector": {"kubernetes.io/hostname": NODES[0]}}
    lost = at_work(namespace, FROM_TRAIN.spec(compute={"training": only}))
    assert lost["spec"]["nodeName"] == NODES[0]
    mark_not_ready(namespace, lost)
    second = namespace.until_job("i1/train", number=2)
    assert second["metadata"]["annotations"]["isheep.dev/avoided-nodes"] == NODES[0]
    namespace.until_reason("Unschedulable")
    assert "node affinity" in namespace.message()
    assert namespace.started().count("i1/train") == 2
    namespace.workers.let_work("train")
    namespace.cluster.kubelet.reconnect(lost["metadata"]["uid"])
    third = namespace.until_job("i1/train", number=3)
    assert steps_of(third) == steps_of(second)
    assert "isheep.dev/avoided-nodes" not in third["metadata"]["annotations"]
    assert "affinity" not in third["spec"]["template"]["spec"]
    namespace.until_phase("Succeeded")
    (train,) = (s for s in namespace.status()["stages"] if s["id"] == "i1/train")
    assert train["failures"] == 0
    assert namespace.started().count("i1/train") == 3


def test_the_lost_job_of_a_deleted_run_delays_no_other_run(operators: OperatorFactory) -> None:
    environment, namespace = operators(patches=PATCHES)
    environment.start()
    lost = at_work(
        namespace, FROM_TRAIN.spec(compute={"training": {"terminationGracePeriodSeconds": 1}})
    )
    namespace.create(FROM_TRAIN.named("other"))
    namespace.until_reason("WaitingForPeer", "other")
    # The operator deletes the Job, whose pod stays, and then somebody deletes the run.
    namespace.edit(suspend=True)
    namespace.until(lambda: [j for j in namespace.jobs() if "deletionTimestamp" in j["metadata"]])
    namespace.delete()
    namespace.workers.let_work("train")
    namespace.until_phase("Succeeded", "other")
    until_only(namespace, lost)
    namespace.cluster.kubelet.reconnect(lost["metadata"]["uid"])
    namespace.until(lambda: not namespace.pods())


@pytest.fixture
def monitored(tmp_path: Path) -> Iterator[NamespaceFixture]:
    """A namespace of a control plane with the real node controller, and its operator."""
    servers = Servers(tmp_path / "servers")
    servers.folder.mkdir()
    try:
        server = servers.start_api_server()
        serve_crd(server)
        cluster = Cluster.open(servers, server, *ARGUMENTS)
        cluster.background.spawn(cluster.kubelet.send_heartbeats())
        folder = tmp_path / "operator"
        environment = OperatorEnvironment(cluster, folder, ["lost"], patches=PATCHES)
        try:
            namespace = environment.namespace("lost")
            environment.start()
            yield namespace
            namespace.check()
        finally:
            environment.close(check=False)
            cluster.close()
    finally:
        servers.stop()


@pytest.mark.long
@pytest.mark.parametrize("pool", [STAYS, LEAVES], ids=["tolerates", "is-evicted"])
def test_the_real_node_controller_reports_the_node(
    monitored: NamespaceFixture, pool: dict[str, Any]
) -> None:
    namespace = monitored
    lost = at_work(namespace, FROM_TRAIN.spec(compute={"training": pool}))
    node = lost["spec"]["nodeName"]
    namespace.cluster.kubelet.silent_nodes.add(node)
    namespace.until_reason("NodeLost")
    assert node in namespace.message()
    check_next_attempt(namespace, lost)
    now = namespace.api.get(namespace.core("pods", lost["metadata"]["name"]))
    found = {one["type"]: one["status"] for one in now["status"]["conditions"]}
    assert (found["Ready"], found["ContainersReady"]) == ("False", "True")
    namespace.cluster.kubelet.silent_nodes.discard(node)
    check_return(namespace, lost)
