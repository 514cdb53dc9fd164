"""The Job builder: a `Start` of the plan as a Kubernetes Job. Pure.

Every pod runs as an unprivileged user with a read-only root file system and without a token for
the API server. The order is in an environment variable, so a pod needs no access to the cluster.
`volumes` builds the pod's volumes, and `pod_failure_policy` the fields for failed pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isheep.api.compute import Pool as PoolSpec
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import AppArmorProfile
from isheep.contract.labels import CONTAINER, RUN_LABEL
from isheep.contract.order import (
    JUDGE_API_KEY,
    StageOrder,
    canonical_order,
    order_sha256,
)
from isheep.kube import names
from isheep.kube.config import OperatorConfig
from isheep.kube.job_building.avoided_nodes import without_nodes
from isheep.kube.job_building.pod_failure_policy import failure_fields
from isheep.kube.job_building.sandbox import add_sandbox, needs_sandbox
from isheep.kube.job_building.volumes import CACHE, SCRATCH, PodVolumes
from isheep.kube.owners import Document, Owner, owner_references
from isheep.logs import LogFormat
from isheep.planner.pinning import Resolved, spec_of
from isheep.planner.types import Start
from isheep.recipes.stage_kinds import StageKind

USER = 65532
"""The user and group id of every pod; the image has no other user."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts of the operator's configuration that go into Jobs."""

    image: str
    image_pull_policy: str
    default_secret: str | None
    mirrors: Mapping[str, str]
    log_format: LogFormat = "Text"
    app_armor_profile: AppArmorProfile | None = None


def installation_of(config: OperatorConfig) -> Installation:
    """Return the parts of the configuration that go into Jobs."""
    s3 = config.default_s3
    secret = s3.secret_ref.name if s3 is not None and s3.secret_ref is not None else None
    return Installation(
        image=config.worker_image,
        image_pull_policy=config.worker_image_pull_policy,
        default_secret=secret,
        mirrors=config.model_mirrors,
        log_format=config.log_format,
        app_armor_profile=config.app_armor_profile,
    )


def job_document(start: Start, owner: Owner, resolved: Resolved, chart: Installation) -> Document:
    """Return the Job for a start; raises `ContractError` if the order is too large."""
    order, spec = start.order, spec_of(resolved)
    text = canonical_order(order)
    labels = _labels(start, owner)
    job: Document = {
        "completionMode": "Indexed",
        "completions": start.parallelism,
        "parallelism": start.parallelism,
        **failure_fields(trains_together=trains_together(start)),
        "podReplacementPolicy": "Failed",
        "template": _pod_template(
            start, text, labels=labels, owner=owner, spec=spec, resolved=resolved, chart=chart
        ),
    }
    if start.deadline_seconds is not None:
        job["activeDeadlineSeconds"] = start.deadline_seconds
    if names.KUEUE_QUEUE_LABEL in owner.kueue_labels:
        job["suspend"] = True
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(start, owner),
            "namespace": order.run.namespace,
            "labels": {**owner.kueue_labels, **labels},
            "annotations": {
                names.STEPS_ANNOTATION: _steps(order),
                names.ORDER_ANNOTATION: order_sha256(text),
                **_asked_labels(owner),
                **({names.WALK_ANNOTATION: names.dump_walk(start.walk)} if start.walk else {}),
                **_avoided(start),
            },
            "ownerReferences": owner_references(owner),
        },
        "spec": job,
    }


def trains_together(start: Start) -> bool:
    """Return whether the pods of a start are the nodes of one training."""
    return start.order.runtime.num_nodes > 1


def name_of(start: Start, owner: Owner) -> str:
    """Return the name of the Job for a start."""
    first = start.order.steps[0]
    return names.job_name(
        owner.name, owner.uid, stage=first.id, key=first.key, attempt=start.order.attempt
    )


def _labels(start: Start, owner: Owner) -> dict[str, str]:
    step = start.order.steps[0]
    labels = {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        RUN_LABEL: owner.name,
        names.RUN_UID_LABEL: owner.uid,
        names.STAGE_LABEL: step.kind,
        names.ITERATION_LABEL: str(step.iteration),
        names.ATTEMPT_LABEL: str(start.order.attempt),
        names.POOL_LABEL: str(start.pool),
    }
    if step.round is not None:
        labels[names.ROUND_LABEL] = str(step.round)
    return labels


def _asked_labels(owner: Owner) -> dict[str, str]:
    """Return the annotation by which the operator later finds out that the labels have changed."""
    if not owner.kueue_labels:
        return {}
    return {names.KUEUE_LABELS_ANNOTATION: names.dump_labels(owner.kueue_labels)}


def _steps(order: StageOrder) -> str:
    return names.dump_steps((step.id, step.key) for step in order.steps)


