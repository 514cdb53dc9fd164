"""The second container of a pod whose stage executes generated code. Pure.

The container has the worker's image, and nothing of the pod besides it: no environment, no Secrets,
no token, another user, a read-only root file system. Programs and verdicts are in two volumes, and
each container can write one of them only. Inside the container, the worker's package `sandbox`
confines each program further.

It is an init container that is restarted, which Kubernetes ends when the worker has ended. So the
Job completes without it.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.labels import SANDBOX_CONTAINER, SANDBOX_VARIABLE
from isheep.kube.owners import Document
from isheep.planner.types import Start
from isheep.recipes.stage_kinds import StageKind

FOLDER = "/sandbox"
USER = 65533
"""The user and group id of the container; the worker has another one."""
_VOLUMES = {"sandbox-programs": ("programs", "64Mi"), "sandbox-verdicts": ("verdicts", "16Mi")}
"""The volumes with their folder and their size."""
_WRITTEN = "sandbox-verdicts"
"""The volume that the sandbox writes; the worker writes the other one."""
_RESOURCES: Document = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    # A program can use one processor and 1 GiB.
    "limits": {"cpu": "1", "memory": "1536Mi"},
}
_KINDS = (StageKind.PREPARE, StageKind.SCORE)
"""prepare runs an empty program, so that a node that cannot confine it is known early."""


def needs_sandbox(start: Start, spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the pods of a start have the container."""
    if spec.evaluation is None or not spec.evaluation.allow_code_execution:
        return False
    whole_run = start.walk is not None and start.walk.grouping == "Run"
    return whole_run or any(StageKind(step.kind) in _KINDS for step in start.order.steps)


def add_sandbox(pod: Document, worker: Document) -> None:
    """Add the container to a pod, and give the worker what it needs to use it."""
    worker["env"] = [*worker["env"], {"name": SANDBOX_VARIABLE, "value": FOLDER}]
    worker["volumeMounts"] = [*worker["volumeMounts"], *_mounts(writes_verdicts=False)]
    pod["volumes"] = [
        *pod["volumes"],
        *({"name": name, "emptyDir": {"sizeLimit": size}} for name, (_, size) in _VOLUMES.items()),
    ]
    pod["initContainers"] = [_container(worker)]


def _container(worker: Document) -> Document:
    return {
        "name": SANDBOX_CONTAINER,
        "image": worker["image"],
        "imagePullPolicy": worker["imagePullPolicy"],
        "args": ["sandbox", FOLDER],
        "restartPolicy": "Always",
        "resources": _RESOURCES,
        "volumeMounts": _mounts(writes_verdicts=True),
        "securityContext": {
            **worker["securityContext"],
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
        },
    }


def _mounts(*, writes_verdicts: bool) -> list[Document]:
    found: list[Document] = []
    for name, (folder, _) in _VOLUMES.items():
        mount: Document = {"name": name, "mountPath": f"{FOLDER}/{folder}"}
        if (name == _WRITTEN) != writes_verdicts:
            mount["readOnly"] = True
        found.append(mount)
    return found
