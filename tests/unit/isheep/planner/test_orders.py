"""Orders: what stands in them, and how many workers share them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.contract.choices import Pool
from isheep.contract.order import canonical_order, parse_order
from isheep.planner.types import Environment, PodFolders, Start

from .world import World, make_run, spec_with

POD_FOLDERS = PodFolders(claims="/claims", config_maps="/config-maps")


def starts(world: World) -> dict[str, Start]:
    """Drive a run to its end and return every start by its first stage."""
    found: dict[str, Start] = {}
    for _ in range(80):
        for action in world.turn().actions:
            if isinstance(action, Start):
                found[action.order.steps[0].id] = action
        for name in world.active():
            world.complete(name)
        if world.over():
            return found
    raise AssertionError("not over")


def world_with(**changes: Any) -> World:
    return World(make_run(spec_with(iterations=1, **changes)))


def test_parts_are_shared_by_no_more_workers_than_there_are() -> None:
    world = world_with(
        instructions={"count": 2000},
        compute={"inference": {"parallelism": 8}},
        training={"numNodes": 2},
    )
    found = starts(world)
    # 250 completions in parts of 64; 2000 items.
    assert found["i1/generate/r1"].parallelism == 4
    assert found["i1/respond"].parallelism == 8
    assert found["i1/curate/r1"].parallelism == 1
    assert found["i1/train"].parallelism == 2
    assert {stage: start.pool for stage, start in found.items() if "r2" not in stage} == {
        "prepare": Pool.PROCESSING,
        "i1/generate/r1": Pool.INFERENCE,
        "i1/curate/r1": Pool.PROCESSING,
        "i1/respond": Pool.INFERENCE,
        "i1/assess": Pool.INFERENCE,
        "i1/select": Pool.PROCESSING,
        "i1/train": Pool.TRAINING,
        "i1/merge": Pool.PROCESSING,
        "i1/report": Pool.PROCESSING,
    }
    assert {s for s, start in found.items() if start.deadline_seconds} == {"prepare"}


@pytest.mark.parametrize(("pods", "nodes"), [(True, 4), (False, 1)])
def test_only_training_is_told_its_nodes_and_only_where_pods_are(pods: bool, nodes: int) -> None:
    world = world_with(training={"numNodes": 4})
    world.environment = replace(world.environment, pods=POD_FOLDERS if pods else None)
    found = starts(world)
    assert found["i1/train"].order.runtime.num_nodes == nodes
    assert {s.order.runtime.num_nodes for n, s in found.items() if n != "i1/train"} == {1}


def test_an_order_says_all_that_its_worker_needs() -> None:
    world = world_with(
        engine={"vllm": {"tensorParallelSize": 2, "enforceEager": True, "maxNumSeqs": 9}},
        curation={
            "decontamination": {"benchmarks": [{"name": "b", "storageUri": "s3://bucket/b"}]}
        },
    )
    world.environment = Environment(mirrors={"hf://org": "/mirror"})
    found = starts(world)
    prepare, assess = found["prepare"].order, found["i1/assess"].order
    assert prepare.sources.benchmarks == {"b": "s3://bucket/b"}
    assert prepare.sources.seed_tasks == "builtin:Default"
    assert (prepare.run.namespace, prepare.run.name, prepare.run.uid) == ("ns", "run", "uid-1")
    assert assess.sources.mirrors == prepare.sources.mirrors == {"hf://org": "/mirror"}
    assert assess.sources.model == "hf://org/model"
    assert assess.sources.model_revision == "commit-1"
    assert assess.store.uri == "s3://bucket/some/prefix"
    assert assess.runtime.tensor_parallel_size == 2
    assert assess.runtime.enforce_eager
    assert assess.runtime.max_num_seqs == 9
    assert assess.stage_versions["assess"] == 1
    (step,) = assess.steps
    assert (step.kind, step.iteration, step.items) == ("assess", 1, 40)
    assert step.inputs == {"pairs": (found["i1/respond"].order.steps[0].key,)}
    assert step.settings["levels"] == ["Quality", "Following"]
    assert parse_order(canonical_order(assess)) == assess


@pytest.mark.parametrize("kind", ["generate/r2", "curate/r2"])
def test_rounds_are_numbered(kind: str) -> None:
    (step,) = starts(world_with())[f"i1/{kind}"].order.steps
    assert step.round == 2


@pytest.mark.parametrize(
    ("limits", "accelerator"),
    [
        ({}, "CPU"),
        ({"cpu": 4, "memory": "8Gi"}, "CPU"),
        ({"nvidia.com/gpu": 1}, "GPU"),
        ({"nvidia.com/gpu": "8"}, "GPU"),
        ({"amd.com/gpu": "1"}, "GPU"),
        ({"nvidia.com/mig-1g.10gb": 1}, "GPU"),
        ({"nvidia.com/gpu": 0}, "CPU"),
        ({"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "0"}, "CPU"),
        ({"nvidia.com/gpu": "0", "amd.com/gpu": 2}, "GPU"),
        ({"example.org/gpu-memory": 5}, "CPU"),
    ],
)
def test_in_pods_the_spec_says_what_inference_runs_on(
    limits: dict[str, Any], accelerator: str
) -> None:
    compute = {"inference": {"resources": {"limits": limits}}}
    pods, machine = world_with(compute=compute), world_with(compute=compute)
    pods.environment = Environment(pods=POD_FOLDERS)
    found, unknown = starts(pods), starts(machine)
    assert {start.order.runtime.accelerator for start in found.values()} == {accelerator}
    assert {start.order.runtime.accelerator for start in unknown.values()} == {None}
    steps = {stage: start.order.steps for stage, start in found.items()}
    assert steps == {stage: start.order.steps for stage, start in unknown.items()}  # keys too
