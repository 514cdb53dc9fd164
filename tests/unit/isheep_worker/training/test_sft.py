"""Training a tiny model ends in the same bytes, with and without interruptions."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from isheep_worker.training.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from isheep_worker.training.checkpoints import PROVENANCE
from isheep_worker.training.outcome import TrainingInputError

STEPS = 6  # 19 rows, 8 a batch, 2 epochs


def _weights(out: Path) -> bytes:
    return (out / ADAPTER_WEIGHTS).read_bytes()


def _stop_at(step: int) -> Any:
    calls = itertools.count(1)
    return lambda: next(calls) == step


@pytest.mark.parametrize("step", [1, 3, 4])
def test_interrupted_training_ends_in_the_same_bytes(
    training: Any, uninterrupted: Any, step: int
) -> None:
    whole, expected = uninterrupted
    checkpoints = training.checkpoints()
    stopped, empty = training(checkpoints=checkpoints, stop=_stop_at(step))
    assert (stopped.completed, stopped.step, stopped.max_steps) == (False, step, STEPS)
    assert list(empty.iterdir()) == []
    resumed, out = training(checkpoints=checkpoints)
    assert (resumed.completed, resumed.resumed_from) == (True, step)
    assert _weights(out) == _weights(expected)
    assert resumed.log == whole.log


def test_killed_training_resumes_from_its_last_checkpoint(
    training: Any, uninterrupted: Any
) -> None:
    _, expected = uninterrupted
    checkpoints = training.checkpoints()
    seconds = itertools.count()

    def kill(step: int, *_: Any) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(
            checkpoints=checkpoints,
            progress=kill,
            clock=lambda: float(next(seconds)),
            checkpoint_seconds=5.0,
        )
    assert checkpoints.steps
    assert checkpoints.steps[-1] < 5
    resumed, out = training(checkpoints=checkpoints)
    assert resumed.resumed_from == checkpoints.steps[-1]
    assert _weights(out) == _weights(expected)


def test_training_starts_again_without_a_checkpoint_of_another_environment(
    training: Any, uninterrupted: Any
) -> None:
    _, expected = uninterrupted
    checkpoints = training.checkpoints()
    training(checkpoints=checkpoints, stop=_stop_at(2))
    provenance = checkpoints.latest() / PROVENANCE
    document = json.loads(provenance.read_text())
    document["writtenOn"]["worldSize"] = 4
    provenance.write_text(json.dumps(document))
    again, out = training(checkpoints=checkpoints)
    assert again.resumed_from is None
    assert '"worldSize": 4' in again.restarted_because
    # Otherwise the refused checkpoint would stay the newest one, because its step is higher.
    assert checkpoints.steps == []
    assert _weights(out) == _weights(expected)


def test_the_adapter_follows_the_seed_and_contains_no_path(
    training: Any, uninterrupted: Any, tiny_model_dir: Path
) -> None:
    _, one = training()
    _, two = uninterrupted
    assert sorted(path.name for path in one.iterdir()) == [ADAPTER_CONFIG, ADAPTER_WEIGHTS]
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert str(tiny_model_dir) not in (one / ADAPTER_CONFIG).read_text()
    modules = {name.split(".")[-3] for name in load_file(one / ADAPTER_WEIGHTS)}
    projections = {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}
    assert modules == projections


def test_the_loss_is_the_mean_over_the_batchs_response_tokens(
    training: Any, settings: Any, split: Any, tiny_model_dir: Path
) -> None:
    data = split(21, 0.2)
    outcome, _ = training(
        settings=settings(effective_batch_size=32, num_train_epochs=1, learning_rate=0.0),
        data=data,
    )
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)

    def mean_loss(rows: Any) -> float:
        total = 0.0
        for index in range(len(rows)):
            row = {name: torch.from_numpy(ids)[None] for name, ids in rows[index].items()}
            with torch.no_grad():
                mean = model(**row).loss.item()
            total += mean * int((row["labels"] != -100).sum())
        return total / rows.label_count

    (only,) = outcome.log
    # A new adapter changes nothing, so the loss of the first step is the loss of the base.
    assert only.loss == pytest.approx(mean_loss(data.train), abs=1e-5)
    assert only.eval_loss == pytest.approx(mean_loss(data.validation), abs=1e-5)


def test_the_micro_batches_change_only_the_order_of_additions(training: Any, settings: Any) -> None:
    without_dropout = settings(dropout=0.0)
    single, one = training(settings=without_dropout)
    packed, other = training(settings=without_dropout, tokens_at_once=48)
    assert (single.tokens_at_once, packed.tokens_at_once) == (0, 48)
    expected, found = load_file(one / ADAPTER_WEIGHTS), load_file(other / ADAPTER_WEIGHTS)
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=1e-4), name
    for left, right in zip(single.log, packed.log, strict=True):
        assert right.loss == pytest.approx(left.loss, abs=1e-4)
    assert packed.log[-1].eval_loss == pytest.approx(single.log[-1].eval_loss, abs=1e-4)


def test_recomputing_activations_does_not_change_the_adapter(
    training: Any, uninterrupted: Any
) -> None:
    once, expected = uninterrupted
    again, out = training(recompute_activations=True)
    assert (once.recomputes_activations, again.recomputes_activations) == (False, True)
    assert _weights(out) == _weights(expected)


def test_the_log_has_every_step(training: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int, float]] = []
    outcome, _ = training(progress=lambda *figures: seen.append(figures))
    assert [row.step for row in outcome.log] == list(range(1, STEPS + 1))
    assert seen == [(row.step, STEPS, row.loss) for row in outcome.log]
    # The training has fewer than 100 steps, so only the last one is evaluated.
    assert [row.step for row in outcome.log if row.eval_loss is not None] == [STEPS]
    # After a warm-up of one step, the learning rate follows a cosine.
    cosine = [5e-3 * (1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)]
    assert [row.learning_rate for row in outcome.log] == pytest.approx([0.0, *cosine])
    losses = [row.loss for row in outcome.log]
    # Both epochs have the same rows, so their losses are comparable.
    assert sum(losses[3:]) < sum(losses[:3])
    assert capsys.readouterr().out == ""


def test_without_validation_rows_there_is_no_validation_loss(training: Any, split: Any) -> None:
    outcome, _ = training(data=split(9, 0.0))
    assert outcome.completed
    assert outcome.adapter_step == outcome.max_steps
    assert all(row.eval_loss is None for row in outcome.log)


def test_an_empty_training_set_is_refused_before_a_model_is_loaded(
    training: Any, split: Any, tmp_path: Path
) -> None:
    with pytest.raises(TrainingInputError, match="no row is left"):
        training(data=split(0), base=tmp_path / "no model")
