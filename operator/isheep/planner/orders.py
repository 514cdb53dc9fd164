"""Which stages can start now, and the orders that start them.

A stage is ready when every stage that it reads is committed. Usually one stage is ready, and with
it the report of the previous iteration. On Kubernetes, the pods of one Job may walk through several
stages (`job_stages`); the first of them that is not committed is then the one that starts.

The local driver gives each stage an order and keeps the model's process. There, `Joined` puts
consecutive stages that load the same model into one order. They share their items part by part, so
no stage waits for the last item of the stage before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isheep.api.compute import Pool as PoolSpec
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import BUILTIN_SEED_TASKS, Accelerator, Pool, WalkGrouping
from isheep.contract.order import (
    JudgeEndpointRef,
    RunRef,
    Runtime,
    Sources,
    StageOrder,
    StageWalk,
    Step,
)
from isheep.contract.prepared import Prepared
from isheep.contract.reasons import Reason
from isheep.contract.store_spec import StoreSpec
from isheep.planner import pinning
from isheep.planner.cost import prices_of_pools
from isheep.planner.job_stages import (
    ExpectedJob,
    can_walk,
    claimed_stage,
    expected_job,
    walked_from,
)
from isheep.planner.pinning import PlanningError, Resolved, recipe_of
from isheep.planner.spec_references import claim_mirrors, evaluation_uris, source_uris
from isheep.planner.types import Environment, JobWalk, RunView, Start
from isheep.planner.walk import Walk
from isheep.recipes.interface import Stage, has_failed, part_count
from isheep.recipes.pinned_spec import WRITERS
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

PREPARE_DEADLINE_SECONDS = 1800
"""Time limit of prepare, image pull included. prepare runs again afterwards, so the limit only
ends an attempt that hangs."""
OPTIONAL_DEADLINE_SECONDS = 14400
"""Time limit of a Job that has optional stages only, from the start of its first pod. Then the run
goes on without them: it must not miss its own deadline because a measurement hangs."""
NO_RECIPE_READS = ("compute", "managedBy", "serviceAccountName", "storage")
"""Fields of the spec on which no stage depends. An order has to fit into 64 KiB without them."""


def grouping_of(spec: SelfAlignmentRunSpec, environment: Environment) -> WalkGrouping:
    """Return the grouping for walks: on one machine there are none, because there are no Jobs."""
    if environment.pods is None:
        return "PerStage"
    return "Run" if spec.compute.jobs == "Run" else spec.compute.inference.jobs


def ready_groups(
    walked: Walk, spec: SelfAlignmentRunSpec, environment: Environment
) -> list[tuple[Stage, ...]]:
    """Return the stages that can start now, each with the stages that join its order."""
    grouping = grouping_of(spec, environment)
    joined = spec.compute.inference.jobs == "Joined" and environment.pods is None
    groups: list[tuple[Stage, ...]] = []
    taken: set[str] = set()
    for position, stage in enumerate(walked.stages):
        if stage.id in taken or stage.id in walked.results or not _fed(stage, walked.results):
            continue
        group = _join(walked, position) if joined and _shares(stage) else (stage,)
        taken.update(s.id for s in (*group, *walked_from(walked.stages, stage.id, grouping)))
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
    """Return the start of an attempt for a group of stages, with its order."""
    first = group[0]
    order = StageOrder(
        run=RunRef(
            namespace=run.namespace, name=run.name, uid=run.uid, cluster=environment.cluster
        ),
        attempt=attempt,
        store=store,
        sources=sources,
        runtime=_runtime(first, spec, memory_reduction, environment, resolved.prepared),
        stage_versions=resolved.stage_versions,
        steps=tuple(step_of(stage, walked.keys, resolved.stage_versions) for stage in group),
    )
    grouping = grouping_of(spec, environment)
    walks = can_walk(first, grouping)
    job = walked_from(walked.stages, first.id, grouping) if walks else group
    start = Start(order, first.pool, _parallelism(first, spec), deadline_of(job))
    if walks:
        return _walking(
            start, first, grouping=grouping, walked=walked, spec=spec, resolved=resolved
        )
    return start


def deadline_of(stages: Iterable[Stage]) -> int | None:
    """Return the time limit in seconds of an attempt for these stages, or None."""
    kinds = {stage.kind for stage in stages}
    if kinds == {StageKind.PREPARE}:
        return PREPARE_DEADLINE_SECONDS
    optional = all(STAGE_DEFINITIONS[kind].optional for kind in kinds)
    return OPTIONAL_DEADLINE_SECONDS if optional else None


def step_of(stage: Stage, keys: Mapping[str, str], versions: Mapping[str, int]) -> Step:
    """Return the step of an order for a stage; `keys` has the keys of the stage and its inputs."""
    return Step(
        id=stage.id,
        kind=str(stage.kind),
        version=versions[str(stage.kind)],
        key=keys[stage.id],
        iteration=stage.iteration,
        round=stage.round,
        settings=stage.settings.canonical(),
        inputs={role: tuple(keys[i] for i in ids) for role, ids in stage.inputs.items()},
        items=stage.items,
    )


def expected_job_of(
    first: Stage, spec: SelfAlignmentRunSpec, resolved: Resolved, grouping: WalkGrouping
) -> ExpectedJob | None:
    """Return what is known about the Job that begins with a stage; None before prepare commits."""
    if resolved.prepared is None:
        return None
    return expected_job(
        first,
        grouping,
        recipe=recipe_of(spec),
        spec=spec,
        prepared=resolved.prepared,
        versions=resolved.stage_versions,
    )


def resolve_store(spec: SelfAlignmentRunSpec, environment: Environment) -> StoreSpec:
    """Return the store of a run; raises `PlanningError` if neither run nor installation has one."""
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
            "spec.storage.folder is a folder of one machine, which only `isheep run` can use: "
            "create the run again with spec.storage.s3, or without spec.storage if the "
            "installation has a default",
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
    """Return the locations of a stage's inputs.

    Raises `PlanningError` for a missing ConfigMap, and for a file if stages run in pods.

    Only prepare reads seed tasks, templates and benchmarks from their locations. Later stages
    read prepare's copies in the store, so a ConfigMap may be deleted after prepare.
    """
    model = Sources(
        model=spec.model.storage_uri,
        model_revision=inputs.get(pinning.MODEL_REVISION, spec.model.revision),
        mirrors=_mirrors(spec, environment),
        **_judge(spec, inputs),
    )
    if kind is not StageKind.PREPARE:
        return model
    _check_files(spec, environment)
    templates = None
    if spec.prompts_ref is not None:
        templates = _config_map(spec.prompts_ref.name, "promptsRef", environment)
    benchmarks = spec.curation.decontamination.benchmarks
    return model.model_copy(
        update={
            "seed_tasks": _seed_tasks(spec, environment),
            "templates": templates,
            "benchmarks": {b.name: b.storage_uri for b in benchmarks},
            "evaluation": evaluation_uris(spec),
            "pinned": {k: v for k, v in inputs.items() if k not in pinning.REVISIONS},
        }
    )


def _check_files(spec: SelfAlignmentRunSpec, environment: Environment) -> None:
    """Refuse `file://` in a cluster: it would name the files of a pod, its credentials included."""
    if environment.pods is None:
        return
    for uri in source_uris(spec, StageKind.PREPARE):
        if uri.startswith("file:"):
            raise PlanningError(
                Reason.FILE_SOURCE,
                f"{uri} is a file of one machine, which only `isheep run` can read: give the data "
                "as hf://, s3:// or pvc://",
                terminal=False,
            )


def _judge(spec: SelfAlignmentRunSpec, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of `Sources` for the judge of a run."""
    judge = spec.judge
    if judge is not None and judge.endpoint is not None:
        fields = judge.endpoint.model_dump(exclude={"revision", "secret_ref"})
        return {"judge_endpoint": JudgeEndpointRef(**fields)}
    if judge is None or judge.model is None:
        return {}
    revision = inputs.get(pinning.JUDGE_REVISION, judge.model.revision)
    return {"judge": judge.model.storage_uri, "judge_revision": revision}


