"""Runs on rows: no alarm without a collapse, and an alarm with one."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from isheep_worker.collapse.registry import row_figures
from isheep_worker.collapse.row_set import CollapseRow, RowSet, equal_budget, read_rows
from isheep_worker.guards.alarms import alarms
from isheep_worker.guards.interface import Look, look
from isheep_worker.guards.registry import GUARD_RULES

REPOSITORY = Path(__file__).parents[4]
WORDS = [f"w{number}" for number in range(400)]


def rows(t: int, *, collapsed: bool) -> list[CollapseRow]:
    """Return rows; after a collapse, half begin with one verb and have the top score."""
    rng = random.Random(t)
    found = []
    for place in range(160):
        words = rng.choices(WORDS, k=12)
        score = rng.randint(3, 9)
        if collapsed and place % 2:
            words[0], score = "write", 10
        found.append(
            CollapseRow(
                id=f"i{t}-r1-c{place // 4}-p{place % 4}",
                instruction=" ".join(words),
                response=" ".join(rng.choices(WORDS, k=30)),
                finish_reason="stop",
                scores={"Quality": score},
                exemplars=tuple(rng.sample(WORDS[:24], 5)),
            )
        )
    return found


def simulated(onset: int) -> set[tuple[str, int]]:
    """Return the rules and iterations of the alarms of 4 iterations."""
    looks: list[Look] = []
    vocabulary: dict[str, int] = {}
    first: RowSet | None = None
    for t in range(1, 5):
        found = read_rows(rows(t, collapsed=t >= onset), 0, vocabulary)
        first = first or found
        looks.append(look(t, row_figures(found, None, equal_budget(first, found)), "Chat"))
    return {
        (alarm.rule.name, alarm.iteration)
        for alarm in alarms(looks, tuple(GUARD_RULES.values()), planned_looks=4)
    }


def test_a_run_without_a_collapse_has_no_alarm() -> None:
    assert simulated(onset=9) == set()


def test_a_collapse_has_an_alarm_from_its_onset() -> None:
    found = simulated(onset=3)
    assert {name for name, _ in found} == {"FewerVerbs", "TopScores"}
    assert min(t for _, t in found) == 3


@pytest.mark.long
def test_false_alarms_and_detection_of_many_runs() -> None:
    program = REPOSITORY / "benchmarks" / "guard_simulation.py"
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
