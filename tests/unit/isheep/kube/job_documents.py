"""Jobs for the tests of the Job builder, and access to the parts of a Job."""

from __future__ import annotations

from typing import Any

from isheep.contract.order import Runtime
from isheep.kube.job_building.jobs import Installation, job_document
from isheep.kube.owners import Owner
from isheep.planner.types import Start

from .builders import RUN_UID, a_start, resolved_from

OWNER = Owner("run", RUN_UID, {})
CHART = Installation("chart-image:1", "IfNotPresent", None, {})
POOLS = (("respond", "inference"), ("train", "training"), ("select", "processing"))


def job_for(
    start: Start | None = None,
    *,
    owner: Owner = OWNER,
    chart: Installation = CHART,
    worker_image: str = "worker:1",
    **spec: Any,
) -> dict[str, Any]:
    """Return the Job of a start, for a run with these fields of the spec."""
    return job_document(start or a_start(), owner, resolved_from(worker_image, **spec), chart)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the pod spec of a Job."""
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def worker_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the worker's container."""
    (container,) = pod_of(job)["containers"]
    return dict(container)


def env_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the variables with their values or the sources of their values."""
    variables = worker_of(job)["env"]
    found = {v["name"]: v.get("value", v.get("valueFrom")) for v in variables}
    assert len(found) == len(variables), "a variable is set twice"
    return found


def mounts_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the volumes by mount path: kind, source, and whether the mount is read-only."""
    volumes = {v["name"]: v for v in pod_of(job)["volumes"]}
    mounts = worker_of(job)["volumeMounts"]
    assert sorted(volumes) == sorted(m["name"] for m in mounts)
    found = {}
    for mount in mounts:
        ((kind, source),) = ((k, v) for k, v in volumes[mount["name"]].items() if k != "name")
        found[mount["mountPath"]] = (kind, source, mount.get("readOnly", False))
    assert len(found) == len(mounts)
    return found


def training_start(nodes: int, **fields: Any) -> Start:
    """Return the start of a training on several nodes."""
    return a_start("train", runtime=Runtime(num_nodes=nodes), parallelism=nodes, **fields)
