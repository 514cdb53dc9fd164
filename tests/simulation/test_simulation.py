"""The simulation in a short form: a range of seeds, the replay of a seed, and the known defects.

`make simulate` runs more. Each test starts the command, because a simulation is the same in every
process only with a fixed order of sets of strings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .batch import Outcome
from .defects.defect import Defect
from .defects.known import DEFECTS

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 8


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command, or a piece of code, as it runs outside of a test."""
    command = ["-c", code] if code else ["-m", "tests.simulation", *arguments]
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_seed_violates_an_invariant() -> None:
    found = run("--runs", str(SEEDS), "--processes", "1")
    assert found.returncode == 0, found.stdout + found.stderr


REPLAY = """
from contextlib import nullcontext
from tests.simulation.memo import remembered
from tests.simulation.trace import trace
from tests.simulation.simulate import simulate
for seed in (7,):
    traces = set()
    for memory in (nullcontext(), remembered()):
        with memory:
            traces.add("\\n".join(trace(simulate(seed))))
    assert len(traces) == 1, f"seed {seed} has {len(traces)} traces"
"""


def test_a_seed_gives_the_same_trace_each_time_and_without_memory() -> None:
    found = run(code=REPLAY)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_source_of_a_known_defect_is_current(defect: Defect) -> None:
    with defect.planted():
        pass


def test_a_run_counts_if_it_has_enough_faults() -> None:
    assert Outcome(seed=1, runs=1, finished=1, faults=2, violations=()).counted_runs == 0
    assert Outcome(seed=1, runs=2, finished=2, faults=5, violations=()).counted_runs == 1
    assert Outcome(seed=1, runs=2, finished=1, faults=6, violations=()).counted_runs == 1


SEARCH = """
from tests.simulation.defects.known import DEFECTS
from tests.simulation.search import search
known = {defect.name: defect for defect in DEFECTS}
for name in ("loses-a-wake-up-during-a-pass", "waits-for-what-no-timer-can-reach"):
    found = search(known[name], range(4))
    assert found.seed is not None, f"no seed finds {name}"
"""


def test_defects_that_are_put_back_are_found() -> None:
    found = run(code=SEARCH)
    assert found.returncode == 0, found.stderr


UNIT_TESTS = """
from dataclasses import replace
from tests.simulation.defects.known import DEFECTS
from tests.simulation.defects.unit_tests import failing_test
defect = next(one for one in DEFECTS if one.name == "keeps-the-earlier-time-only-if-later")
found = failing_test(defect, packages=())
assert found is not None and found.startswith("tests/unit/isheep/kube/test_queue.py::"), found
assert failing_test(replace(defect, then=defect.now), packages=()) is None
"""


def test_a_unit_test_judges_a_defect_that_is_put_back() -> None:
    found = run(code=UNIT_TESTS)
    assert found.returncode == 0, found.stderr
