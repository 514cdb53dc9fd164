"""The pods of each Job are what the run and the installation ask for, and nothing else.

docs/reference/selfalignmentrun.md and the chart's values say what each field of a pool leads to,
and docs/security.md what a pod may do. So each field of a Job and of its pods has one value that is
right, and no other field exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from isheep.contract.choices import GRACE_SECONDS
from isheep.contract.exit_codes import ExitCode

from ...control_plane.harness.invariants import steps_of
from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..queue import QUEUE_LABEL
from .true_failure import UID_LABEL

POOL_LABEL = "isheep.dev/pool"
KUEUE, MOST_LABELS = "kueue.x-k8s.io/", 16
"""The labels for Kueue, and how many of them a Job has at most (`kube/cache/bounds.py`)."""
USER = 65532
PROFILE: Json = {"appArmorProfile": {"type": "RuntimeDefault"}}
CLAIM = "models"
"""The volume that the mirror of the simulated installation leads to."""
POD: Json = {
    "restartPolicy": "Never",
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
        **PROFILE,
    },
}
CONTAINER: Json = {
    "name": "worker",
    "imagePullPolicy": "Always",
    "ports": [{"name": "http", "containerPort": 8080}],
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        **PROFILE,
    },
}
PLACEMENT = (
    *("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "schedulerName"),
    "imagePullSecrets",
)
FINAL = sorted((int(ExitCode.BAD_INPUT), int(ExitCode.DEFECT), int(ExitCode.DEVICE_MEMORY)))
RULES: list[Json] = [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    *(
        {
            "action": action,
            "onExitCodes": {"containerName": "worker", "operator": "In", "values": codes},
        }
        for action, codes in (("FailJob", FINAL), ("Ignore", [int(ExitCode.STOPPED)]))
    ),
]
JOB: Json = {
    "completionMode": "Indexed",
    "backoffLimitPerIndex": 3,
    "maxFailedIndexes": 0,
    "podFailurePolicy": {"rules": RULES},
    "podReplacementPolicy": "Failed",
}
OTHERS = ("completions", "parallelism", "template", "activeDeadlineSeconds", "suspend")
"""What `true_jobs` compares."""


def violations(history: History) -> list[str]:
    """Return the Jobs with a field that differs from what their run asks for."""
    runs: dict[str, Json] = {}
    found = []
    for change in history.changes:
        metadata = change.document["metadata"]
        if change.resource == RUNS:
            runs[metadata["uid"]] = change.document
        if change.resource == JOBS and change.kind == "ADDED":
            run = runs.get(metadata["labels"].get(UID_LABEL, ""))
            if run is not None:
                found += [f"{metadata['name']} {why}" for why in _wrong(change.document, run)]
    return found


def _wrong(job: Json, run: Json) -> Iterator[str]:
    spec, template = job["spec"], job["spec"]["template"]
    name = job["metadata"]["labels"][POOL_LABEL]
    pool: Json = (run["spec"].get("compute") or {}).get(name) or {}
    yield from _differences("the Job", {n: v for n, v in spec.items() if n not in OTHERS}, JOB)
    yield from _wrong_metadata(job["metadata"], run["metadata"])
    labels = {n: v for n, v in job["metadata"]["labels"].items() if "kueue" not in n}
    wanted = {"labels": {**labels, **pool.get("podLabels", {})}}
    wanted["annotations"] = pool.get("podAnnotations", {})
    yield from _differences("the metadata", template["metadata"], wanted)
    pod = dict(template["spec"])
    (container,), volumes = pod.pop("containers"), pod.pop("volumes")
    affinity = _filled(pod.pop("affinity", {}))
    yield from _differences("the pods", pod, _pod(pool, run))
    if affinity != _affinity(job, pool):
        yield f"has the affinity {affinity}"
    container = dict(container)
    env = {one["name"]: one for one in container.pop("env")}
    mounts = {one["name"]: one for one in container.pop("volumeMounts")}
    yield from _differences("the container", container, _container(pool))
    yield from _differences("the environment", env, _env(job, run, pool, container["image"]))
    placed = {one["name"]: {**one, **mounts.pop(one["name"], {})} for one in volumes}
    yield from _differences("the volumes", placed, _volumes(run, pool))
    if mounts:
        yield f"mounts {', '.join(mounts)}, which are no volumes"


def _wrong_metadata(metadata: Json, run: Json) -> Iterator[str]:
    """Yield the wrong owner of a Job, and the annotations that are missing or too many."""
    owner = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "name": run["name"],
        "uid": run["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    if metadata["ownerReferences"] != [owner]:
        yield f"has the owners {metadata['ownerReferences']}"
    passed = {name for name in metadata["labels"] if name.startswith(KUEUE)}
    if passed != _passed_on(run.get("labels") or {}):
        yield f"has the labels {sorted(passed)} for Kueue"
    queued = bool(passed)
    found = {name.removeprefix("isheep.dev/") for name in metadata["annotations"]}
    wanted = {"steps", "order-sha256", *(("kueue-labels",) if queued else ())}
    if found - {"walk", "avoided-nodes"} != wanted:
        yield f"has the annotations {sorted(found)}"


def _passed_on(labels: Mapping[str, str]) -> set[str]:
    """Return which labels of a run its Jobs have: the queue, and the first other ones by name."""
    others = sorted(name for name in labels if name.startswith(KUEUE) and name != QUEUE_LABEL)
    own = {QUEUE_LABEL} & labels.keys()
    return own | set(others[: MOST_LABELS - len(own)])


def _differences(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    if found != wanted:
        for name in found.keys() | wanted.keys():
            if found.get(name) != wanted.get(name):
                yield f"has {name}={found.get(name)} in {what}, and not {wanted.get(name)}"


def _pod(pool: Json, run: Json) -> Json:
    found = {**POD, "terminationGracePeriodSeconds": _grace(pool)}
    if "serviceAccountName" in run["spec"]:
        found["serviceAccountName"] = run["spec"]["serviceAccountName"]
    return {**found, **{name: pool[name] for name in PLACEMENT if pool.get(name)}}


def _grace(pool: Json) -> int:
    return int(pool.get("terminationGracePeriodSeconds", GRACE_SECONDS))


def _affinity(job: Json, pool: Json) -> Json:
    """Return the affinity of a pool, with the exclusion of the nodes that the Job avoids."""
    wanted = json.loads(json.dumps(pool.get("affinity") or {}))
    nodes = job["metadata"]["annotations"].get("isheep.dev/avoided-nodes")
    if nodes:
        rules = [
            {"key": "metadata.name", "operator": "NotIn", "values": [node]}
            for node in sorted(nodes.split(","))
        ]
        required = wanted.setdefault("nodeAffinity", {}).setdefault(
            "requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": [{}]}
        )
        for term in required["nodeSelectorTerms"]:
            term["matchFields"] = rules
    return wanted if isinstance(wanted, dict) else {}


def _filled(value: Any) -> Any:
    """Return a value without the empty members of its objects."""
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one) for name, one in value.items() if one not in ([], {})}
    return value


def _container(pool: Json) -> Json:
    resources = pool.get("resources") or {}
    whole = {name: resources.get(name, {}) for name in ("requests", "limits")}
    return {**CONTAINER, "image": pool.get("image", "image-1"), "resources": whole}


def _env(job: Json, run: Json, pool: Json, image: str) -> dict[str, Json]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    # `true_jobs` reads the order.
    order = {v["name"]: v for v in container["env"] if v["name"].startswith("ISHEEP_ORDER")}
    spec = run["spec"]
    values = {
        "ISHEEP_WORKERS": str(job["spec"]["parallelism"]),
        "ISHEEP_IMAGE": image,
        "ISHEEP_HTTP_PORT": "8080",
        "ISHEEP_GRACE_SECONDS": str(_grace(pool)),
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "ISHEEP_LOG_FORMAT": "json",
    }
    if "modelCache" in (spec.get("compute") or {}):
        values["XDG_CACHE_HOME"] = "/cache"
    found: dict[str, Json] = {n: {"name": n, "value": value} for n, value in values.items()}
    for name, secret, key in _secrets(job, spec):
        found[name] = _secret(name, secret, key)
    if "cpu" in (pool.get("resources") or {}).get("limits", {}):
        source = {"containerName": "worker", "resource": "limits.cpu"}
        limit = {"resourceFieldRef": source}
        found["OMP_NUM_THREADS"] = {"name": "OMP_NUM_THREADS", "valueFrom": limit}
    return {**order, **found, **{one["name"]: one for one in pool.get("env", ())}}


def _secrets(job: Json, spec: Json) -> Iterator[tuple[str, str, str]]:
    """Yield the variables with a Secret, the Secret, and its key."""
    s3 = ((spec.get("storage") or {}).get("s3") or {}) if "storage" in spec else None
    store = "installation" if s3 is None else (s3.get("secretRef") or {}).get("name")
    if store is not None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            yield name, store, name
    if "secretRef" in spec["model"]:
        yield "HF_TOKEN", spec["model"]["secretRef"]["name"], "token"
    judge = ((spec.get("judge") or {}).get("endpoint") or {}).get("secretRef")
    if judge is not None and _asks_judge(job):
        yield "ISHEEP_JUDGE_API_KEY", judge["name"], "apiKey"


def _asks_judge(job: Json) -> bool:
    """Return whether the pods of a Job come to a stage that asks the judge, or check it."""
    walk = json.loads(job["metadata"]["annotations"].get("isheep.dev/walk") or "{}")
    if walk.get("grouping") == "Run":
        return True
    return any(stage == "prepare" or "/judge/" in stage for stage, _ in steps_of(job))


def _secret(name: str, secret: str, key: str) -> Json:
    reference: Json = {"name": secret, "key": key}
    if name == "AWS_SESSION_TOKEN":
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def _volumes(run: Json, pool: Json) -> dict[str, Json]:
    """Return the volumes by name, each with its place in the container."""
    memory: Json = {"medium": "Memory"}
    if "shmSize" in pool:
        memory["sizeLimit"] = pool["shmSize"]
    elif "memory" in (pool.get("resources") or {}).get("limits", {}):
        memory["sizeLimit"] = str(4 * 2**30)
    places: list[Json] = [
        {"name": "scratch", "emptyDir": {}, "mountPath": "/scratch"},
        {"name": "shm", "emptyDir": memory, "mountPath": "/dev/shm"},
    ]
    if "modelCache" in (run["spec"].get("compute") or {}):
        claim = {"claimName": run["spec"]["compute"]["modelCache"]["claimName"]}
        places.append(
            {"name": "model-cache", "persistentVolumeClaim": claim, "mountPath": "/cache"}
        )
    claim = {"claimName": CLAIM, "readOnly": True}
    mount = {"mountPath": f"/mnt/pvc/{CLAIM}", "readOnly": True}
    places.append({"name": "claim-0", "persistentVolumeClaim": claim, **mount})
    return {one["name"]: one for one in places}
