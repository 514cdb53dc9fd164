"""The Job builder: a Start of the plan as a Kubernetes Job. Pure.

Every pod runs as an unprivileged user with a read-only root and no token of the API
server: what it may write are two volumes of its own, what it may read is the bucket.
The order travels in an environment variable, so a pod needs nothing of the cluster.

The exit codes decide what Kubernetes does by itself (`podFailurePolicy`): disruptions
and requested stops are not counted, bad input, defects and a full device end the Job at
once, whatever else is tried again, three times an index. Pods that train together cannot do
without one of them: any that fails, for whichever reason, ends their Job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from isheep.api.compute import Compute
from isheep.api.compute import Pool as PoolSpec
from isheep.api.run import GROUP, KIND, VERSION, SelfAlignmentRunSpec
from isheep.contract.exit_codes import ExitCode
from isheep.contract.mirrors import mirrored
from isheep.contract.order import StageOrder, canonical_order, order_sha256
from isheep.kube import names
from isheep.planner.pinning import Resolved, spec_of
from isheep.planner.types import Start
from isheep.recipes.interface import Pool, StageKind

USER = 65532
SCRATCH = "/scratch"
CACHE = "/cache"
CONFIG_MAPS = "/etc/isheep/config-maps"
CLAIMS = "/mnt/pvc"
CLAIM_SCHEME = "pvc://"
RETRIES_PER_INDEX = 3

_UNITS = {
    **{unit: Decimal(1000) ** n for n, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{unit: Decimal(1024) ** (n + 1) for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"))},
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """The run that a Job belongs to."""

    name: str
    uid: str
    kueue_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Installation:
    """What the operator's configuration adds: image policy, default Secret, mirrors."""

    image: str
    image_pull_policy: str
    default_secret: str | None
    mirrors: Mapping[str, str]


def job_document(start: Start, owner: Owner, resolved: Resolved, chart: Installation) -> Document:
    """Return the Job that carries out a start; raises `ContractError` for too large an order."""
    order, spec = start.order, spec_of(resolved)
    text = canonical_order(order)
    labels = _labels(start, owner)
    job: Document = {
        "completionMode": "Indexed",
        "completions": start.parallelism,
        "parallelism": start.parallelism,
        **_failures(start),
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
            },
            "ownerReferences": _owner_references(owner),
        },
        "spec": job,
    }


def trains_together(start: Start) -> bool:
    """Whether the pods of a start are one training, each a node of it."""
    return start.order.runtime.num_nodes > 1


def service_document(owner: Owner, namespace: str) -> Document:
    """Return the headless Service that gives the training pods of a run names.

    One a run, and the run's: it serves each attempt, and goes when the run goes. Pods have
    their names before they are ready, for they are ready only once they have met.
    """
    selected = {names.RUN_UID_LABEL: owner.uid, names.STAGE_LABEL: str(StageKind.TRAIN)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.service_name(owner.name, owner.uid),
            "namespace": namespace,
            "labels": {
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                names.RUN_LABEL: owner.name,
                names.RUN_UID_LABEL: owner.uid,
            },
            "ownerReferences": _owner_references(owner),
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selected,
            "ports": [{"name": "rendezvous", "port": names.RENDEZVOUS_PORT}],
        },
    }


def name_of(start: Start, owner: Owner) -> str:
    """Return the name of the Job that carries out a start."""
    first = start.order.steps[0]
    return names.job_name(
        owner.name, owner.uid, stage=first.id, key=first.key, attempt=start.order.attempt
    )


def claims_of(uris: Iterable[str], mirrors: Mapping[str, str]) -> list[str]:
    """Return the claims that URIs lead to, by themselves or by mirrors."""
    places = (mirrored(uri, mirrors) for uri in uris)
    found = (p.removeprefix(CLAIM_SCHEME) for p in places if p.startswith(CLAIM_SCHEME))
    return sorted({rest.partition("/")[0] for rest in found})


