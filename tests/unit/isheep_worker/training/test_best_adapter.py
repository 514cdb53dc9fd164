"""The adapter that is written is the one with the lowest validation loss, or the last."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.adapter import ADAPTER_WEIGHTS, save_adapter
from isheep_worker.training.best import BEST, BestAdapter

STEPS = 6  # 19 rows, 8 a batch, 2 epochs
BETTER = 3


def _model(value: float = 0.0) -> Any:
    """A frozen weight, as the base's are, and one that is trained."""
    model = torch.nn.Module()
    model.base = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    model.adapter = torch.nn.Parameter(torch.full((2,), value))
    return model


def _given_back(best: BestAdapter) -> list[float]:
    model = _model(-1.0)
    best.give_back(model)
    assert model.base.tolist() == [0.0, 0.0]
    assert model.adapter.requires_grad
    values: list[float] = model.adapter.tolist()
    return values


@given(st.lists(st.sampled_from([0.1, 0.1 + 1e-16, 0.25, 3.0]), min_size=1, max_size=6))
def test_the_first_of_the_lowest_is_held(losses: list[float]) -> None:
    best = BestAdapter()
    for step, loss in enumerate(losses, start=1):
        best.offer(_model(float(step)), step, loss)
    first = losses.index(min(losses)) + 1
    assert best.step == first
    assert _given_back(best) == [first, first]


def test_what_is_held_does_not_follow_the_training() -> None:
    best, model = BestAdapter(), _model(1.0)
    best.offer(model, 1, 2.0)
    with torch.no_grad():
        model.adapter.fill_(9.0)
    assert _given_back(best) == [1.0, 1.0]


def test_a_checkpoint_knows_it_to_the_bit(tmp_path: Path) -> None:
    loss = 0.1 + 0.2
    best, resumed = BestAdapter(), BestAdapter()
    best.offer(_model(4.0), 4, loss)
    best.save(tmp_path)
    resumed.restore(tmp_path)
    assert (resumed.step, _given_back(resumed)) == (4, [4.0, 4.0])
    resumed.offer(_model(5.0), 5, loss)
    assert resumed.step == 4
    resumed.offer(_model(6.0), 6, 0.3)
    assert (resumed.step, _given_back(resumed)) == (6, [6.0, 6.0])


def test_where_nothing_was_evaluated_there_is_nothing_to_hold(tmp_path: Path) -> None:
    best = BestAdapter()
    best.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    best.restore(tmp_path)
    assert best.step is None
    assert _given_back(best) == [-1.0, -1.0]


def _rising(settings: Any, **changes: Any) -> Any:
    """Steps so large that the validation loss rises again after the first epoch."""
    return settings(learning_rate=1.0, warmup_steps=3, **{"evaluation_steps": BETTER} | changes)


def _weights(folder: Path) -> bytes:
    return (folder / ADAPTER_WEIGHTS).read_bytes()


def _stop_at(step: int) -> Any:
    calls = itertools.count(1)
    return lambda: next(calls) == step


@pytest.fixture
def rising(training: Any, settings: Any) -> Any:
    """The outcome and the adapter of a training that gets worse, not interrupted."""
    outcome, out = training(settings=_rising(settings))
    losses = {row.step: row.eval_loss for row in outcome.log if row.eval_loss is not None}
    assert sorted(losses) == [BETTER, STEPS]
    assert losses[BETTER] < losses[STEPS] - 0.05
    return outcome, out


def test_the_adapter_before_the_rise_is_written_and_shown(
    training: Any, settings: Any, rising: Any, tmp_path: Path
) -> None:
    outcome, expected = rising
    assert (outcome.step, outcome.adapter_step) == (STEPS, BETTER)
    checkpoints = training.checkpoints()
    stopped, _ = training(
        settings=_rising(settings), checkpoints=checkpoints, stop=_stop_at(BETTER)
    )
    assert stopped.adapter_step is None
    assert _weights(checkpoints.latest()) == _weights(expected)
    shown = tmp_path / "shown"
    training(settings=_rising(settings), trained=lambda model: save_adapter(model, shown))
    assert _weights(shown) == _weights(expected)


def test_the_last_adapter_is_written_where_it_is_wanted(
    training: Any, settings: Any, rising: Any
) -> None:
    _, earlier = rising
    checkpoints = training.checkpoints()
    chosen = _rising(settings, checkpoint="Last")
    training(settings=chosen, checkpoints=checkpoints, stop=_stop_at(4))
    assert not (checkpoints.latest() / BEST).exists()
    last, out = training(settings=chosen, checkpoints=checkpoints)
    assert last.adapter_step == STEPS
    assert _weights(out) != _weights(earlier)


def test_evaluating_more_often_changes_nothing_of_what_is_trained(
    training: Any, settings: Any
) -> None:
    often, one = training(settings=settings(checkpoint="Last", evaluation_steps=1))
    once, other = training(settings=settings(checkpoint="Last"))
    assert _weights(one) == _weights(other)
    assert [row.loss for row in often.log] == [row.loss for row in once.log]
    assert all(row.eval_loss is not None for row in often.log)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_an_interrupted_training_still_knows_its_best_adapter(
    training: Any, settings: Any, rising: Any, step: int
) -> None:
    whole, expected = rising
    checkpoints = training.checkpoints()
    training(settings=_rising(settings), checkpoints=checkpoints, stop=_stop_at(step))
    assert (checkpoints.latest() / BEST).exists() is (step >= BETTER)
    resumed, out = training(settings=_rising(settings), checkpoints=checkpoints)
    assert (resumed.resumed_from, resumed.adapter_step) == (step, BETTER)
    assert _weights(out) == _weights(expected)
    assert resumed.log == whole.log


def test_a_killed_training_still_knows_its_best_adapter(
    training: Any, settings: Any, rising: Any
) -> None:
    _, expected = rising
    checkpoints = training.checkpoints()

    def kill(step: int, *_: Any) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(
            settings=_rising(settings),
            checkpoints=checkpoints,
            progress=kill,
            checkpoint_seconds=0.0,
        )
    assert checkpoints.steps[-1] == 4
    resumed, out = training(settings=_rising(settings), checkpoints=checkpoints)
    assert resumed.resumed_from == 4
    assert _weights(out) == _weights(expected)
