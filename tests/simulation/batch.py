"""Many simulations: one seed after another in several processes, and the figures of all."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from .invariants import violations
from .memo import remembered
from .world import simulate

LEAST_FAULTS = 3
"""A run counts if it has this many faults and two iterations."""
CHUNK = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one seed."""

    seed: int
    runs: int
    faults: int
    violations: tuple[str, ...]

    @property
    def counted_runs(self) -> int:
        """The number of runs that had enough faults; all have two iterations or more."""
        return self.runs if self.faults >= LEAST_FAULTS * self.runs else 0


@dataclass
class Figures:
    """The sums over all seeds."""

    seeds: int = 0
    runs: int = 0
    counted_runs: int = 0
    faults: int = 0
    seconds: float = 0.0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add the result of a seed."""
        self.seeds += 1
        self.runs += outcome.runs
        self.counted_runs += outcome.counted_runs
        self.faults += outcome.faults
        if outcome.violations:
            self.failed.append(outcome)

    def text(self) -> str:
        """Return the figures in one line."""
        rate = 60 * self.counted_runs / max(self.seconds, 1e-9)
        return (
            f"{self.seeds} seeds, {self.runs} runs, of which {self.counted_runs} with "
            f"{LEAST_FAULTS} faults or more; {self.faults} faults; {len(self.failed)} seeds with "
            f"violations; {rate:.0f} runs a minute"
        )


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again and prints its trace."""
    return f".venv/bin/python -m tests.simulation --seed {seed} --runs 1 --trace"


def run_seed(seed: int) -> Outcome:
    """Run the simulation of a seed, and check its invariants."""
    history = simulate(seed)
    return Outcome(seed, max(1, history.created), len(history.faults), tuple(violations(history)))


def run_seeds(
    seeds: Iterable[int], *, processes: int, memo: bool = True, seconds: float | None = None
) -> Iterator[Outcome]:
    """Yield the results of seeds, in the order of the seeds.

    Args:
        seeds: The seeds.
        processes: The number of processes; with 1, this process runs them.
        memo: Whether to remember what pure parsers returned.
        seconds: Stop after this time.
    """
    end = None if seconds is None else time.monotonic() + seconds
    chunks = _chunked(seeds)
    if processes == 1:
        for chunk in chunks:
            yield from _run_chunk(chunk, memo)
            if end is not None and time.monotonic() > end:
                return
        return
    with ProcessPoolExecutor(processes) as pool:
        for outcomes in pool.map(_run_chunk, chunks, [memo] * len(chunks)):
            yield from outcomes
            if end is not None and time.monotonic() > end:
                pool.shutdown(cancel_futures=True)
                return


def _chunked(seeds: Iterable[int]) -> list[list[int]]:
    found = list(seeds)
    return [found[i : i + CHUNK] for i in range(0, len(found), CHUNK)]


def _run_chunk(seeds: list[int], memo: bool) -> list[Outcome]:
    # The collector would search thousands of living objects again and again.
    gc.disable()
    try:
        with remembered() if memo else nullcontext():
            return [run_seed(seed) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