def sources_of(spec: SelfAlignmentRunSpec, kind: str) -> list[str]:
    """Return the URIs that a stage reads besides the store: the model, and what prepare copies."""
    uris = [spec.model.storage_uri]
    if kind == StageKind.PREPARE:
        uris += [spec.seed_tasks.storage_uri] if spec.seed_tasks.storage_uri else []
        uris += [benchmark.storage_uri for benchmark in spec.curation.decontamination.benchmarks]
    return uris


def claim_mirrors(uris: Iterable[str], mirrors: Mapping[str, str]) -> dict[str, str]:
    """Return where the claims of URIs are mounted, as mirrors."""
    return {f"{CLAIM_SCHEME}{name}": f"{CLAIMS}/{name}" for name in claims_of(uris, mirrors)}


def is_service(found: Mapping[str, Any], document: Document) -> bool:
    """Whether a Service that there is does what the document's would, for the same run."""
    owners = {reference["uid"] for reference in found["metadata"].get("ownerReferences") or ()}
    wanted = {reference["uid"] for reference in document["metadata"]["ownerReferences"]}
    fields = ("clusterIP", "publishNotReadyAddresses", "selector")
    spec = found.get("spec") or {}
    return wanted <= owners and all(spec.get(f) == document["spec"][f] for f in fields)


def _owner_references(owner: Owner) -> list[Document]:
    return [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": owner.name,
            "uid": owner.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def _failures(start: Start) -> Document:
    """Return what follows from the failure of a pod."""
    if trains_together(start):
        return {"backoffLimit": 0}
    return {
        "backoffLimitPerIndex": RETRIES_PER_INDEX,
        "maxFailedIndexes": 0,
        "podFailurePolicy": {"rules": _failure_rules()},
    }


def _failure_rules() -> list[Document]:
    def on(action: str, *codes: ExitCode) -> Document:
        values = sorted(int(code) for code in codes)
        requirement = {"containerName": names.CONTAINER, "operator": "In", "values": values}
        return {"action": action, "onExitCodes": requirement}

    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        on("FailJob", ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY),
        on("Ignore", ExitCode.STOPPED),
    ]


def _labels(start: Start, owner: Owner) -> dict[str, str]:
    step = start.order.steps[0]
    labels = {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.RUN_LABEL: owner.name,
        names.RUN_UID_LABEL: owner.uid,
        names.STAGE_LABEL: step.kind,
        names.ITERATION_LABEL: str(step.iteration),
        names.ATTEMPT_LABEL: str(start.order.attempt),
        names.POOL_LABEL: str(start.pool),
    }
    if step.round is not None:
        labels[names.ROUND_LABEL] = str(step.round)
    return labels


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
    pool = _pool(spec.compute, start.pool)
    image = pool.image or resolved.worker_image or chart.image
    mounts = _Mounts(start, spec, pool, chart.mirrors)
    container: Document = {
        "name": names.CONTAINER,
        "image": image,
        "imagePullPolicy": chart.image_pull_policy,
        "env": _environment(
            start, text, owner=owner, image=image, spec=spec, pool=pool, chart=chart
        ),
        "ports": [{"name": "http", "containerPort": names.HTTP_PORT}],
        "resources": pool.resources.document(),
        "volumeMounts": mounts.mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
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
        },
        "containers": [container],
        "volumes": mounts.volumes,
        **_placement(pool),
    }
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


def _pool(compute: Compute, pool: Pool) -> PoolSpec:
    pools: Mapping[Pool, PoolSpec] = {
        Pool.INFERENCE: compute.inference,
        Pool.TRAINING: compute.training,
        Pool.PROCESSING: compute.processing,
    }
    return pools[pool]


