"""What parts, streaming and commits cost: the worker's generate stage beside one vLLM call.

    python benchmarks/sharded_worker.py --model FOLDER [--completions 128] [--cpu-seconds]

A worker carries out generate's steps, as `isheep run` and pods have them, in parts of 64
into a folder store. The requests that it makes are noted, and one call of `LLM.generate`
gets the same prompts with the same seeds and limits. Both use one loaded engine, take
turns, and begin with an empty prefix cache; of each the best round counts. Seconds are the
clock's or, on a CPU that others use as well, this process's own. It ends with 1 where the
worker's speed, from order to result, commits included, is below 0.95 of the call's

- for one step;
- for two steps in one order, against one call over the prompts of both. What stands
  between two steps is the first one's manifest and the reading of the next one's inputs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spying import Spy, spied_engine

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared, RunRef, Runtime, Sources, StageOrder, StageResult, Step
from isheep.contract.store_spec import parse_store_uri
from isheep.planner.walk import walk
from isheep.recipes.interface import STAGE_VERSIONS
from isheep.recipes.isheep import ISheep
from isheep.recipes.rounds import FIRST_SHARE
from isheep_worker.engines import vllm_engine
from isheep_worker.engines.interface import Request
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

GOAL = 0.95
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Measure what parts and commits cost.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--completions", type=int, default=128, help="of a step")
    parser.add_argument("--tokens", type=int, default=32, help="of a completion, at most")
    parser.add_argument("--sequences", type=int, default=64, help="that run at once")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cpu-seconds", action="store_true")
    chosen = parser.parse_args(arguments)
    caller = Caller()
    with tempfile.TemporaryDirectory() as folder, spied_engine(caller.start) as spy:
        bench = Bench(Path(folder), chosen, caller, spy)
        steps = [bench.generate_step(seed) for seed in (0, 1)]
        missed = [bench.ratio(steps[:count], chosen.rounds) < GOAL for count in (1, 2)]
        bench.worker.close()
    return int(any(missed))


@dataclass
class Caller:
    """The `LLM` that is called, None until the worker loads it: the worker uses its engine."""

    llm: Any = None

    def start(self, settings: dict[str, Any]) -> Any:
        """Load it, and return its engine."""
        from vllm import LLM  # noqa: PLC0415 - heavy

        self.llm = LLM(**settings)
        return self.llm.llm_engine


class Bench:
    """A worker with its store, and the same work without it."""

    def __init__(self, store: Path, chosen: argparse.Namespace, caller: Caller, spy: Spy) -> None:
        self._store, self._chosen, self._caller, self._spy = store, chosen, caller, spy
        self._clock = time.process_time if chosen.cpu_seconds else time.monotonic
        self.worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())

    def generate_step(self, seed: int) -> Step:
        """Return the first generate step of a run with this random seed."""
        spec = SelfAlignmentRunSpec.read(
            {
                "recipe": "ISheep",
                "iterations": 1,
                "randomSeed": seed,
                "model": {"storageUri": f"file://{self._chosen.model.resolve()}"},
                "engine": {"type": "VLLM", "vllm": {"maxModelLength": 1024}},
                "instructions": {
                    "count": FIRST_SHARE * self._chosen.completions,
                    "examplesPerPrompt": 2,
                    "sampling": {"maxTokens": self._chosen.tokens},
                },
                "responses": {"sampling": {"maxTokens": 64}},
                "assessment": {"rubric": "Simple", "sampling": {"maxTokens": 64}},
            }
        )
        self.carry_out(self._step(spec, None, "prepare"))
        return self._step(spec, self._prepared, "i1/generate/r1")

    def ratio(self, steps: Sequence[Step], rounds: int) -> float:
        """Return the worker's speed as a share of the call's; prints both."""
        self.as_stages(steps)
        requests = list(self._spy.requests)
        times = [(self.as_call(requests), self.as_stages(steps)) for _ in range(rounds)]
        call, stages = min(call for call, _ in times), min(stages for _, stages in times)
        print(
            f"{len(steps)} step(s), {len(requests)} prompts: LLM.generate {call:.2f} s, the worker "
            f"{stages:.2f} s\n{'MISSED: ' if call / stages < GOAL else ''}"
            f"{call / stages:.3f} of its speed (goal {GOAL})"
        )
        return call / stages

    def as_stages(self, steps: Sequence[Step]) -> float:
        """Return the seconds of an order of steps that nobody has carried out before."""
        shutil.rmtree(self._store / "default/stages", ignore_errors=True)
        if self._caller.llm is not None:
            self._caller.llm.reset_prefix_cache()
        self._spy.requests.clear()
        began = self._clock()
        self.carry_out(*steps)
        return self._clock() - began

    def as_call(self, requests: Sequence[Request]) -> float:
        """Return the seconds of one call over the same requests."""
        self._caller.llm.reset_prefix_cache()
        prompts = [{"prompt_token_ids": list(r.prompt_token_ids)} for r in requests]
        sampling = [vllm_engine._sampling_params(r) for r in requests]
        began = self._clock()
        self._caller.llm.generate(prompts, sampling, use_tqdm=False)
        return self._clock() - began

    def carry_out(self, *steps: Step) -> StageResult:
        """Carry out one order."""
        result = self.worker.carry_out(
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
        journey = walk(ISheep(), spec, prepared, VERSIONS, lambda stage, _: FOUND.get(stage.id))
        stage = next(stage for stage in journey.stages if stage.id == name)
        return Step(
            id=stage.id,
            kind=str(stage.kind),
            version=VERSIONS[str(stage.kind)],
            key=journey.keys[stage.id],
            iteration=stage.iteration,
            round=stage.round,
            settings=stage.settings.canonical(),
            items=stage.items,
        )


FOUND: dict[str, dict[str, float]] = {"prepare": {}}
"""What the recipe is told to have been made before."""

if __name__ == "__main__":
    sys.exit(main())
