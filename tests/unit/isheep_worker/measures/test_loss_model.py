"""The losses and vectors of texts equal the loss and the hidden states of Transformers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from isheep_worker.engines import token_losses
from isheep_worker.engines.adapter import Adapter
from isheep_worker.measures.loss_model import LossModel
from isheep_worker.measures.texts import TokenText


def random_texts(count: int, longest: int = 40) -> list[TokenText]:
    """Return texts of random ids and lengths, and the shortest possible text."""
    draw = random.Random(0)

    def ids() -> list[int]:
        return [draw.randrange(3, 300) for _ in range(draw.randint(1, longest))]

    return [TokenText("short", [5], [6])] + [TokenText(f"t{n}", ids(), ids()) for n in range(count)]


def transformers_loss(model: Any, ids: list[int], first: int) -> float:
    labels = torch.tensor([[-100] * first + ids[first:]])
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([ids]), labels=labels).loss)


def states(model: Any, ids: list[int]) -> Any:
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return output.hidden_states[-1][0]


def assert_equals_transformers(folder: Path, texts: list[TokenText], batch: int) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    measured = LossModel(folder, "float32", 0, vectors=True)
    for begin in range(0, len(texts), batch):
        some = texts[begin : begin + batch]
        for text, found in zip(some, measured.measure(some), strict=True):
            ids = [*text.prompt_ids, *text.response_ids]
            first = len(text.prompt_ids)
            assert found.response_loss == pytest.approx(
                transformers_loss(model, ids, first), abs=1e-4
            )
            assert found.pair_loss == pytest.approx(transformers_loss(model, ids, 0), abs=1e-4)
            wanted = states(model, ids).mean(dim=0).numpy()
            assert found.vector == pytest.approx(wanted, abs=1e-3, rel=1e-3)


@pytest.mark.parametrize("batch", [1, 4, 21])
def test_losses_and_vectors_equal_those_of_transformers(tiny_model_dir: Path, batch: int) -> None:
    assert_equals_transformers(tiny_model_dir, random_texts(20), batch)


def test_losses_and_vectors_of_a_real_model_equal_those_of_transformers(smollm2_dir: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_dir)
    texts = [
        TokenText(str(number), tokenizer.encode(prompt), tokenizer.encode(response))
        for number, (prompt, response) in enumerate(
            [
                ("Name three birds that swim.\n", "Ducks, penguins and swans."),
                ("Why is the sky blue?\n", "Air scatters blue light more than red light. " * 9),
                ("Say it backwards: level\n", "level"),
            ]
        )
    ]
    assert_equals_transformers(smollm2_dir, texts, 3)
    assert_equals_transformers(smollm2_dir, texts, 1)


def test_an_adapter_on_the_base_gives_the_measures_of_merged_weights(
    tiny_model_dir: Path,
    adapter_of: Callable[..., Path],
    merged_of: Callable[[Path, Path, Path], Path],
    tmp_path: Path,
) -> None:
    texts = random_texts(8)
    folder = adapter_of(tiny_model_dir, tmp_path / "adapter", seed=1)
    merged = merged_of(folder, tiny_model_dir, tmp_path / "merged")
    adapted = LossModel(tiny_model_dir, "float32", 0, vectors=True, adapter=Adapter("a", folder, 4))
    measures = zip(
        adapted.measure(texts),
        LossModel(merged, "float32", 0, vectors=True).measure(texts),
        LossModel(tiny_model_dir, "float32", 0, vectors=True).measure(texts),
        strict=True,
    )
    for found, expected, base in measures:
        assert found.pair_loss == pytest.approx(expected.pair_loss, abs=1e-4)
        assert found.response_loss == pytest.approx(expected.response_loss, abs=1e-4)
        assert found.vector == pytest.approx(expected.vector, abs=1e-3, rel=1e-3)
        assert abs(found.pair_loss - base.pair_loss) > 1e-3


def test_losses_do_not_depend_on_the_number_of_positions_at_once(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = random_texts(3)
    whole = LossModel(tiny_model_dir, "float32", 0, vectors=False).measure(texts)
    monkeypatch.setattr(token_losses, "POSITIONS_AT_ONCE", 7)
    pieces = LossModel(tiny_model_dir, "float32", 0, vectors=False).measure(texts)
    assert [r.pair_loss for r in pieces] == pytest.approx([r.pair_loss for r in whole], abs=1e-6)


def test_a_text_has_no_vector_if_vectors_are_not_requested(tiny_model_dir: Path) -> None:
    (found,) = LossModel(tiny_model_dir, "float32", 0, vectors=False).measure(random_texts(0))
    assert found.vector is None