def _placement(pool: PoolSpec) -> Document:
    """Return the fields that a pool and a pod spec have in common, where they are set."""
    document = pool.document()
    fields = (
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "imagePullSecrets",
    )
    return {name: document[name] for name in fields if document.get(name)}


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
        # The kubelet expands $(NAME) in values and makes one of two dollars.
        "ISHEEP_ORDER": text.replace("$", "$$"),
        "ISHEEP_ORDER_SHA256": order_sha256(text),
        "ISHEEP_WORKERS": str(start.parallelism),
        "ISHEEP_IMAGE": image,
        "ISHEEP_HTTP_PORT": str(names.HTTP_PORT),
        "ISHEEP_GRACE_SECONDS": str(pool.termination_grace_period_seconds),
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
    }
    if spec.compute.model_cache is not None:
        plain["XDG_CACHE_HOME"] = CACHE
    if trains_together(start):
        first = f"{name_of(start, owner)}-0.{names.service_name(owner.name, owner.uid)}"
        plain["ISHEEP_RENDEZVOUS"] = f"{first}:{names.RENDEZVOUS_PORT}"
    variables: list[Document] = [{"name": n, "value": v} for n, v in plain.items()]
    variables += _credentials(spec, chart.default_secret)
    if "cpu" in pool.resources.limits:
        source = {"containerName": names.CONTAINER, "resource": "limits.cpu"}
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


def _from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> Document:
    reference: Document = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


class _Mounts:
    """The volumes of a pod and where they are: scratch, shared memory, and what is read."""

    def __init__(
        self,
        start: Start,
        spec: SelfAlignmentRunSpec,
        pool: PoolSpec,
        mirrors: Mapping[str, str],
    ) -> None:
        self.volumes: list[Document] = []
        self.mounts: list[Document] = []
        self._add("scratch", SCRATCH, {"emptyDir": {}})
        memory: Document = {"medium": "Memory"}
        if (size := _shm_size(pool)) is not None:
            memory["sizeLimit"] = size
        self._add("shm", "/dev/shm", {"emptyDir": memory})  # noqa: S108 (the pod's own)
        if spec.compute.model_cache is not None:
            claim = {"claimName": spec.compute.model_cache.claim_name}
            self._add("model-cache", CACHE, {"persistentVolumeClaim": claim})
        kind = start.order.steps[0].kind
        for number, name in enumerate(claims_of(sources_of(spec, kind), mirrors)):
            source: Document = {"persistentVolumeClaim": {"claimName": name, "readOnly": True}}
            self._add(f"claim-{number}", f"{CLAIMS}/{name}", source, read_only=True)
        if kind == StageKind.PREPARE:
            for number, name in enumerate(config_maps_of(spec)):
                source = {"configMap": {"name": name}}
                self._add(f"config-{number}", f"{CONFIG_MAPS}/{name}", source, read_only=True)

    def _add(self, name: str, path: str, source: Document, *, read_only: bool = False) -> None:
        self.volumes.append({"name": name, **source})
        mount: Document = {"name": name, "mountPath": path}
        if read_only:
            mount["readOnly"] = True
        self.mounts.append(mount)


def config_maps_of(spec: SelfAlignmentRunSpec) -> list[str]:
    """Return the names of the ConfigMaps that prepare reads."""
    found = {spec.prompts_ref.name} if spec.prompts_ref is not None else set()
    if spec.seed_tasks.config_map_ref is not None:
        found.add(spec.seed_tasks.config_map_ref.name)
    return sorted(found)


def _shm_size(pool: PoolSpec) -> str | None:
    """Return the size of /dev/shm: what the spec says, else half of the memory limit."""
    if pool.shm_size is not None:
        return str(pool.shm_size)
    limit = pool.resources.limits.get("memory")
    if limit is None:
        return None
    number = quantity(str(limit))
    return None if number is None else str(int(number / 2))


def quantity(text: str) -> Decimal | None:
    """Return a Kubernetes quantity as a number; None for what is none."""
    unit = text.lstrip("+-.0123456789")
    digits = text[: len(text) - len(unit)]
    if unit[:1] in ("e", "E") and len(unit) > 1:
        digits, unit = text, ""
    factor = Decimal("0.001") if unit == "m" else _UNITS.get(unit)
    try:
        return None if factor is None else Decimal(digits) * factor
    except InvalidOperation:
        return None