def _mirrors(spec: SelfAlignmentRunSpec, environment: Environment) -> dict[str, str]:
    if environment.pods is None:
        return dict(environment.mirrors)
    uris = source_uris(spec, StageKind.PREPARE)
    claims = claim_mirrors(uris, environment.mirrors, environment.pods.claims)
    return {**environment.mirrors, **claims}


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


def _walking(
    start: Start,
    first: Stage,
    *,
    grouping: WalkGrouping,
    walked: Walk,
    spec: SelfAlignmentRunSpec,
    resolved: Resolved,
) -> Start:
    """Return the start of a Job whose pods walk from its first stage; prepare has committed."""
    expected = expected_job_of(first, spec, resolved, grouping)
    if resolved.prepared is None or expected is None:
        return start
    claim = walked.keys[claimed_stage(walked.stages, first, grouping).id]
    document = {n: v for n, v in resolved.spec.items() if n not in NO_RECIPE_READS}
    if resolved.writers is not None:
        document[WRITERS] = list(resolved.writers)
    failed = (walked.keys[id_] for id_, result in walked.results.items() if has_failed(result))
    walk = StageWalk(
        grouping=grouping,
        claim=claim,
        spec=document,
        prepared=resolved.prepared,
        failed=tuple(failed),
    )
    pods = min(spec.compute.inference.parallelism, expected.parts)
    return Start(
        start.order.model_copy(update={"walk": walk}),
        Pool.INFERENCE,
        1 if grouping == "Run" else pods,
        start.deadline_seconds,
        walk=JobWalk(grouping, claim, expected.settings_digest),
    )


