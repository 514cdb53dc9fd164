"""A packed row gets the logits that it gets alone, and a model that mixes rows is detected."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from isheep_worker.training.dataset import IGNORED_LABEL, Split
from isheep_worker.training.packing import keeps_rows_apart, pack


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32).eval()


def _rows(split: Any) -> list[dict[str, Any]]:
    data: Split = split(8, 0.0)
    return [data.train[index] for index in range(len(data.train))]


def test_a_packed_row_gets_the_logits_that_it_gets_alone(model: Any, split: Any) -> None:
    rows = _rows(split)
    batch = pack(rows)
    del batch["labels"], batch["row_lengths"]
    with torch.no_grad():
        packed = model(**batch, use_cache=False).logits[0]
        alone = [model(input_ids=pack([row])["input_ids"]).logits[0] for row in rows]
    assert (packed - torch.cat(alone)).abs().max() < 1e-4


def test_a_single_row_has_no_positions_and_no_batch_has_a_mask(split: Any) -> None:
    rows = _rows(split)
    assert set(pack(rows)) == {"input_ids", "labels", "position_ids", "row_lengths"}
    assert set(pack(rows[:1])) == {"input_ids", "labels", "row_lengths"}
    assert pack(rows)["row_lengths"] == tuple(len(row["labels"]) for row in rows)


def test_the_first_token_of_a_row_has_no_label() -> None:
    row = {"input_ids": torch.tensor([7, 8]).numpy(), "labels": torch.tensor([7, 8]).numpy()}
    assert pack([row, row])["labels"].tolist() == [[-100, 8, -100, 8]]
    assert row["labels"].tolist() == [7, 8]


def test_without_rows_the_batch_is_one_token_without_a_label() -> None:
    batch = pack([])
    assert batch["input_ids"].shape == batch["labels"].shape == (1, 1)
    assert batch["labels"].tolist() == [[IGNORED_LABEL]]


def test_a_llama_model_keeps_rows_apart(model: Any) -> None:
    assert keeps_rows_apart(model)


class _Model(torch.nn.Module):
    device = "cpu"
    config = SimpleNamespace(_attn_implementation="eager")

    def _mean_so_far(self, ids: torch.Tensor) -> Any:
        values = torch.nn.functional.one_hot(ids, 64).float().cumsum(1)
        return SimpleNamespace(logits=values / values.sum(-1, keepdim=True))


class _Mixing(_Model):
    def forward(self, input_ids: Any, position_ids: Any = None, use_cache: bool = False) -> Any:
        return self._mean_so_far(input_ids)


class _WithoutPositions(_Model):
    def forward(self, input_ids: Any, use_cache: bool = False) -> Any:
        return self._mean_so_far(input_ids)


@pytest.mark.parametrize("broken", [_Mixing(), _WithoutPositions()], ids=["mixing", "no positions"])
def test_a_model_that_mixes_rows_is_detected(broken: Any) -> None:
    assert not keeps_rows_apart(broken)
