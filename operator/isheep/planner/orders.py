"""Which stages can be started now, and the orders that start them.

A stage is ready when every stage that it reads is committed. That is usually one
(and the report of the iteration before beside it). With `compute.inference.jobs:
Joined`, neighbours that load the same model become one order: they share their
items, part by part, so none has to wait for the other's last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef, Runtime, Sources, StageOrder, Step
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner import pinning
from isheep.planner.pinning import PlanningError, Resolved
from isheep.planner.types import Environment, RunView, Start
from isheep.planner.walk import Walk
from isheep.recipes.interface import PART_ITEMS, Pool, Stage, StageKind

PREPARE_DEADLINE_SECONDS = 1800
"""Time for prepare, its image's pull included; it is repeated, so this only ends what hangs."""
_MIG = "nvidia.com/mig-"
"""How NVIDIA's device plugin names a slice of a GPU; the rest is its size."""


def ready_groups(walked: Walk, spec: SelfAlignmentRunSpec) -> list[tuple[Stage, ...]]:
    """Return the stages that can be worked on now, each with those that join it."""
    joined = spec.compute.inference.jobs == "Joined"
    groups: list[tuple[Stage, ...]] = []
    taken: set[str] = set()
    for position, stage in enumerate(walked.stages):
        if stage.id in taken or stage.id in walked.results or not _fed(stage, walked.results):
            continue
        group = _join(walked, position) if joined and _shares(stage) else (stage,)
        taken.update(s.id for s in group)
        groups.append(group)
    return groups


def build_start(
    group: Sequence[Stage],
    *,
    attempt: int,
    memory_reduction: int,
    run: RunView,
    walked: Walk,
    spec: SelfAlignmentRunSpec,
    resolved: Resolved,
    store: StoreSpec,
    sources: Sources,
    environment: Environment,
) -> Start:
    """Return the order for a group of stages, ready to be sent."""
    order = StageOrder(
        run=RunRef(namespace=run.namespace, name=run.name, uid=run.uid),
        attempt=attempt,
        store=store,
        sources=sources,
        runtime=_runtime(group[0], spec, memory_reduction, environment),
        stage_versions=resolved.stage_versions,
        steps=tuple(_step(stage, walked.keys, resolved) for stage in group),
    )
    first = group[0]
    overdue = PREPARE_DEADLINE_SECONDS if first.kind is StageKind.PREPARE else None
    return Start(order, first.pool, _parallelism(first, spec), overdue)


def resolve_store(spec: SelfAlignmentRunSpec, environment: Environment) -> StoreSpec:
    """Return where the run's data goes; raises `PlanningError` where nobody says."""
    if spec.storage is None:
        if environment.default_storage is None:
            raise PlanningError(
                Reason.NO_STORAGE,
                "spec.storage is not set and the installation has no default: set one of them",
                terminal=False,
            )
        return environment.default_storage
    if spec.storage.folder is not None:
        raise PlanningError(
            Reason.FOLDER_STORAGE,
            "spec.storage.folder is a folder of one machine, which only `isheep run` takes: "
            "create the run anew with spec.storage.s3, or without storage where the installation "
            "has a default",
            terminal=False,
        )
    s3 = spec.storage.s3
    if s3 is None:
        raise PlanningError(
            Reason.INVALID_SPEC, "spec.storage: set exactly one of s3 and folder", terminal=True
        )
    return s3.store_spec()


def resolve_sources(
    kind: StageKind,
    spec: SelfAlignmentRunSpec,
    inputs: Mapping[str, str],
    environment: Environment,
) -> Sources:
    """Return where a stage's inputs are; raises `PlanningError` for a missing ConfigMap.

    Only prepare reads anything but the base model: later stages find it in the store,
    and need no ConfigMap that may be gone by then.
    """
    model = Sources(
        model=spec.model.storage_uri,
        model_revision=inputs.get(pinning.MODEL_REVISION, spec.model.revision),
        mirrors=dict(environment.mirrors),
    )
    if kind is not StageKind.PREPARE:
        return model
    templates = None
    if spec.prompts_ref is not None:
        templates = _config_map(spec.prompts_ref.name, "promptsRef", environment)
    benchmarks = spec.curation.decontamination.benchmarks
    return model.model_copy(
        update={
            "seed_tasks": _seed_tasks(spec, environment),
            "templates": templates,
            "benchmarks": {b.name: b.storage_uri for b in benchmarks},
            "pinned": {k: v for k, v in inputs.items() if k != pinning.MODEL_REVISION},
        }
    )


