"""Measures the cost of parts, streaming and commits: a generate stage against one vLLM call.

    python benchmarks/sharded_worker.py --model FOLDER [--simulated] [--items 80] [--cpu-seconds]

A worker runs generate steps, as in a pod or under `isheep run`, in parts of 64 items into a
folder store. The benchmark has two measurements.

**Steps.** A simulated engine counts decode steps (`simulated_engine.py`). A step of the order has
ten times as many items as the engine runs at once (256), and the lengths are those of real
responses. The worker, from the order to the commit, is compared with all of its requests submitted
at once. The benchmark exits with 1 if the worker needs more than 1.05 times the decode steps. With
`--simulated`, it ends here.

**Speed** of a real model on vLLM, with fewer items, because a CPU generates few tokens in a second.
The length of a completion is drawn by its seed from the same distribution, at a tenth of the
length. The benchmark records the worker's requests, and one call of `LLM.generate` gets the
same prompts with the same seeds and lengths. Both use the same loaded engine, run alternately, and
start with an empty prefix cache. The best round of each counts. The time is wall-clock time; with
`--cpu-seconds`, for a CPU that is shared, it is the CPU time of this process. The benchmark exits
with 1 if the worker's speed, from the order to the result with all commits, is below 0.95 of the
speed of the call

- for one step;
- for two steps in one order, against one call with the prompts of both. Between the steps the
  worker commits the first step's manifest and reads the second step's inputs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from engine_recording import EngineRecording, recorded_engine
from simulated_engine import Lengths, SimulatedEngine

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef, Runtime, Sources, StageOrder, StageResult, Step
from isheep.contract.prepared import Prepared
from isheep.contract.store_spec import parse_store_uri
from isheep.planner.walk import walk
from isheep.recipes.isheep import ISheep
from isheep.recipes.rounds import INSTRUCTIONS_PER_COMPLETION
from isheep.recipes.stage_kinds import STAGE_VERSIONS
from isheep_worker.engines import vllm_engine
from isheep_worker.engines.interface import Request
from isheep_worker.execution import engine_provider
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

GOAL = 0.95
MOST_STEPS = 1.05
SIMULATED_SEQUENCES = 256
SIMULATED_ITEMS = 10 * SIMULATED_SEQUENCES
LENGTHS = Lengths(median=8, p90=40, longest=102)
"""A tenth of the lengths of real responses, because a CPU generates few tokens in a second."""
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description="Measure the cost of parts and commits.")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--sequences", type=int, default=8, help="sequences in a batch")
    parser.add_argument("--items", type=int, default=80, help="items of a step of the real model")
    parser.add_argument("--simulated", action="store_true", help="measure the steps only")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each way")
    parser.add_argument(
        "--cpu-seconds", action="store_true", help="measure CPU time, not wall-clock time"
    )
    chosen = parser.parse_args(arguments)
    missed = [steps_ratio(chosen) > MOST_STEPS]
    if chosen.simulated:
        return int(any(missed))
    caller = Caller()
    parameters = with_drawn_length(vllm_engine._sampling_params)
    with (
        tempfile.TemporaryDirectory() as folder,
        recorded_engine(caller.start) as recording,
        patch.object(vllm_engine, "_sampling_params", parameters),
    ):
        bench = Bench(Path(folder), chosen, caller, recording)
        steps = [bench.generate_step(seed, chosen.items) for seed in (0, 1)]
        missed += [bench.ratio(steps[:count], chosen.rounds) < GOAL for count in (1, 2)]
        bench.worker.close()
    return int(any(missed))


class CountingEngine(SimulatedEngine):
    """A simulated engine that notes its requests."""

    def __init__(self) -> None:
        super().__init__(SIMULATED_SEQUENCES, Lengths())
        self.requests: list[Request] = []

    def submit(self, group: Sequence[Request]) -> None:
        """Note and queue a group."""
        self.requests.extend(group)
        super().submit(group)


def steps_ratio(chosen: argparse.Namespace) -> float:
    """Print the decode steps of a worker's generate stage, compared with all requests at once."""
    engine, best = CountingEngine(), SimulatedEngine(SIMULATED_SEQUENCES, Lengths())
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(engine_provider, "open_engine", lambda *_, **__: engine),
    ):
        bench = Bench(Path(folder), chosen, Caller(), EngineRecording())
        bench.run_order(bench.generate_step(0, SIMULATED_ITEMS))
        bench.worker.close()
    best.submit(engine.requests)
    while best.in_flight:
        best.poll()
    ratio = engine.steps / best.steps
    print(
        f"{'MISSED: ' if ratio > MOST_STEPS else ''}simulated, {SIMULATED_SEQUENCES} at once, "
        f"{len(engine.requests)} items: {engine.steps} decode steps, {ratio:.3f} times those of "
        f"all at once (goal: at most {MOST_STEPS})"
    )
    return ratio


