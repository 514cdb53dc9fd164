"""The search for planted defects: which of them does the simulation find, and with which seed?

A pool of seeds runs without defects first (`defects.lines`), and each defect gets the seeds that
reach its line. Each defect runs in its own process, so that no broken state is left for the next.
What does not depend on the defect is remembered from the pool: the stages of recipes, and the
undisturbed runs with which `same_outcome` compares. For a defect that no seed finds, the search
counts the seeds whose history it changes: a defect that changes none may be equivalent to the
source, or it is outside of the simulation. With `--unit-tests`, the unit tests run with each defect
that no seed finds, and the figures of both are separate.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from types import FrameType
from typing import Protocol

from .batch import CHUNK
from .defects.differences import fingerprint
from .defects.excluded import why_excluded
from .defects.forked import forked
from .defects.lines import Traced, ranked, trace_seeds
from .defects.pool import pool_of
from .defects.replacement import Position
from .defects.unit_tests import Plantable, failing_test
from .invariants import violations
from .memo import Memory, remembered
from .simulate import simulate

SEED_SECONDS = 20
"""A simulation that needs more time of a processor hangs, which is a failure."""
NO_DIFFERENCES: Mapping[int, str] = {}


class Planted(Plantable, Protocol):
    """A defect that can be planted and searched for."""

    @property
    def name(self) -> str:
        """What the defect is."""

    def position(self) -> Position:
        """Return where the defect is in the source."""


@dataclass(frozen=True, slots=True)
class Found:
    """The seed that has found a defect, and what was violated; None if no seed did.

    `seeds` is the number of seeds that ran, and `differ` that of those with another history than
    without the defect. `unit_test` is the unit test that fails with a defect that no seed finds.
    """

    name: str
    seed: int | None
    violation: str = ""
    seeds: int = 0
    differ: int = 0
    unit_test: str | None = None

    def text(self) -> str:
        """Return a line about the defect."""
        if self.seed is not None:
            return f"seed {self.seed:<7} {self.name}: {self.violation}"
        why = self.violation or f"{self.differ} of {self.seeds} histories differ"
        end = "" if self.unit_test is None else f"; {self.unit_test} fails"
        return f"NOT FOUND    {self.name}: {why}{end}"


@dataclass(frozen=True, slots=True)
class Pool:
    """Simulations without a defect, and what they remember."""

    traced: Sequence[Traced]
    memory: Memory


@dataclass(frozen=True, slots=True)
class _How:
    """The number of seeds for each defect, of processes, and whether unit tests judge too."""

    runs: int
    processes: int
    unit_tests: bool


def search(
    defect: Planted,
    seeds: Sequence[int],
    fingerprints: Mapping[int, str] = NO_DIFFERENCES,
    memory: Memory | None = None,
) -> Found:
    """Run seeds with a defect in another process, until one of them finds it.

    Args:
        defect: The defect.
        seeds: The seeds, in their order.
        fingerprints: The digests of the histories without the defect, by seed.
        memory: What simulations without the defect have remembered.
    """
    try:
        found: Found = forked(_search, defect, seeds, fingerprints, memory)
    except EOFError:
        return Found(defect.name, None, "it cannot be planted: the source has changed")
    return found


def _search(
    defect: Planted,
    seeds: Sequence[int],
    fingerprints: Mapping[int, str],
    memory: Memory | None,
    sender: Pipe,
) -> None:
    signal.signal(signal.SIGPROF, _hang)
    differ = 0
    # What this process remembers is the work of the defect, so no other process may use it.
    with defect.planted(), remembered((memory or Memory()).without(defect.place)):
        gc.disable()
        for count, seed in enumerate(seeds, 1):
            if count % CHUNK == 0:
                gc.collect()
            found, digest = _run(seed)
            differ += digest not in (None, fingerprints.get(seed, digest))
            if found:
                sender.send(Found(defect.name, seed, found[0][:200], count, differ))
                return
    sender.send(Found(defect.name, None, "", len(seeds), differ))


def _run(seed: int) -> tuple[list[str], str | None]:
    """Return the violations of a seed, and the digest of its history if there are none."""
    # The time of this process alone: another process must not make a seed a finding.
    signal.setitimer(signal.ITIMER_PROF, SEED_SECONDS)
    try:
        history = simulate(seed)
        found = violations(history)
        return found, None if found else fingerprint(history)
    except BaseException as error:  # noqa: BLE001 (a simulation that breaks is a finding)
        return [f"the simulation ends with {error!r}"], None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _hang(_: int, __: FrameType | None) -> None:
    # The operator catches any other exception, or its task does.
    raise KeyboardInterrupt("the simulation hangs")


def report(
    known: bool,
    mutants: int,
    *,
    seed: int,
    runs: int,
    pool: int,
    processes: int,
    unit_tests: bool = False,
) -> int:
    """Search for the known defects and for mutants, and print a line for each.

    Args:
        known: Whether to search for the known defects.
        mutants: The number of mutants to draw.
        seed: The first seed, and the seed of the draw.
        runs: The number of seeds for each defect.
        pool: The number of seeds from which these are chosen.
        processes: The number of processes.
        unit_tests: Whether to run the unit tests with each defect that no seed finds.

    Returns:
        1 if the simulation has not found a known defect.
    """
    from .defects.known import DEFECTS
    from .defects.mutants import draw

    memory = Memory()
    pooled = Pool(_clean(trace_seeds(pool_of(seed, pool), memory)), memory)
    # The searches begin with the memory of this process.
    gc.collect()
    gc.freeze()
    how = _How(runs, processes, unit_tests and _pass_without_a_defect())
    missed = _print("known defects", DEFECTS, pooled, how) if known else []
    if mutants:
        _print("mutants", draw(seed, mutants, _union(pooled.traced)), pooled, how)
    return 1 if missed else 0


def _pass_without_a_defect() -> bool:
    """Return whether the unit tests pass, so that a failure says something about a defect."""
    failing = failing_test(None)
    if failing is not None:
        print(f"No unit tests run, because {failing} fails without a defect.")
    return failing is None


def _clean(traced: Sequence[Traced]) -> list[Traced]:
    """Return the seeds without a violation, and print the others."""
    for one in traced:
        if one.violations:
            print(f"LEFT OUT     seed {one.seed}, without a defect: {one.violations[0][:200]}")
    return [one for one in traced if not one.violations]


def _union(traced: Sequence[Traced]) -> dict[str, set[int]]:
    """Return the lines that any seed executes, by file."""
    found: dict[str, set[int]] = {}
    for one in traced:
        for name, lines in one.lines.items():
            found.setdefault(name, set()).update(lines)
    return found


def _print(title: str, defects: Sequence[Planted], pool: Pool, how: _How) -> list[Found]:
    missed = []
    excluded = {one.name: why_excluded(one.place, one.name) for one in defects}
    defects = [one for one in defects if excluded[one.name] is None]
    print("".join(f"LEFT OUT     {name}: {why}\n" for name, why in excluded.items() if why), end="")
    fingerprints = {one.seed: one.fingerprint for one in pool.traced}

    def searched(defect: Planted) -> Found:
        seeds = ranked(pool.traced, defect.position(), how.runs)
        found = search(defect, seeds, fingerprints, pool.memory)
        if found.seed is None and how.unit_tests:
            return replace(found, unit_test=failing_test(defect))
        return found

    with ThreadPoolExecutor(how.processes) as threads:
        for found in threads.map(searched, defects):
            print(found.text(), flush=True)
            if found.seed is None:
                missed.append(found)
    number, more = len(defects) - len(missed), sum(one.unit_test is not None for one in missed)
    print(f"{number} of {len(defects)} {title} found ({_percent(number, len(defects))})")
    if how.unit_tests:
        print(f"{more} more by unit tests ({_percent(number + more, len(defects))} by one of both)")
    return missed


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.0f} %"
