"""What a model makes of a text, against Transformers' own loss and hidden states."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from isheep_worker.engines.adapter import Adapter
from isheep_worker.measures import reader as reader_module
from isheep_worker.measures.reader import Reader
from isheep_worker.measures.texts import TokenText


def drawn(count: int, longest: int = 40) -> list[TokenText]:
    """Texts of random ids and lengths, one of the shortest that there is among them."""
    draw = random.Random(0)

    def ids() -> list[int]:
        return [draw.randrange(3, 300) for _ in range(draw.randint(1, longest))]

    return [TokenText("short", [5], [6])] + [TokenText(f"t{n}", ids(), ids()) for n in range(count)]


def own_loss(model: Any, ids: list[int], first: int) -> float:
    labels = torch.tensor([[-100] * first + ids[first:]])
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([ids]), labels=labels).loss)


def states(model: Any, ids: list[int]) -> Any:
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return output.hidden_states[-1][0]


def assert_is_transformers_own(folder: Path, texts: list[TokenText], batch: int) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    reader = Reader(folder, "float32", 0, vectors=True)
    for begin in range(0, len(texts), batch):
        some = texts[begin : begin + batch]
        for text, reading in zip(some, reader.read(some), strict=True):
            ids = [*text.prompt_ids, *text.response_ids]
            first = len(text.prompt_ids)
            assert reading.response_loss == pytest.approx(own_loss(model, ids, first), abs=1e-4)
            assert reading.pair_loss == pytest.approx(own_loss(model, ids, 0), abs=1e-4)
            wanted = states(model, ids).mean(dim=0).numpy()
            assert reading.vector == pytest.approx(wanted, abs=1e-3, rel=1e-3)


@pytest.mark.parametrize("batch", [1, 4, 21])
def test_losses_and_vectors_are_transformers_own(tiny_model_dir: Path, batch: int) -> None:
    assert_is_transformers_own(tiny_model_dir, drawn(20), batch)


def test_they_are_for_a_real_model_too(smollm2_dir: Path) -> None:
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
    assert_is_transformers_own(smollm2_dir, texts, 3)
    assert_is_transformers_own(smollm2_dir, texts, 1)


def test_an_adapter_beside_the_base_reads_like_merged_weights(
    tiny_model_dir: Path,
    adapter_of: Callable[..., Path],
    merged_of: Callable[[Path, Path, Path], Path],
    tmp_path: Path,
) -> None:
    texts = drawn(8)
    folder = adapter_of(tiny_model_dir, tmp_path / "adapter", seed=1)
    merged = merged_of(folder, tiny_model_dir, tmp_path / "merged")
    beside = Reader(tiny_model_dir, "float32", 0, vectors=True, adapter=Adapter("a", folder, 4))
    readings = zip(
        beside.read(texts),
        Reader(merged, "float32", 0, vectors=True).read(texts),
        Reader(tiny_model_dir, "float32", 0, vectors=True).read(texts),
        strict=True,
    )
    for found, expected, base in readings:
        assert found.pair_loss == pytest.approx(expected.pair_loss, abs=1e-4)
        assert found.response_loss == pytest.approx(expected.response_loss, abs=1e-4)
        assert found.vector == pytest.approx(expected.vector, abs=1e-3, rel=1e-3)
        assert abs(found.pair_loss - base.pair_loss) > 1e-3


def test_logits_are_looked_at_in_pieces(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = drawn(3)
    whole = Reader(tiny_model_dir, "float32", 0, vectors=False).read(texts)
    monkeypatch.setattr(reader_module, "_POSITIONS_AT_ONCE", 7)
    pieces = Reader(tiny_model_dir, "float32", 0, vectors=False).read(texts)
    assert [r.pair_loss for r in pieces] == pytest.approx([r.pair_loss for r in whole], abs=1e-6)


def test_there_is_no_vector_where_none_is_asked_for(tiny_model_dir: Path) -> None:
    (reading,) = Reader(tiny_model_dir, "float32", 0, vectors=False).read(drawn(0))
    assert reading.vector is None
