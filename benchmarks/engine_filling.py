"""Measures how full the worker keeps an engine, and what a kill costs, in decode steps and tokens.

    python benchmarks/engine_filling.py

A simulated engine counts steps (`simulated_engine.py`), so the figures do not depend on the
machine. The worker's own loop, with its parts and its journal in a folder store, is compared with
all requests submitted at once. Each case has at least ten times as many items as the engine runs
at once, and the lengths of real responses. In a second run the worker is killed (SIGKILL) after
half of the tokens, and another worker completes the stage.

A kill loses the tokens of the sequences that run, because an engine cannot continue a sequence with
the random numbers that it would have got. So an ideal worker, which stores each completion in the
step in which it ends, generates these tokens again. The benchmark measures them with all requests
submitted at once, and prints the result as the bound. A worker that keeps all places of the engine
busy cannot cost less for this order of requests, and it cannot choose a better order, because the
length of a completion is not known before its end. With 256 sequences at once and 2,560 items the
running sequences have a seventh of all tokens.

The benchmark exits with 1 if the worker needs more than 1.05 times the steps, or if it generates
more than 1.05 times the committed tokens where the bound allows it, and otherwise more than 0.01
above the bound.
"""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from simulated_engine import Killed, Lengths, SimulatedEngine

from isheep.recipes.interface import part_count
from isheep.store.completions import CompletionStore
from isheep.store.folder import FolderStore
from isheep_worker.engines.interface import Request
from isheep_worker.execution.journal import Journal
from isheep_worker.execution.parts import (
    FilledPart,
    PartProgram,
    fill_parts,
    part_items,
)
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.stopping import StopFlag

GOAL = 1.05
ABOVE_BOUND = 0.01
STEP_SECONDS = 0.025
"""The duration of a step, which decides how much is generated between two saves of the journal."""
CASES = ((16, 2560), (64, 2560), (256, 2560), (256, 10_240))


@dataclass
class Stage:
    """A stage whose parts are written by one worker after another."""

    folder: Path
    slots: int
    items: int
    written: set[int] = field(default_factory=set)

    def work(self, kill_after: float = math.inf) -> SimulatedEngine:
        """Let one worker make the missing parts until its end or its kill; return its engine."""
        engine = SimulatedEngine(self.slots, Lengths(), kill_after)
        missing = [part for part in range(part_count(self.items)) if part not in self.written]
        journal = Journal(
            CompletionStore(FolderStore(self.folder), "ns", "key"),
            missing,
            lambda: engine.steps * STEP_SECONDS,
        )
        with contextlib.suppress(Killed):
            fill_parts(
                missing,
                self._program,
                lambda part, _: self.written.add(part),
                engine,
                stop=StopFlag(),
                meter=Meter(),
                journal=journal,
            )
        return engine

    def _program(self, part: int) -> PartProgram:
        yield [_request(f"{part}/{item}", item) for item in part_items(part, self.items)]
        return FilledPart([], {})


def all_at_once(slots: int, items: int, kill_after: float = math.inf) -> SimulatedEngine:
    """Return an engine that got all requests before its first step, at its end or its kill."""
    engine = SimulatedEngine(slots, Lengths(), kill_after)
    engine.submit([_request(str(item), item) for item in range(items)])
    with contextlib.suppress(Killed):
        while engine.in_flight:
            engine.poll()
    return engine


def measure(slots: int, items: int, folder: Path) -> bool:
    """Print the figures of a case, and return whether it misses a goal."""
    best = all_at_once(slots, items)
    steps = Stage(folder / "whole", slots, items).work().steps / best.steps
    stage = Stage(folder / "killed", slots, items)
    first = stage.work(best.tokens / 2)
    cost = (first.tokens + stage.work().tokens) / best.tokens
    bound = 1 + all_at_once(slots, items, best.tokens / 2).running_tokens / best.tokens
    goal = max(GOAL, bound + ABOVE_BOUND)
    missed = steps > GOAL or cost > goal
    print(
        f"{'MISSED: ' if missed else ''}{slots} at once, {items} items of "
        f"{best.tokens / items:.0f} tokens: {steps:.3f} times the steps of all at once (goal: at "
        f"most {GOAL}); with one kill {cost:.3f} times the committed tokens (bound: {bound:.3f}, "
        f"goal: at most {goal:.3f})"
    )
    return missed


def main() -> int:
    """Measure all cases, and return 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as folder:
        missed = [measure(*case, Path(folder) / str(n)) for n, case in enumerate(CASES)]
    return int(any(missed))


def _request(id_: str, seed: int) -> Request:
    return Request(id_, (1,), seed, temperature=1.0, top_p=1.0, max_tokens=1024)


if __name__ == "__main__":
    sys.exit(main())