def _parallelism(stage: Stage, spec: SelfAlignmentRunSpec) -> int:
    if stage.kind is StageKind.TRAIN:
        return spec.training.num_nodes
    if stage.items is None or stage.pool is not Pool.INFERENCE:
        return 1
    return min(spec.compute.inference.parallelism, part_count(stage.items))


def _runtime(
    first: Stage,
    spec: SelfAlignmentRunSpec,
    memory_reduction: int,
    environment: Environment,
    prepared: Prepared | None,
) -> Runtime:
    trains = first.kind is StageKind.TRAIN
    serves_adapters = spec.training.handover == "Adapter" and spec.iterations > 1
    vllm = spec.engine.vllm
    return Runtime(
        accelerator=None if environment.pods is None else _accelerator(spec.compute.inference),
        tensor_parallel_size=vllm.tensor_parallel_size,
        gpu_memory_utilization=vllm.gpu_memory_utilization,
        enforce_eager=vllm.enforce_eager,
        max_num_seqs=vllm.max_num_seqs,
        memory_reduction=memory_reduction,
        # Without pods there is one node. Results do not depend on the number of nodes.
        num_nodes=spec.training.num_nodes if trains and environment.pods is not None else 1,
        # A pod ends before the next training, so only the local driver keeps an engine that long.
        adapter_rank=spec.training.lora.r if serves_adapters and environment.pods is None else None,
        engine_length=None if prepared is None else _engine_length(prepared),
        gpu_prices=prices_of_pools(spec, environment.prices)
        if first.kind is StageKind.REPORT
        else None,
    )


def _engine_length(prepared: Prepared) -> int | None:
    """Return the length of the longest benchmark; None if no benchmark needs more than the run."""
    lengths = [one.length for one in (prepared.evaluation or {}).values()]
    longest = max(lengths, default=0)
    return longest if longest > prepared.max_model_length else None


def _accelerator(pool: PoolSpec) -> Accelerator:
    """Return the device of a pool's pods: a GPU only if a limit or a claim asks for one."""
    return "GPU" if pool.asks_for_gpus else "CPU"


def _seed_tasks(spec: SelfAlignmentRunSpec, environment: Environment) -> str:
    seeds = spec.seed_tasks
    if seeds.config_map_ref is not None:
        reference = seeds.config_map_ref
        folder = _config_map(reference.name, "seedTasks.configMapRef", environment)
        return f"file://{folder}/{reference.key}"
    if seeds.storage_uri is not None:
        return seeds.storage_uri
    return f"builtin:{seeds.builtin or BUILTIN_SEED_TASKS}"


def _config_map(name: str, field: str, environment: Environment) -> str:
    if environment.pods is not None:
        return f"{environment.pods.config_maps}/{name}"
    folder = environment.config_maps.get(name)
    if folder is None:
        known = ", ".join(sorted(environment.config_maps)) or "none"
        raise PlanningError(
            Reason.CONFIG_MAP_NOT_FOUND,
            f"spec.{field} names the ConfigMap {name}, but `isheep run` has no folder for it "
            f"(known: {known}); add --config-map {name}=FOLDER",
            terminal=False,
        )
    return folder.rstrip("/")
