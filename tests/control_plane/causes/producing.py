"""What several causes are made of: runs, policies, nodes, Events, and foreign objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..harness.api import MERGE_PATCH
from ..harness.kubelet import register_node
from ..harness.namespace_fixture import NamespaceFixture
from ..harness.pod_behaviour import PodBehaviour, StayWaiting
from ..harness.runs import Run

Producer = Callable[[NamespaceFixture], None]
"""Produces a cause in a namespace of its own, for the run with the name `run`."""

FROM_REPORT = Run().skip_to("i1/report")
"""prepare and report."""
FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge and report."""
POLICIES = "/apis/admissionregistration.k8s.io/v1"
CLOSED_PORT = 1
"""A port of this machine on which nothing listens."""


def with_spec(**spec: Any) -> Producer:
    """Return the producer of a cause that a field of the run has."""
    return lambda namespace: _created(namespace, FROM_REPORT.spec(**spec))


def unplanned(**spec: Any) -> Producer:
    """Return the producer of a run that starts no stage, because of a field of its spec."""
    return lambda namespace: _created(namespace, Run().spec(**spec))


def with_pool(**fields: Any) -> Producer:
    """Return the producer of a cause that a field of the pool of prepare has."""
    return with_spec(compute={"processing": fields})


def with_pod(behaviour: PodBehaviour, stage: str = "prepare", run: Run | None = None) -> Producer:
    """Return the producer of a cause that the pods of a stage have."""
    found = run or (FROM_REPORT if stage == "prepare" else FROM_TRAIN)

    def produce(namespace: NamespaceFixture) -> None:
        namespace.workers.set_behaviour(stage, behaviour)
        namespace.create(found)

    return produce


def with_event(reason: str, message: str) -> Producer:
    """Return the producer of a cause that only an Event of a kubelet or controller shows."""

    def produce(namespace: NamespaceFixture) -> None:
        namespace.workers.set_behaviour("prepare", StayWaiting("ContainerCreating", ""))
        namespace.create(FROM_REPORT)
        namespace.until(namespace.pods)
        (pod,) = namespace.pods()
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace.name}
        about |= {name: pod["metadata"][name] for name in ("name", "uid")}
        event = {
            "metadata": {"generateName": "cause."},
            "involvedObject": about,
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": now(),
        }
        namespace.api.must("POST", namespace.core("events"), event)

    return produce


def with_object(plural: str, document: dict[str, Any], run: Run = FROM_REPORT) -> Producer:
    """Return the producer of a cause that another object of the namespace has."""

    def produce(namespace: NamespaceFixture) -> None:
        namespace.may_be_forbidden = True
        namespace.api.must("POST", namespace.core(plural), document)
        if plural == "resourcequotas":
            # A quota is enforced when its controller has written its status.
            path = namespace.core(plural, document["metadata"]["name"])
            hard = document["spec"]["hard"]
            namespace.until(lambda: namespace.api.get(path).get("status", {}).get("hard") == hard)
        namespace.create(run)

    return produce


def with_policy(group: str, plural: str, message: str, run: Run = FROM_REPORT) -> Producer:
    """Return the producer of a policy that refuses the objects of one kind in the namespace."""

    def produce(namespace: NamespaceFixture) -> None:
        namespace.may_be_forbidden = True
        name = f"refuse-{plural}.{namespace.name}"
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural]}
        here = {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}
        constraints = {
            "resourceRules": [{**rule, "operations": ["CREATE"]}],
            "namespaceSelector": here,
        }
        validation = {"expression": "false", "message": message, "reason": "Forbidden"}
        policy = {"matchConstraints": constraints, "validations": [validation]}
        binding = {"policyName": name, "validationActions": ["Deny"]}
        for kind, spec in (("policies", policy), ("policybindings", binding)):
            document = {"metadata": {"name": name}, "spec": spec}
            namespace.api.must("POST", f"{POLICIES}/validatingadmission{kind}", document)
        path = namespace.jobs_path() if plural == "jobs" else namespace.core(plural)
        body = foreign(plural, "try")
        tried = f"{path}?dryRun=All"
        namespace.until(lambda: namespace.api.request("POST", tried, body).status == 403)
        namespace.create(run)

    return produce


def with_silent_webhook(group: str, plural: str) -> Producer:
    """Return the producer of a webhook whose server does not run."""

    def produce(namespace: NamespaceFixture) -> None:
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural]}
        hook = {
            "name": f"{plural}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{CLOSED_PORT}/"},
            "rules": [{**rule, "operations": ["CREATE"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        document = {"metadata": {"name": f"silent-{plural}.{namespace.name}"}, "webhooks": [hook]}
        namespace.api.must("POST", f"{POLICIES}/validatingwebhookconfigurations", document)
        path = namespace.jobs_path() if plural == "jobs" else namespace.core(plural)
        tried, body = f"{path}?dryRun=All", foreign(plural, "try")
        namespace.until(lambda: namespace.api.request("POST", tried, body).status == 500)
        namespace.create(FROM_REPORT)

    return produce


def on_node(name: str, **spec: Any) -> Producer:
    """Return the producer of a run that fits one node only, which has these fields in its spec."""

    def produce(namespace: NamespaceFixture) -> None:
        label = f"isheep.test/{name}"
        register_node(namespace.api, name, {label: "yes"})
        path = f"/api/v1/nodes/{name}"
        namespace.api.must("PATCH", path, {"spec": spec}, content_type=MERGE_PATCH)
        _created(
            namespace, FROM_REPORT.spec(compute={"processing": {"nodeSelector": {label: "yes"}}})
        )

    return produce


def created_later(namespace: NamespaceFixture, run: Run, make: Callable[[str], None]) -> None:
    """Create a run, call a function with its UID before it starts a Job, and let it start."""
    if run.begins_at is not None:
        namespace.keys = namespace.workers.prefill(run.fields, run.begins_at)
    document = namespace.create(replace(run, begins_at=None).spec(suspend=True))
    make(document["metadata"]["uid"])
    namespace.edit(run.name, suspend=False)


def foreign(plural: str, name: str) -> dict[str, Any]:
    """Return an object of somebody else: a Job, a pod or a Service."""
    container = {"name": "main", "image": "image"}
    pod = {"restartPolicy": "Never", "containers": [container], "schedulerName": "none"}
    specs: dict[str, Any] = {
        "jobs": {"template": {"spec": pod}},
        "pods": pod,
        "services": {"ports": [{"port": 80}]},
    }
    return {"metadata": {"name": name}, "spec": specs[plural]}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _created(namespace: NamespaceFixture, run: Run) -> None:
    namespace.create(run)
