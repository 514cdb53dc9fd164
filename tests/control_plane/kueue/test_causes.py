"""Runs in queues of the real Kueue: each cause of a wait at the same time, and what ends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ...docs.blocks import blocks
from ..harness.cluster import Cluster
from ..harness.invariants import conditions_of
from ..harness.kueue import Kueue
from ..harness.namespace_fixture import NamespaceFixture
from ..harness.operator_environment import OperatorEnvironment
from ..harness.operator_process import SHORT_WAITS
from ..harness.pod_behaviour import Hold
from ..harness.runs import Run

NAME = "queues"
ROOT = Path(__file__).resolve().parents[3]
GUIDE = "docs/how-to/queue-with-kueue.md"
GROUP = "kueue.x-k8s.io/v1beta2"
QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY = "kueue.x-k8s.io/priority-class"
PATCHES = {**SHORT_WAITS, "isheep.kube.passes.kueue:WORKLOAD_GRACE": 5.0}
NARROW = ("narrow-1", "narrow-2")
"""Queues with the quota of one CPU, for a training on one node and for one on two nodes."""
LABELLED = ("absent", "my-run", "remote", "other", "closed")
"""The runs that get other labels."""
PLACEMENT = "kueue.x-k8s.io/podset-preferred-topology"
MULTI_KUEUE = "kueue.x-k8s.io/multikueue"

pytestmark = pytest.mark.long


def pools(cpu: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the pools; without annotations, an edit removes those of the run."""
    pool = {"resources": {"requests": {"cpu": cpu}}, "podAnnotations": annotations}
    return {"inference": pool, "training": pool, "processing": pool}


def a_run(name: str, queue: str | None, *, cpu: str = "100m", **labels: str) -> Run:
    """Return a run that has only its training and its report to do, with keys of its own."""
    seed = sum(name.encode())
    run = Run(name).skip_to("i1/train").spec(randomSeed=seed, compute=pools(cpu, {}))
    found = {**({QUEUE: queue} if queue else {}), **labels}
    return run.labelled(**found)


def cluster_queue(name: str, cpu: str, **spec: Any) -> dict[str, Any]:
    quota = {"name": "default", "resources": [{"name": "cpu", "nominalQuota": cpu}]}
    groups = [{"coveredResources": ["cpu"], "flavors": [quota]}]
    fields = {"namespaceSelector": {}, "resourceGroups": groups, **spec}
    return {"apiVersion": GROUP, "kind": "ClusterQueue", "metadata": {"name": name}, "spec": fields}


def local_queue(name: str, target: str, **spec: Any) -> dict[str, Any]:
    fields = {"clusterQueue": target, **spec}
    return {"apiVersion": GROUP, "kind": "LocalQueue", "metadata": {"name": name}, "spec": fields}


def priority(name: str, value: int) -> dict[str, Any]:
    kind = {"apiVersion": GROUP, "kind": "WorkloadPriorityClass"}
    return {**kind, "metadata": {"name": name}, "value": value}


def create_queues(kueue: Kueue) -> None:
    """Create a wide queue, narrow ones, and queues that admit nothing here."""
    flavor = {"apiVersion": GROUP, "kind": "ResourceFlavor", "metadata": {"name": "default"}}
    kueue.create("resourceflavors", flavor)
    preemption = {"withinClusterQueue": "LowerPriority"}
    kueue.create("clusterqueues", cluster_queue("wide", "50"))
    for name in NARROW:
        kueue.create("clusterqueues", cluster_queue(name, "1", preemption=preemption))
    check = {"apiVersion": GROUP, "kind": "AdmissionCheck", "metadata": {"name": "remote"}}
    parameters = {"apiGroup": "kueue.x-k8s.io", "kind": "MultiKueueConfig", "name": "remote"}
    spec = {"controllerName": MULTI_KUEUE, "parameters": parameters}
    kueue.create("admissionchecks", {**check, "spec": spec})
    strategy = {"admissionChecks": [{"name": "remote"}]}
    remote = cluster_queue("remote", "50", admissionChecksStrategy=strategy)
    kueue.create("clusterqueues", remote)
    closed = {"namespaceSelector": {"matchLabels": {"team": "another"}}}
    kueue.create("clusterqueues", cluster_queue("closed", "50", **closed))
    for name in ("wide", "remote", "closed", *NARROW):
        kueue.create("localqueues", local_queue(name, name), NAME)
    stopped = local_queue("stopped", "wide", stopPolicy="Hold")
    kueue.create("localqueues", stopped, NAME)
    kueue.create("workloadpriorityclasses", priority("low", 1))
    kueue.create("workloadpriorityclasses", priority("high", 100))


@pytest.fixture
def queues(
    kueue_cluster: tuple[Cluster, Kueue], tmp_path: Path
) -> Iterator[tuple[NamespaceFixture, Kueue]]:
    cluster, kueue = kueue_cluster
    environment = OperatorEnvironment(cluster, tmp_path / "operator", [NAME], patches=PATCHES)
    namespace = environment.namespace(NAME)
    create_queues(kueue)
    environment.start()
    try:
        yield namespace, kueue
        namespace.check()
    finally:
        environment.close(check=False)
        namespace.close()


def message(namespace: NamespaceFixture, run: str) -> str:
    return str(conditions_of(namespace.run(run))["Ready"]["message"])


def page_commands(place: str) -> list[list[str]]:
    """Return the commands of kubectl in the blocks of a page."""
    found = [block.text for block in blocks(ROOT / place, place) if block.not_run]
    return [shlex.split(line) for text in found for line in text.splitlines()]


