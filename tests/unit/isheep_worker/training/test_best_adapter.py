"""Training writes the adapter with the lowest validation loss, or the last one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.adapter import ADAPTER_WEIGHTS, save_adapter
from isheep_worker.training.best_adapter import BEST, BestAdapter

STEPS = 6  # 19 rows, 8 a batch, 2 epochs
BETTER = 3


def _model(value: float = 0.0) -> Any:
    """Return a model with a frozen weight, as in the base, and a trainable weight."""
    model = torch.nn.Module()
    model.base = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    model.adapter = torch.nn.Parameter(torch.full((2,), value))
    return model


def _copied(best: BestAdapter) -> list[float]:
    model = _model(-1.0)
    best.copy_to(model)
    assert model.base.tolist() == [0.0, 0.0]
    assert model.adapter.requires_grad
    values: list[float] = model.adapter.tolist()
    return values


@given(st.lists(st.sampled_from([0.1, 0.1 + 1e-16, 0.25, 3.0]), min_size=1, max_size=6))
def test_the_first_of_the_lowest_is_held(losses: list[float]) -> None:
    best = BestAdapter()
    for step, loss in enumerate(losses, start=1):
        best.update(_model(float(step)), step, loss)
    first = losses.index(min(losses)) + 1
    assert best.step == first
    assert _copied(best) == [first, first]


def test_the_held_adapter_does_not_change_with_the_model() -> None:
    best, model = BestAdapter(), _model(1.0)
    best.update(model, 1, 2.0)
    with torch.no_grad():
        model.adapter.fill_(9.0)
    assert _copied(best) == [1.0, 1.0]


def test_a_checkpoint_contains_the_held_adapter_exactly(tmp_path: Path) -> None:
    loss = 0.1 + 0.2
    best, resumed = BestAdapter(), BestAdapter()
    best.update(_model(4.0), 4, loss)
    best.save(tmp_path)
    resumed.restore(tmp_path)
    assert (resumed.step, _copied(resumed)) == (4, [4.0, 4.0])
    resumed.update(_model(5.0), 5, loss)
    assert resumed.step == 4
    resumed.update(_model(6.0), 6, 0.3)
    assert (resumed.step, _copied(resumed)) == (6, [6.0, 6.0])


def test_without_an_evaluation_no_adapter_is_held(tmp_path: Path) -> None:
    best = BestAdapter()
    best.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    best.restore(tmp_path)
    assert best.step is None
    assert _copied(best) == [-1.0, -1.0]


def _rising(settings: Any, **changes: Any) -> Any:
    """Return settings with steps so large that the validation loss rises after the first epoch."""
    return settings(learning_rate=1.0, warmup_steps=3, **{"evaluation_steps": BETTER} | changes)


def _weights(folder: Path) -> bytes:
    return (folder / ADAPTER_WEIGHTS).read_bytes()


def _stop_at(step: int) -> Any:
    calls = itertools.count(1)
    return lambda: next(calls) == step


@pytest.fixture(scope="module")
def rising(shared_training: Any, settings: Any) -> Any:
    """The outcome and the adapter's folder of a training whose validation loss rises."""
    outcome, out = shared_training(settings=_rising(settings))
    losses = {row.step: row.eval_loss for row in outcome.log if row.eval_loss is not None}
    assert sorted(losses) == [BETTER, STEPS]
    assert losses[BETTER] < losses[STEPS] - 0.05
    return outcome, out


def test_the_adapter_before_the_rise_is_written_and_in_the_model_at_completion(
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
    seen = tmp_path / "seen"
    training(settings=_rising(settings), on_completion=lambda model: save_adapter(model, seen))
    assert _weights(seen) == _weights(expected)


def test_the_last_adapter_is_written_if_the_setting_is_last(
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


def test_more_evaluations_do_not_change_the_trained_adapter(training: Any, settings: Any) -> None:
    often, one = training(settings=settings(checkpoint="Last", evaluation_steps=1))
    once, other = training(settings=settings(checkpoint="Last"))
    assert _weights(one) == _weights(other)
    assert [row.loss for row in often.log] == [row.loss for row in once.log]
    assert all(row.eval_loss is not None for row in often.log)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_an_interrupted_training_ends_with_its_best_adapter(
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


def test_a_killed_training_ends_with_its_best_adapter(
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