def _pod_template(
    start: Start,
    text: str,
    *,
    labels: Mapping[str, str],
    owner: Owner,
    spec: SelfAlignmentRunSpec,
    resolved: Resolved,
    chart: Installation,
) -> Document:
    pool = spec.compute.pool(start.pool)
    image = pool.image or resolved.worker_image or chart.image
    volumes = PodVolumes(StageKind(start.order.steps[0].kind), spec, pool, chart.mirrors)
    container: Document = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": chart.image_pull_policy,
        "env": _environment(
            start, text, owner=owner, image=image, spec=spec, pool=pool, chart=chart
        ),
        "ports": [{"name": "http", "containerPort": names.HTTP_PORT}],
        "resources": _resources(pool),
        "volumeMounts": volumes.mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            **_app_armor(chart),
        },
    }
    pod: Document = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": pool.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            **_app_armor(chart),
        },
        "containers": [container],
        "volumes": volumes.volumes,
        **_placement(pool, start.avoided_nodes),
    }
    if needs_sandbox(start, spec):
        add_sandbox(pod, container)
    if trains_together(start):
        pod["subdomain"] = names.service_name(owner.name, owner.uid)
    if spec.service_account_name is not None:
        pod["serviceAccountName"] = spec.service_account_name
    return {
        "metadata": {
            "labels": {**pool.pod_labels, **labels},
            "annotations": dict(pool.pod_annotations),
        },
        "spec": pod,
    }


def _app_armor(chart: Installation) -> Document:
    """Return the AppArmor field of a pod and of its container.

    A deprecated annotation of the pod sets the profile of a container whose own field is absent,
    even if the pod has the field. The pod's field is for containers that a webhook adds.
    """
    if chart.app_armor_profile is None:
        return {}
    return {"appArmorProfile": {"type": chart.app_armor_profile}}


def _avoided(start: Start) -> Document:
    """Return the annotation that says which nodes the pods exclude."""
    nodes = ",".join(start.avoided_nodes)
    return {names.AVOIDED_NODES_ANNOTATION: nodes} if nodes else {}


def _placement(pool: PoolSpec, avoided_nodes: Sequence[str]) -> Document:
    """Return the fields that a pool and a pod spec have in common, if they are set."""
    document = pool.document()
    if avoided_nodes:
        document["affinity"] = without_nodes(document.get("affinity") or {}, avoided_nodes)
    fields = (
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "imagePullSecrets",
        "resourceClaims",
    )
    return {name: document[name] for name in fields if document.get(name)}


def _resources(pool: PoolSpec) -> Document:
    """Return the resources of the worker, which gets the devices of all claims."""
    document = pool.resources.document()
    claims = [{"name": claim.name} for claim in pool.resource_claims]
    return {**document, "claims": claims} if claims else document


def _environment(
    start: Start,
    text: str,
    *,
    owner: Owner,
    image: str,
    spec: SelfAlignmentRunSpec,
    pool: PoolSpec,
    chart: Installation,
) -> list[Document]:
    plain = {
        # The kubelet expands $(NAME) in values and turns $$ into $, so every $ is doubled.
        "ISHEEP_ORDER": text.replace("$", "$$"),
        "ISHEEP_ORDER_SHA256": order_sha256(text),
        "ISHEEP_WORKERS": str(start.parallelism),
        "ISHEEP_IMAGE": image,
        "ISHEEP_HTTP_PORT": str(names.HTTP_PORT),
        "ISHEEP_GRACE_SECONDS": str(pool.termination_grace_period_seconds),
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
    }
    if chart.log_format == "Json":
        plain["ISHEEP_LOG_FORMAT"] = "json"
    if spec.compute.model_cache is not None:
        plain["XDG_CACHE_HOME"] = CACHE
    if trains_together(start):
        first = f"{name_of(start, owner)}-0.{names.service_name(owner.name, owner.uid)}"
        plain["ISHEEP_RENDEZVOUS"] = f"{first}:{names.RENDEZVOUS_PORT}"
    variables: list[Document] = [{"name": n, "value": v} for n, v in plain.items()]
    variables += _credentials(spec, chart.default_secret)
    variables += _judge_key(start, spec)
    if "cpu" in pool.resources.limits:
        source = {"containerName": CONTAINER, "resource": "limits.cpu"}
        variables.append({"name": "OMP_NUM_THREADS", "valueFrom": {"resourceFieldRef": source}})
    own = {variable.name for variable in pool.env}
    return [*(v for v in variables if v["name"] not in own), *(v.document() for v in pool.env)]


def _credentials(spec: SelfAlignmentRunSpec, default_secret: str | None) -> list[Document]:
    s3 = spec.storage.s3 if spec.storage is not None else None
    if spec.storage is None:
        secret = default_secret
    else:
        secret = s3.secret_ref.name if s3 is not None and s3.secret_ref is not None else None
    found: list[Document] = []
    if secret is not None:
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            found.append(_from_secret(key, secret, key))
        found.append(_from_secret("AWS_SESSION_TOKEN", secret, "AWS_SESSION_TOKEN", optional=True))
    if spec.model.secret_ref is not None:
        found.append(_from_secret("HF_TOKEN", spec.model.secret_ref.name, "token"))
    return found


def _judge_key(start: Start, spec: SelfAlignmentRunSpec) -> list[Document]:
    """Return the variable with the key of the judge's endpoint, for pods that ask the endpoint."""
    endpoint = spec.judge.endpoint if spec.judge is not None else None
    if endpoint is None or endpoint.secret_ref is None:
        return []
    whole_run = start.walk is not None and start.walk.grouping == "Run"
    asks = any(
        step.kind == StageKind.PREPARE or "endpoint" in step.settings for step in start.order.steps
    )
    if not whole_run and not asks:
        return []
    return [_from_secret(JUDGE_API_KEY, endpoint.secret_ref.name, "apiKey")]


def _from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> Document:
    reference: Document = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