def with_drawn_length(parameters: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Return a function that gives a request parameters for a completion of a drawn length."""

    def drawn(request: Request) -> Any:
        length = LENGTHS.draw(request.seed)
        found = parameters(replace(request, max_tokens=length, stop=(), stop_token_ids=()))
        found.ignore_eos = True
        return found

    return drawn


@dataclass
class Caller:
    """The `LLM` that the benchmark calls; None until the worker loads it and uses its engine."""

    llm: Any = None

    def start(self, settings: dict[str, Any]) -> Any:
        """Load the `LLM` and return its engine."""
        from vllm import LLM  # noqa: PLC0415 - heavy

        self.llm = LLM(**settings)
        return self.llm.llm_engine


class Bench:
    """A worker with its store, and the same requests as one call."""

    def __init__(
        self, store: Path, chosen: argparse.Namespace, caller: Caller, recording: EngineRecording
    ) -> None:
        self._store, self._chosen, self._caller, self._recording = store, chosen, caller, recording
        self._clock = time.process_time if chosen.cpu_seconds else time.monotonic
        self.worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())

    def generate_step(self, seed: int, items: int) -> Step:
        """Return the first generate step of a run with this random seed and number of items."""
        spec = SelfAlignmentRunSpec.read(
            {
                "recipe": "ISheep",
                "iterations": 1,
                "randomSeed": seed,
                "model": {"storageUri": f"file://{self._chosen.model.resolve()}"},
                "engine": {"type": "VLLM", "vllm": {"maxModelLength": 1024}},
                "instructions": {
                    "count": INSTRUCTIONS_PER_COMPLETION * items,
                    "examplesPerPrompt": 2,
                    "sampling": {"maxTokens": LENGTHS.longest},
                },
                "responses": {"sampling": {"maxTokens": 64}},
                "assessment": {"rubric": "Simple", "sampling": {"maxTokens": 64}},
            }
        )
        self.run_order(self._step(spec, None, "prepare"))
        return self._step(spec, self._prepared, "i1/generate/r1")

    def ratio(self, steps: Sequence[Step], rounds: int) -> float:
        """Print the times of the worker and of the call, and return the ratio of their speeds."""
        self.as_stages(steps)
        requests = list(self._recording.requests)
        times = [(self.as_call(requests), self.as_stages(steps)) for _ in range(rounds)]
        call, stages = min(call for call, _ in times), min(stages for _, stages in times)
        print(
            f"{len(steps)} step(s), {len(requests)} prompts: LLM.generate needs {call:.2f} s, the "
            f"worker {stages:.2f} s\n{'MISSED: ' if call / stages < GOAL else ''}the worker has "
            f"{call / stages:.3f} of the speed of LLM.generate (goal: at least {GOAL})"
        )
        return call / stages

    def as_stages(self, steps: Sequence[Step]) -> float:
        """Return the seconds of an order whose steps are not in the store yet."""
        shutil.rmtree(self._store / "default/stages", ignore_errors=True)
        if self._caller.llm is not None:
            self._caller.llm.reset_prefix_cache()
        self._recording.requests.clear()
        began = self._clock()
        self.run_order(*steps)
        return self._clock() - began

    def as_call(self, requests: Sequence[Request]) -> float:
        """Return the seconds of one call with the same requests."""
        self._caller.llm.reset_prefix_cache()
        prompts = [{"prompt_token_ids": list(r.prompt_token_ids)} for r in requests]
        sampling = [vllm_engine._sampling_params(r) for r in requests]
        began = self._clock()
        self._caller.llm.generate(prompts, sampling, use_tqdm=False)
        return self._clock() - began

    def run_order(self, *steps: Step) -> StageResult:
        """Run one order and return its result."""
        result = self.worker.run(
            StageOrder(
                run=RunRef(namespace="default", name="bench", uid="bench"),
                store=parse_store_uri(str(self._store)),
                sources=Sources(model=f"file://{self._chosen.model.resolve()}"),
                runtime=Runtime(max_num_seqs=self._chosen.sequences, enforce_eager=True),
                stage_versions=VERSIONS,
                steps=steps,
            )
        )
        if result.exit_code or len(result.steps) < len(steps):
            raise RuntimeError(f"{steps[0].id}: {result}")
        self._prepared = result.prepared
        return result

    def _step(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None, name: str) -> Step:
        run_walk = walk(ISheep(), spec, prepared, VERSIONS, lambda stage, _: FOUND.get(stage.id))
        stage = next(stage for stage in run_walk.stages if stage.id == name)
        return Step(
            id=stage.id,
            kind=str(stage.kind),
            version=VERSIONS[str(stage.kind)],
            key=run_walk.keys[stage.id],
            iteration=stage.iteration,
            round=stage.round,
            settings=stage.settings.canonical(),
            items=stage.items,
        )


FOUND: dict[str, dict[str, float]] = {"prepare": {}}
"""The statistics of the stages that the recipe finds committed."""

if __name__ == "__main__":
    sys.exit(main())
