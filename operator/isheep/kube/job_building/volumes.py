"""The volumes of a pod: scratch space, shared memory, the model cache, claims and ConfigMaps. Pure.

A pod can write only to its scratch volume, its shared memory and the model cache. Everything else
is mounted read-only.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubernetes.utils.quantity import parse_quantity

from isheep.api.compute import Pool as PoolSpec
from isheep.api.run import SelfAlignmentRunSpec
from isheep.kube.owners import Document
from isheep.planner.spec_references import claim_names, config_map_names, source_uris
from isheep.planner.types import PodFolders
from isheep.recipes.stage_kinds import StageKind

SCRATCH = "/scratch"
CACHE = "/cache"
POD_FOLDERS = PodFolders(claims="/mnt/pvc", config_maps="/etc/isheep/config-maps")


class PodVolumes:
    """The volumes and the volume mounts of the pods of a stage, as JSON."""

    def __init__(
        self,
        kind: StageKind,
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
        self._add("shm", "/dev/shm", {"emptyDir": memory})  # noqa: S108 (a volume of the pod)
        if spec.compute.model_cache is not None:
            claim = {"claimName": spec.compute.model_cache.claim_name}
            self._add("model-cache", CACHE, {"persistentVolumeClaim": claim})
        for number, name in enumerate(claim_names(source_uris(spec, kind), mirrors)):
            source: Document = {"persistentVolumeClaim": {"claimName": name, "readOnly": True}}
            self._add(f"claim-{number}", f"{POD_FOLDERS.claims}/{name}", source, read_only=True)
        if kind is StageKind.PREPARE:
            for number, name in enumerate(config_map_names(spec)):
                source = {"configMap": {"name": name}}
                path = f"{POD_FOLDERS.config_maps}/{name}"
                self._add(f"config-{number}", path, source, read_only=True)

    def _add(self, name: str, path: str, source: Document, *, read_only: bool = False) -> None:
        self.volumes.append({"name": name, **source})
        mount: Document = {"name": name, "mountPath": path}
        if read_only:
            mount["readOnly"] = True
        self.mounts.append(mount)


def _shm_size(pool: PoolSpec) -> str | None:
    """Return the size of /dev/shm: the field of the spec, or half of the memory limit."""
    if pool.shm_size is not None:
        return str(pool.shm_size)
    limit = pool.resources.limits.get("memory")
    return None if limit is None else str(int(parse_quantity(str(limit)) / 2))
