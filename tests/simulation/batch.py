"""Many simulations: one seed after another in several processes, and the figures of all."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field

from .api_server import Json
from .faults import LEAST_FAULTS
from .invariants import violations
from .memo import remembered
from .simulate import simulate

LEAST_ITERATIONS = 2
CHUNK = 8
_memory = ExitStack()
"""The memory of a process of the pool, which lasts as long as the process."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one seed: `finished` of its `runs` have made two iterations or more.

    `faults` is the number of faults that have happened, to the runs or to what they share.
    """

    seed: int
    runs: int
    finished: int
    faults: int
    violations: tuple[str, ...]

    @property
    def counted_runs(self) -> int:
        """The number of runs that finished, and for which there were enough faults of their own.

        No fault counts for two runs, although most faults disturb all of them.
        """
        return min(self.finished, self.faults // LEAST_FAULTS)


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
            f"{self.seeds} seeds, {self.runs} runs; {self.counted_runs} of them had {LEAST_FAULTS} "
            f"faults or more and {LEAST_ITERATIONS} iterations or more; {self.faults} faults; "
            f"{len(self.failed)} seeds with violations; {rate:.0f} such runs a minute"
        )


def replay_command(seed: int) -> str:
    """Return the command that runs a seed again and prints its trace."""
    return f".venv/bin/python -m tests.simulation --seed {seed} --runs 1 --trace"


def run_seed(seed: int) -> Outcome:
    """Run the simulation of a seed, and check its invariants."""
    history = simulate(seed)
    return Outcome(
        seed,
        max(1, history.created),
        sum(_is_finished(final.run) for final in history.final),
        len(history.faults),
        tuple(violations(history)),
    )


def _is_finished(run: Json) -> bool:
    status = run.get("status") or {}
    iterations = max((one["iteration"] for one in status.get("history") or ()), default=0)
    return status.get("phase") == "Succeeded" and iterations >= LEAST_ITERATIONS


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
        with remembered() if memo else nullcontext():
            for chunk in chunks:
                yield from _run_chunk(chunk)
                if end is not None and time.monotonic() > end:
                    return
        return
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(memo,)) as pool:
        for outcomes in pool.map(_run_chunk, chunks):
            yield from outcomes
            if end is not None and time.monotonic() > end:
                pool.shutdown(cancel_futures=True)
                return


def _begin(memo: bool) -> None:
    """Begin a process: its memory serves all of its seeds."""
    if memo:
        _memory.enter_context(remembered())


def _chunked(seeds: Iterable[int]) -> list[list[int]]:
    found = list(seeds)
    return [found[i : i + CHUNK] for i in range(0, len(found), CHUNK)]


def _run_chunk(seeds: list[int]) -> list[Outcome]:
    # The collector would search thousands of living objects again and again.
    gc.disable()
    try:
        return [run_seed(seed) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()
        # What is left now is the memory, which the next collections need not search.
        gc.freeze()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