def first_yaml(place: str) -> dict[str, Any]:
    """Return the first object in YAML of a page."""
    text = next(block.text for block in blocks(ROOT / place, place) if block.language == "yaml")
    return dict(yaml.safe_load(text))


def test_each_cause_of_a_wait_is_reported_and_ends(
    queues: tuple[NamespaceFixture, Kueue],
) -> None:
    namespace, kueue = queues
    placed = a_run("placed", "wide").spec(compute=pools("1", {PLACEMENT: "kubernetes.io/hostname"}))
    causes = [
        (a_run("absent", "nowhere"), "LocalQueueNotFound", "LocalQueue nowhere doesn't exist"),
        (a_run("my-run", None), "LocalQueueNotFound", "its run names no queue"),
        (a_run("held", "stopped"), "Inadmissible", "LocalQueue stopped is"),
        (a_run("closed", "closed"), "Inadmissible", "doesn't match ClusterQueue selector"),
        (a_run("large", "wide", cpu="80"), "Inadmissible", "maximum capacity"),
        (placed, "Inadmissible", "does not support TopologyAwareScheduling"),
        (a_run("other", "wide", **{PRIORITY: "unknown"}), "WorkloadMissing", "priority-class"),
        (a_run("remote", "remote"), "JobInOtherCluster", MULTI_KUEUE),
    ]
    foreign = a_run("foreign", "wide").spec(managedBy="example.com/manager")
    for run in (foreign, *(run for run, _, _ in causes)):
        namespace.create(run)
    victims = create_victims(namespace)

    for run, reason, text in causes:
        namespace.until_reason(reason, run.name)
        assert namespace.phase(run.name) == "Stalled", run.name
        assert text in message(namespace, run.name)

    check_preemptions(namespace, victims)

    # What a user does about each cause.
    kueue.create("localqueues", first_yaml(GUIDE), NAME)
    kueue.change("localqueues", NAME, "stopped", {"spec": {"stopPolicy": "None"}})
    (found,) = (w for w in kueue.listed("workloads", NAME) if "-placed-" in w["metadata"]["name"])
    request = found["spec"]["podSets"][0]["topologyRequest"]
    assert request["preferred"] == "kubernetes.io/hostname"
    for name in ("large", "placed"):
        (job,) = namespace.jobs(name, finished=False)
        namespace.edit(name, compute=pools("1"))
        # The operator must know the edit before it creates the next Job.
        namespace.until(lambda name=name: namespace.phase(name) is not None)
        namespace.delete_job(job["metadata"]["name"])
    suspended = {name: namespace.jobs_created(name)[0] for name in LABELLED}
    for program, *arguments in page_commands(GUIDE):
        assert program == "kubectl"
        namespace.kubectl(*arguments)
    for name in ("absent", "remote", "closed"):
        namespace.kubectl("label", "selfalignmentrun", name, f"{QUEUE}=wide", "--overwrite")
    # Kueue would find a new priority class too, but after ever longer waits.
    namespace.kubectl("label", "selfalignmentrun", "other", f"{PRIORITY}=low", "--overwrite")
    for run, _, _ in causes:
        namespace.until_phase("Succeeded", run.name)
    for name, job in suspended.items():
        # The suspended Job has been created again, as the same attempt.
        names = [one["metadata"]["name"] for one in namespace.jobs_created(name)]
        assert names.count(job["metadata"]["name"]) >= 2
    labels = namespace.jobs_created("my-run")[-1]["metadata"]["labels"]
    assert (labels[QUEUE], labels[PRIORITY]) == ("my-queue", "high")
    assert "phase" not in namespace.status("foreign")
    assert namespace.jobs_created("foreign") == []


def create_victims(namespace: NamespaceFixture) -> dict[str, Run]:
    """Create two runs of low priority, whose trainings need a whole queue; return them by queue."""
    victims = {}
    for nodes, queue in enumerate(NARROW, start=1):
        run = a_run(f"low-{nodes}", queue, cpu=f"{1000 // nodes}m", **{PRIORITY: "low"})
        victims[queue] = run.spec(training={"numNodes": nodes})
        namespace.workers.set_behaviour("train", Hold(), run=run.name)
        namespace.create(victims[queue])
    return victims


def check_preemptions(namespace: NamespaceFixture, victims: dict[str, Run]) -> None:
    """Preempt the runs, and check that they have lost no attempt when they have succeeded."""
    for run in victims.values():
        namespace.until_running("i1/train", run.name)
    rivals = [
        a_run(f"high-{number}", queue, cpu="1", **{PRIORITY: "high"})
        for number, queue in enumerate(victims, start=1)
    ]
    for run in rivals:
        namespace.workers.set_behaviour("train", Hold(), run=run.name)
        namespace.create(run)
    for run in rivals:
        namespace.until_running("i1/train", run.name)
    for run in victims.values():
        namespace.until_reason("Preempted", run.name)
        assert "to accommodate a workload" in message(namespace, run.name)
    for run in rivals:
        namespace.workers.let_work("train", run=run.name)
        namespace.until_phase("Succeeded", run.name)
    for name in (run.name for run in victims.values()):
        namespace.workers.let_work("train", run=name)
        namespace.until_phase("Succeeded", name)
        (train,) = (s for s in namespace.status(name)["stages"] if s["id"] == "i1/train")
        assert train.get("failures", 0) == 0, train
        # The Job that Kueue has preempted has gone on.
        assert namespace.started(name).count("i1/train") == 1
