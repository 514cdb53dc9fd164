"""The search for planted defects: which of them does the simulation find, and with which seed?

Each defect runs in its own process, so that no memory and no broken state is left for the next.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from types import FrameType
from typing import Protocol

from .batch import CHUNK, run_seed
from .memo import remembered
from .world import simulate

SEED_SECONDS = 20
"""A simulation that needs more time of a processor hangs, which is a failure."""
TRACED_SEEDS = 6
"""The simulations whose lines get mutants."""


class Planted(Protocol):
    """A defect that can be planted."""

    @property
    def name(self) -> str:
        """What the defect is."""

    def planted(self) -> contextlib.AbstractContextManager[None]:
        """Plant the defect for a while."""


@dataclass(frozen=True, slots=True)
class Found:
    """The seed that has found a defect, and what was violated; None if no seed did."""

    name: str
    seed: int | None
    violation: str = ""


def search(defect: Planted, first: int, count: int) -> Found:
    """Run seeds with a defect in another process, until one of them finds it."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_search, args=(defect, first, count, sender))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = Found(defect.name, None, "it cannot be planted: the source has changed")
    process.join()
    return found


def _search(defect: Planted, first: int, count: int, sender: Pipe) -> None:
    signal.signal(signal.SIGPROF, _hang)
    # What this process remembers is the work of the defect, so no other process may use it.
    with defect.planted(), remembered():
        gc.disable()
        for seed in range(first, first + count):
            if seed % CHUNK == CHUNK - 1:
                gc.collect()
            # The time of this process alone: another process must not make a seed a finding.
            signal.setitimer(signal.ITIMER_PROF, SEED_SECONDS)
            try:
                violations = run_seed(seed).violations
            except BaseException as error:  # noqa: BLE001 (a simulation that breaks is a finding)
                violations = (f"the simulation ends with {error!r}",)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if violations:
                sender.send(Found(defect.name, seed, violations[0][:200]))
                return
    sender.send(Found(defect.name, None))


def _hang(_: int, __: FrameType | None) -> None:
    # The operator catches any other exception, or its task does.
    raise KeyboardInterrupt("the simulation hangs")


def report(known: bool, mutants: int, seed: int, runs: int, processes: int) -> int:
    """Search for the known defects and for mutants, and print a line for each.

    Returns:
        1 if the simulation has not found a known defect.
    """
    from .defects.known import DEFECTS
    from .defects.mutants import draw, executed_lines

    drawn: Sequence[Planted] = ()
    if mutants:
        lines = executed_lines(lambda: deque(map(simulate, range(TRACED_SEEDS)), maxlen=0))
        drawn = draw(seed, mutants, lines)
    code = 0
    for title, defects in (
        ("known defects", DEFECTS if known else ()),
        ("mutants", drawn),
    ):
        if not defects:
            continue
        missed = _print(title, defects, seed, runs, processes)
        code = 1 if missed and title == "known defects" else code
    return code


def _print(
    title: str, defects: Sequence[Planted], seed: int, runs: int, processes: int
) -> list[Found]:
    missed = []
    with ThreadPoolExecutor(processes) as pool:
        for found in pool.map(lambda one: search(one, seed, runs), defects):
            where = f"seed {found.seed}" if found.seed is not None else "NOT FOUND"
            print(f"{where:12} {found.name}: {found.violation}", flush=True)
            if found.seed is None:
                missed.append(found)
    share = 100 * (len(defects) - len(missed)) / len(defects)
    print(f"{len(defects) - len(missed)} of {len(defects)} {title} found ({share:.0f} %)")
    return missed
