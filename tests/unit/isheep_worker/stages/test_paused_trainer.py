"""A trainer is frozen with its node, the next attempt trains, and the frozen one goes on beside it.

Both train for real and write checkpoints at each step to one store.
"""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.order import Outcome
from isheep.store.checkpoints import CheckpointStore

from .test_several_nodes import KEYS, distance, training

PAUSED, CONTINUED = 3, 5
"""The steps of the first attempt at which it stops, and of the second at which it goes on."""


@pytest.mark.long
def test_a_trainer_that_comes_back_during_the_next_attempt_harms_nothing(
    copied_run: Any, fork_server: Any
) -> None:
    alone = fork_server.run_order(training(copied_run, 1, KEYS["one"]))
    order = training(copied_run, 1, KEYS["two"])
    second = order.model_copy(update={"attempt": 2})
    ends = fork_server.run(
        {"order": order, "pause_at": PAUSED}, {"order": second, "continue_at": CONTINUED}
    )
    assert [(code, result.outcome) for code, result in ends] == [(0, Outcome.COMMITTED)] * 2
    # One of them has committed, and the other one has found its commit.
    (expected,), *found = (result.steps for result in (alone, *(result for _, result in ends)))
    ((first,), (later,)) = found
    assert later.statistics["resumedFromStep"] in (PAUSED - 1, PAUSED)
    assert first.statistics == later.statistics
    for name in ("steps", "trainLoss", "evalLoss"):
        assert later.statistics[name] == expected.statistics[name]
    folder = copied_run.folder / "default/stages"
    assert distance(*(folder / KEYS[name] for name in ("one", "two"))) == 0
    checkpoints = CheckpointStore(copied_run.artifacts.store, "default", attempt=2)
    assert checkpoints.steps(KEYS["two"]) == []
