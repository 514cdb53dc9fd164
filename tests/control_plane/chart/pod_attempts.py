"""Attempts with fields of pods, of queues, and with code that a model writes."""

from __future__ import annotations

from typing import Any

from .attempts import (
    NAMESPACE,
    POOL,
    SHOWN,
    TEAM,
    TOLERATIONS,
    Attempt,
    near,
    pool,
)


def _pool(title: str, rule: str, shown: str, namespace: str = NAMESPACE, **fields: Any) -> Attempt:
    """An attempt with one field of a pool, which is also the only field of the rule."""
    ((name, _),) = fields.items()
    suffix = ".name" if name == "imagePullSecrets" else ""
    return Attempt(
        title, rule, (POOL + name + suffix,), SHOWN + shown, pool(**fields), namespace=namespace
    )


def _toleration(title: str, shown: str, namespace: str = NAMESPACE, **toleration: str) -> Attempt:
    spec = pool(tolerations=[toleration])
    shows = f"{SHOWN}tolerations: {shown}"
    return Attempt(title, "tolerations", TOLERATIONS, shows, spec, namespace=namespace)


POD_ATTEMPTS = (
    Attempt(
        "code that a model writes",
        "codeExecution",
        ("spec.evaluation.allowCodeExecution",),
        "spec.evaluation.allowCodeExecution: CodeExecution",
        {"evaluation": {"allowCodeExecution": True}},
    ),
    _pool("an own image", "image", "image: evil.example.com/w", image="evil.example.com/w"),
    _pool(
        "an image next to a listed prefix",
        "image",
        "image: registry.example.com/team-2/w",
        TEAM,
        image="registry.example.com/team-2/w",
    ),
    _pool(
        "an image with the listed prefix as its tag's repository",
        "image",
        "image: registry.example.com/team:1/w",
        TEAM,
        image="registry.example.com/team:1/w",
    ),
    _pool(
        "a Secret for another registry",
        "imagePullSecrets",
        "imagePullSecrets: prod-db",
        TEAM,
        imagePullSecrets=[{"name": "prod-db"}],
    ),
    _pool("the pods of a Service", "podLabels", "podLabels: app=web", podLabels={"app": "web"}),
    _pool(
        "another value of a listed label",
        "podLabels",
        "podLabels: app.kubernetes.io/part-of=web",
        TEAM,
        podLabels={"app.kubernetes.io/part-of": "web"},
    ),
    _pool(
        "no AppArmor",
        "podAnnotations",
        "podAnnotations: container.apparmor.security.beta.kubernetes.io/worker",
        podAnnotations={"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"},
    ),
    _pool(
        "an injected identity",
        "podAnnotations",
        "podAnnotations: vault.hashicorp.com/agent-inject",
        TEAM,
        podAnnotations={"vault.hashicorp.com/agent-inject": "true"},
    ),
    _toleration("every taint", "every taint", operator="Exists"),
    _toleration("every taint by an empty key", "every taint", key="", operator="Exists"),
    _toleration(
        "nodes of the control plane",
        "node-role.kubernetes.io/control-plane",
        key="node-role.kubernetes.io/control-plane",
        operator="Exists",
    ),
    _toleration(
        "the nodes of another team", "dedicated=other", TEAM, key="dedicated", value="other"
    ),
    _toleration("the nodes of all teams", "dedicated", TEAM, key="dedicated", operator="Exists"),
    _pool(
        "a priority above the system's",
        "priorityClass",
        "priorityClassName: system-node-critical",
        priorityClassName="system-node-critical",
    ),
    _pool(
        "a runtime without a sandbox",
        "runtimeClass",
        "runtimeClassName: runc",
        TEAM,
        runtimeClassName="runc",
    ),
    _pool("another scheduler", "scheduler", "schedulerName: mine", schedulerName="mine"),
    Attempt(
        "a device of the node as a limit",
        "resources",
        (POOL + "resources.limits",),
        f"{SHOWN}resources.limits: smarter-devices/fuse",
        pool(resources={"limits": {"smarter-devices/fuse": 1}}),
    ),
    Attempt(
        "a device of the node as a request",
        "resources",
        (POOL + "resources.requests",),
        f"{SHOWN}resources.requests: devices.kubevirt.io/kvm",
        pool(resources={"requests": {"devices.kubevirt.io/kvm": 1}}),
        namespace=TEAM,
    ),
    Attempt(
        "devices of a claim",
        "resourceClaims",
        (POOL + "resourceClaims.resourceClaimTemplateName",),
        f"{SHOWN}resourceClaims: fuse",
        pool(resourceClaims=[{"name": "device", "resourceClaimTemplateName": "fuse"}]),
        namespace=TEAM,
    ),
    Attempt(
        "no pods of other namespaces on its nodes",
        "otherNamespaces",
        (POOL + "affinity.podAntiAffinity",),
        f"{SHOWN}affinity.podAntiAffinity names other namespaces",
        near("podAntiAffinity", "required", namespaceSelector={}, labelSelector={}),
    ),
    Attempt(
        "pods near the pods of another namespace",
        "otherNamespaces",
        (POOL + "affinity.podAffinity",),
        f"{SHOWN}affinity.podAffinity names other namespaces",
        near("podAffinity", "preferred", namespaces=["kube-system"]),
    ),
    Attempt(
        "the quota of another queue",
        "queueLabels",
        ("metadata.labels",),
        "metadata.labels: kueue.x-k8s.io/queue-name=other",
        {},
        labels={"kueue.x-k8s.io/queue-name": "other"},
        namespace=TEAM,
    ),
    Attempt(
        "a priority in the queue",
        "queueLabels",
        ("metadata.labels",),
        "metadata.labels: kueue.x-k8s.io/priority-class=high",
        {},
        labels={"kueue.x-k8s.io/priority-class": "high"},
    ),
)
