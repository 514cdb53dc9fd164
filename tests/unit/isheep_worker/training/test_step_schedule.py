"""At the end of a step the schedule evaluates, saves and stops if it is due."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isheep_worker.training.step_schedule import StepSchedule


class _Recorded:
    def __init__(self) -> None:
        self.saved: list[tuple[list[str], int]] = []

    def save(self, folder: Path, step: int) -> None:
        self.saved.append((sorted(path.name for path in folder.iterdir()), step))

    def latest(self) -> Path | None:
        return None

    def discard(self) -> None:
        raise AssertionError


def _schedule(now: list[float], **changes: Any) -> StepSchedule:
    fields: dict[str, Any] = {
        "checkpoints": _Recorded(),
        "provenance": {},
        "stop": lambda: False,
        "clock": lambda: now[0],
        "checkpoint_seconds": 600.0,
        "evaluate_every": None,
    }
    schedule = StepSchedule(**fields | changes)
    schedule.on_train_begin()
    return schedule


def _step_end(schedule: StepSchedule, step: int, steps: int = 10) -> tuple[bool, bool, bool]:
    control = SimpleNamespace(should_evaluate=False, should_save=False, should_training_stop=False)
    schedule.on_step_end(None, SimpleNamespace(global_step=step, max_steps=steps), control)
    return control.should_evaluate, control.should_save, control.should_training_stop


def test_a_checkpoint_is_due_after_its_interval(tmp_path: Path) -> None:
    now = [0.0]
    checkpoints = _Recorded()
    schedule = _schedule(now, checkpoints=checkpoints)
    now[0] = 599.0
    assert _step_end(schedule, 1) == (False, False, False)
    now[0] = 600.0
    assert _step_end(schedule, 2) == (False, True, False)
    (tmp_path / "checkpoint-2").mkdir()
    schedule.on_save(
        SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=2), None
    )
    assert checkpoints.saved == [(["provenance.json"], 2)]
    assert not (tmp_path / "checkpoint-2").exists()
    now[0] = 1199.0
    assert _step_end(schedule, 3) == (False, False, False)


def test_a_stop_saves_and_ends_training_except_at_the_last_step() -> None:
    schedule = _schedule([0.0], stop=lambda: True)
    assert _step_end(schedule, 9) == (False, True, True)
    assert _step_end(schedule, 10) == (False, False, False)


def test_all_processes_do_what_is_due_in_one_process() -> None:
    stopped = _schedule([0.0], any_process=lambda _: [True, False])
    assert _step_end(stopped, 3) == (False, True, True)
    due = _schedule([0.0], any_process=lambda _: [False, True])
    assert _step_end(due, 3) == (False, True, False)
    exchanged: list[list[bool]] = []
    now = [0.0]
    schedule = _schedule(
        now, stop=lambda: True, any_process=lambda flags: exchanged.append(flags) or flags
    )
    now[0] = 600.0
    _step_end(schedule, 3)
    # At the last step the processes exchange nothing, because training ends in any case.
    _step_end(schedule, 10)
    assert exchanged == [[True, True]]


@pytest.mark.parametrize(
    ("step", "evaluated"), [(1, False), (4, True), (5, False), (8, True), (10, True)]
)
def test_an_evaluation_is_due_at_its_interval_and_at_the_end(step: int, evaluated: bool) -> None:
    assert _step_end(_schedule([0.0], evaluate_every=4), step)[0] is evaluated
    assert _step_end(_schedule([0.0]), step)[0] is False