def _fed(stage: Stage, results: Mapping[str, object]) -> bool:
    return all(source in results for sources in stage.inputs.values() for source in sources)


def _shares(stage: Stage) -> bool:
    return stage.pool is Pool.INFERENCE


def _join(walked: Walk, position: int) -> tuple[Stage, ...]:
    first = walked.stages[position]
    group = [first]
    for stage in walked.stages[position + 1 :]:
        known = {*walked.results, *(s.id for s in group)}
        fits = _shares(stage) and stage.model == first.model and stage.id not in walked.results
        if not fits or not _fed(stage, dict.fromkeys(known)):
            break
        group.append(stage)
    return tuple(group)


def _step(stage: Stage, keys: Mapping[str, str], resolved: Resolved) -> Step:
    return Step(
        id=stage.id,
        kind=str(stage.kind),
        version=resolved.stage_versions[str(stage.kind)],
        key=keys[stage.id],
        iteration=stage.iteration,
        round=stage.round,
        settings=stage.settings.canonical(),
        inputs={role: tuple(keys[i] for i in ids) for role, ids in stage.inputs.items()},
        items=stage.items,
    )


def _parallelism(stage: Stage, spec: SelfAlignmentRunSpec) -> int:
    if stage.kind is StageKind.TRAIN:
        return spec.training.num_nodes
    if stage.items is None:
        return 1
    return min(spec.compute.inference.parallelism, ceil(stage.items / PART_ITEMS))


def _runtime(
    first: Stage, spec: SelfAlignmentRunSpec, memory_reduction: int, environment: Environment
) -> Runtime:
    trains = first.kind is StageKind.TRAIN
    vllm = spec.engine.vllm
    return Runtime(
        accelerator=_accelerator(spec.compute.inference.resources.limits)
        if environment.pods
        else None,
        tensor_parallel_size=vllm.tensor_parallel_size,
        gpu_memory_utilization=vllm.gpu_memory_utilization,
        enforce_eager=vllm.enforce_eager,
        max_num_seqs=vllm.max_num_seqs,
        memory_reduction=memory_reduction,
        # One machine is one node, whatever the spec says: results do not depend on it.
        num_nodes=spec.training.num_nodes if trains and environment.pods else 1,
    )


def _accelerator(limits: Mapping[str, str]) -> Literal["CPU", "GPU"]:
    """Return what a container with these limits runs on: a GPU only where it is given one."""
    given = (name for name, quantity in limits.items() if re.search("[1-9]", quantity))
    return "GPU" if any(n.endswith("/gpu") or _MIG in n for n in given) else "CPU"


def _seed_tasks(spec: SelfAlignmentRunSpec, environment: Environment) -> str:
    seeds = spec.seed_tasks
    if seeds.config_map_ref is not None:
        reference = seeds.config_map_ref
        folder = _config_map(reference.name, "seedTasks.configMapRef", environment)
        return f"file://{folder}/{reference.key}"
    if seeds.storage_uri is not None:
        return seeds.storage_uri
    return f"builtin:{seeds.builtin or 'Default'}"


def _config_map(name: str, field: str, environment: Environment) -> str:
    folder = environment.config_maps.get(name)
    if folder is None:
        known = ", ".join(sorted(environment.config_maps)) or "none"
        raise PlanningError(
            Reason.CONFIG_MAP_NOT_FOUND,
            f"spec.{field} names the ConfigMap {name}, which is not there (there: {known})",
            terminal=False,
        )
    return folder.rstrip("/")
