"""Orders: their content, and the number of workers that share the parts of a stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isheep.api.gpu_usage import Prices
from isheep.contract.choices import Pool
from isheep.contract.order import GpuPrices, JudgeEndpointRef, canonical_order, parse_order
from isheep.contract.prepared import PreparedBenchmark
from isheep.planner.types import Environment, PodFolders, Start
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from .simulation import PlannerSimulation, make_run, spec_with

POD_FOLDERS = PodFolders(claims="/claims", config_maps="/config-maps")


def starts(simulation: PlannerSimulation) -> dict[str, Start]:
    """Complete a run and return its starts by their first stage."""
    found: dict[str, Start] = {}
    for _ in range(80):
        for action in simulation.run_pass().actions:
            if isinstance(action, Start):
                found[action.order.steps[0].id] = action
        for name in simulation.active():
            simulation.complete(name)
        if simulation.is_over():
            return found
    raise AssertionError("the run has not ended after 80 passes")


def simulation_with(**changes: Any) -> PlannerSimulation:
    return PlannerSimulation(make_run(spec_with(iterations=1, **changes)))


def test_a_stage_has_at_most_one_worker_for_each_part() -> None:
    simulation = simulation_with(
        instructions={"count": 2000},
        compute={"inference": {"parallelism": 8}},
        training={"numNodes": 2},
    )
    found = starts(simulation)
    # generate has 250 completions in parts of 64, so 4 workers; respond has 2000 items.
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
def test_only_training_in_pods_has_several_nodes(pods: bool, nodes: int) -> None:
    simulation = simulation_with(training={"numNodes": 4})
    simulation.environment = replace(simulation.environment, pods=POD_FOLDERS if pods else None)
    found = starts(simulation)
    assert found["i1/train"].order.runtime.num_nodes == nodes
    assert {s.order.runtime.num_nodes for n, s in found.items() if n != "i1/train"} == {1}


@pytest.mark.parametrize(
    ("pods", "iterations", "handover", "rank"),
    [
        (False, 2, "Adapter", 16),
        (True, 2, "Adapter", None),
        (False, 1, "Adapter", None),
        (False, 2, "Merged", None),
    ],
)
def test_the_engines_of_one_machine_are_started_for_the_adapters_of_all_iterations(
    pods: bool, iterations: int, handover: str, rank: int | None
) -> None:
    training = {"handover": handover, "lora": {"r": 16}}
    run = make_run(spec_with(iterations=iterations, training=training))
    simulation = PlannerSimulation(run)
    simulation.environment = replace(simulation.environment, pods=POD_FOLDERS if pods else None)
    found = starts(simulation)
    assert {start.order.runtime.adapter_rank for start in found.values()} == {rank}


@pytest.mark.parametrize(("needed", "length"), [(4096, 4096), (64, None)])
def test_engines_are_loaded_for_the_longest_benchmark(
    needed: int, length: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiz = {"name": "quiz", "task": "arc_easy", "promptFormat": "Chat"}
    simulation = simulation_with(evaluation={"benchmarks": [quiz]})
    benchmark = PreparedBenchmark(digest="ab" * 32, requests={"Chat": 9}, length=needed)
    found_by_prepare = {"evaluation": {"quiz": benchmark}, "harness": "0.4.13"}
    monkeypatch.setattr(
        "tests.unit.isheep.planner.simulation.with_evaluation",
        lambda prepared, _: prepared.model_copy(update=found_by_prepare),
    )
    found = starts(simulation)
    assert found.pop("prepare").order.runtime.engine_length is None
    assert {start.order.runtime.engine_length for start in found.values()} == {length}


def test_an_order_contains_all_that_its_worker_needs() -> None:
    simulation = simulation_with(
        engine={"vllm": {"tensorParallelSize": 2, "enforceEager": True, "maxNumSeqs": 9}},
        curation={
            "decontamination": {"benchmarks": [{"name": "b", "storageUri": "s3://bucket/b"}]}
        },
    )
    simulation.environment = Environment(mirrors={"hf://org": "/mirror"})
    found = starts(simulation)
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
    assert assess.stage_versions["assess"] == STAGE_VERSIONS[StageKind.ASSESS]
    (step,) = assess.steps
    assert (step.kind, step.iteration, step.items) == ("assess", 1, 40)
    assert step.inputs == {"pairs": (found["i1/respond"].order.steps[0].key,)}
    assert step.settings["levels"] == ["Quality", "Following"]
    assert parse_order(canonical_order(assess)) == assess


@pytest.mark.parametrize("kind", ["generate/r2", "curate/r2"])
def test_rounds_are_numbered(kind: str) -> None:
    (step,) = starts(simulation_with())[f"i1/{kind}"].order.steps
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
def test_the_limits_of_inference_decide_its_accelerator_in_pods(
    limits: dict[str, Any], accelerator: str
) -> None:
    compute = {"inference": {"jobs": "PerStage", "resources": {"limits": limits}}}
    pods, local = simulation_with(compute=compute), simulation_with(compute=compute)
    pods.environment = Environment(pods=POD_FOLDERS)
    found, unknown = starts(pods), starts(local)
    assert {start.order.runtime.accelerator for start in found.values()} == {accelerator}
    assert {start.order.runtime.accelerator for start in unknown.values()} == {None}
    # The accelerator is not part of a step, so the keys are equal.
    steps = {stage: start.order.steps for stage, start in found.items()}
    assert steps == {stage: start.order.steps for stage, start in unknown.items()}


def test_a_claim_of_devices_counts_as_a_gpu() -> None:
    claims = [{"name": "gpu", "resourceClaimTemplateName": "large"}]
    simulation = simulation_with(compute={"inference": {"resourceClaims": claims}})
    simulation.environment = Environment(
        pods=POD_FOLDERS, prices=Prices(currency="EUR", per_hour={"resource.k8s.io/large": 9})
    )
    found = starts(simulation)
    assert {start.order.runtime.accelerator for start in found.values()} == {"GPU"}
    prices = found["i1/report"].order.runtime.gpu_prices
    assert prices == GpuPrices(currency="EUR", per_hour={"inference": 9})


def test_the_report_alone_has_the_prices_of_its_pools() -> None:
    limits = {"resources": {"limits": {"amd.com/gpu": 1}}}
    prices = Prices(currency="EUR", per_hour={"nvidia.com/gpu": 2.5, "amd.com/gpu": 2})
    simulation = simulation_with(compute={"training": limits})
    simulation.environment = Environment(prices=prices)
    found = {stage: start.order.runtime.gpu_prices for stage, start in starts(simulation).items()}
    per_hour = {"inference": 2.5, "training": 2, "processing": 2.5}
    assert found.pop("i1/report") == GpuPrices(currency="EUR", per_hour=per_hour)
    assert set(found.values()) == {None}


def test_a_run_with_an_endpoint_has_one_pod_without_gpus_for_its_scores() -> None:
    endpoint = {
        "url": "https://judge.example.com/v1",
        "model": "judge-1",
        "secretRef": {"name": "judge"},
        "requestsPerMinute": 60,
    }
    found = starts(
        simulation_with(
            instructions={"count": 2000},
            compute={"inference": {"parallelism": 8}},
            judge={"endpoint": endpoint},
            assessment={"assessor": "Judge"},
        )
    )
    assert (found["i1/assess"].pool, found["i1/assess"].parallelism) == (Pool.PROCESSING, 1)
    assert found["i1/respond"].parallelism == 8
    for stage in ("prepare", "i1/assess"):
        sources = found[stage].order.sources
        assert sources.judge is None
        assert sources.judge_endpoint == JudgeEndpointRef(
            url="https://judge.example.com/v1",
            model="judge-1",
            max_concurrent_requests=8,
            requests_per_minute=60,
            timeout_seconds=120,
            max_retries=5,
        )
