"""Runs the worker's assess stage for the benchmarks of assessment.

The pairs are the built-in seed tasks with their outputs. A worker runs the stage's order, as in
a pod or under `isheep run`, from the pairs in a folder store to the committed scores. The
measured time includes rendering, tokenizing, the engine, parsing, rows and commits. The engine is
loaded once, before the first measurement, and its prefix cache is emptied before each order. The
time is wall-clock time; with `--cpu-seconds`, for a CPU that is shared, it is the CPU time of this
process, which contains the engine on a CPU.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_recording import EngineRecording

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef, Runtime, Sources, StageOrder, StageResult, Step
from isheep.contract.prepared import Prepared
from isheep.contract.store_spec import parse_store_uri
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import PART_ITEMS
from isheep.recipes.isheep import ISheep
from isheep.recipes.stage_kinds import STAGE_VERSIONS
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.engines.interface import Request
from isheep_worker.inputs.seed_tasks import read_seed_tasks
from isheep_worker.inputs.sources import SourceReader
from isheep_worker.process.worker import Worker
from isheep_worker.rows.schema import PAIRS, PairRow
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all of these benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--model", type=Path, required=True, help="the folder of the model")
    made.add_argument("--pairs", type=int, default=60, help="the number of pairs to score")
    made.add_argument(
        "--rubric",
        default="Combined",
        choices=("Simple", "Combined", "InContext"),
        help="the rubric of the assessor",
    )
    made.add_argument("--cpu-seconds", action="store_true", help="measure CPU time")
    return made


@dataclass(frozen=True)
class AssessResult:
    """One assess stage: its seconds, its statistics, and its requests in their order."""

    seconds: float
    statistics: Mapping[str, float]
    requests: tuple[Request, ...]


class AssessBench:
    """A worker, and a store that contains the pairs of a run."""

    def __init__(self, store: Path, chosen: argparse.Namespace, recording: EngineRecording) -> None:
        self._store, self._chosen, self._recording = store, chosen, recording
        self._artifacts = ArtifactStore(open_store(parse_store_uri(str(store))), "default")
        self._worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
        self._clock = time.process_time if chosen.cpu_seconds else time.monotonic

    def assess(self, **assessment: Any) -> AssessResult:
        """Run an assess stage that is not in the store yet, with an empty prefix cache."""
        spec = self._spec(assessment)
        prepared = self._run(_step(_walk(spec, None), "prepare")).prepared
        run_walk = _walk(spec, prepared)
        shutil.rmtree(self._store / "default/stages", ignore_errors=True)
        self._write_pairs(run_walk.keys["i1/respond"])
        if self._recording.engine is not None:
            self._recording.engine.reset_prefix_cache()
        self._recording.requests.clear()
        began = self._clock()
        result = self._run(_step(run_walk, "i1/assess"))
        seconds = self._clock() - began
        return AssessResult(seconds, result.steps[0].statistics, tuple(self._recording.requests))

    def close(self) -> None:
        """Free the device."""
        self._worker.close()

    def _spec(self, assessment: Mapping[str, Any]) -> SelfAlignmentRunSpec:
        return SelfAlignmentRunSpec.read(
            {
                "recipe": "ISheep",
                "iterations": 1,
                "model": {"storageUri": f"file://{self._chosen.model.resolve()}"},
                "engine": {"type": "VLLM", "vllm": {"maxModelLength": 1536}},
                "instructions": {
                    "count": self._chosen.pairs,
                    "examplesPerPrompt": 2,
                    "sampling": {"maxTokens": 256},
                },
                "curation": {"rules": "None"},
                "responses": {"sampling": {"maxTokens": 256}},
                "assessment": {"rubric": self._chosen.rubric, **assessment},
                "selection": {"minSamples": 1},
            }
        )

    def _write_pairs(self, key: str) -> None:
        sources = SourceReader(parse_store_uri(str(self._store)), {})
        tasks = read_seed_tasks(sources.seed_tasks("builtin:Default").content, "the seed tasks")
        rows = [
            PAIRS.encode(PairRow(task.id, task.instruction, task.input, task.output, "stop", 0, 0))
            for task in tasks[: self._chosen.pairs]
        ]
        if len(rows) < self._chosen.pairs:
            raise SystemExit(f"--pairs: use at most {len(rows)}, the number of built-in seed tasks")
        for part, start in enumerate(range(0, len(rows), PART_ITEMS)):
            self._artifacts.write_part(key, part, rows[start : start + PART_ITEMS])

    def _run(self, step: Step) -> StageResult:
        result = self._worker.run(
            StageOrder(
                run=RunRef(namespace="default", name="bench", uid="bench"),
                store=parse_store_uri(str(self._store)),
                sources=Sources(model=f"file://{self._chosen.model.resolve()}"),
                runtime=Runtime(max_num_seqs=64, enforce_eager=True),
                stage_versions=VERSIONS,
                steps=(step,),
            )
        )
        if result.exit_code:
            raise RuntimeError(f"{step.id}: {result}")
        return result


def _walk(spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Walk:
    """Return the stages of a run in which every stage before assess is committed."""
    accepted = {"accepted": float(spec.instructions.count)}
    found = {"prepare": {}, "i1/generate/r1": {}, "i1/curate/r1": accepted, "i1/respond": {}}
    return walk(ISheep(), spec, prepared, VERSIONS, lambda stage, _: found.get(stage.id))


def _step(run_walk: Walk, name: str) -> Step:
    stage = next(stage for stage in run_walk.stages if stage.id == name)
    return Step(
        id=stage.id,
        kind=str(stage.kind),
        version=VERSIONS[str(stage.kind)],
        key=run_walk.keys[stage.id],
        iteration=stage.iteration,
        settings=stage.settings.canonical(),
        inputs={role: tuple(run_walk.keys[i] for i in ids) for role, ids in stage.inputs.items()},
        items=stage.items,
    )
