"""`python -m tests.simulation`: run seeds, print the figures, and fail if an invariant is violated.

A failure names its seed. The same seed gives the same simulation on every machine, so
`--seed N --runs 1 --trace` shows what happened.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from .batch import Figures, cores, replay_command, run_seeds
from .invariants import violations
from .simulate import simulate
from .trace import trace

POOL = 240
"""The seeds that run without defects first, to find those that reach the lines of a defect."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    found = _parser().parse_args(arguments)
    _fix_hash_seed()
    if found.trace:
        return _trace(found.seed)
    if found.defects or found.mutants:
        from .search import report

        return report(
            found.defects,
            found.mutants,
            seed=found.seed,
            runs=found.runs,
            pool=found.pool,
            processes=found.processes,
            unit_tests=found.unit_tests,
        )
    figures = Figures()
    begin = time.monotonic()
    seeds = range(found.seed, found.seed + found.runs)
    for outcome in run_seeds(seeds, processes=found.processes, memo=not found.no_memo):
        figures.add(outcome)
        if outcome.violations:
            print(f"seed {outcome.seed}: replay with {replay_command(outcome.seed)}")
            for text in outcome.violations:
                print(f"  {text}")
    figures.seconds = time.monotonic() - begin
    print(figures.text())
    return 1 if figures.failed else 0


def _trace(seed: int) -> int:
    history = simulate(seed)
    for line in trace(history):
        print(line)
    found = violations(history)
    print("\n".join(found) or "no violation")
    return 1 if found else 0


def _fix_hash_seed() -> None:
    """Start again with a fixed order of sets of strings, which is random in each process."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, environment)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="number of seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--trace", action="store_true", help="print what happens in the seed")
    parser.add_argument("--no-memo", action="store_true", help="parse everything again")
    parser.add_argument("--defects", action="store_true", help="put known defects back")
    parser.add_argument("--pool", type=int, default=POOL, help="seeds to choose from for defects")
    parser.add_argument("--mutants", type=int, default=0, help="number of mutants to search for")
    parser.add_argument(
        "--unit-tests", action="store_true", help="judge the defects that no seed finds"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
