"""Attention within rows equals the model's own attention for each row alone, with any mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, MistralConfig

from isheep_worker.training.attention import attends_by_row, use_plain_attention
from isheep_worker.training.packing import model_inputs, pack, prepare_packing


def _small(**changes: Any) -> Any:
    config = MistralConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **changes,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def _models() -> list[Any]:
    """Return models with and without a window that is narrower than the rows, and another kind."""
    torch.manual_seed(0)
    gpt2 = GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=4, n_positions=128)
    return [
        _small(sliding_window=5),
        _small(sliding_window=None),
        AutoModelForCausalLM.from_config(gpt2).eval(),
    ]


@pytest.mark.parametrize("model", _models(), ids=["sliding", "full", "gpt2"])
def test_each_packed_row_gets_the_logits_that_it_gets_alone(model: Any, split: Any) -> None:
    data = split(8, 0.0).train
    rows = [data[index] for index in range(len(data))]
    with torch.no_grad():
        alone = [model(input_ids=pack([row])["input_ids"]).logits[0] for row in rows]
        assert prepare_packing(model)
        assert attends_by_row(model)
        packed = model(**model_inputs(model, pack(rows)), use_cache=False).logits[0]
    assert (packed - torch.cat(alone)).abs().max() < 1e-4


def test_each_row_is_computed_alone(split: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from isheep_worker.training import attention

    model = _small(sliding_window=None)
    assert prepare_packing(model)
    seen: list[int] = []
    plain = attention.sdpa_attention_forward

    def recorded(module: Any, query: Any, *rest: Any, **arguments: Any) -> Any:
        seen.append(query.shape[2])
        return plain(module, query, *rest, **arguments)

    monkeypatch.setattr(attention, "sdpa_attention_forward", recorded)
    data = split(5, 0.0).train
    rows = [data[index] for index in range(len(data))]
    with torch.no_grad():
        model(**model_inputs(model, pack(rows)), use_cache=False)
    assert seen == [len(row["labels"]) for row in rows] * 2


def test_padded_batches_and_caches_give_the_same_tokens(tiny_model_dir: Path) -> None:
    """After training, the model answers a few questions with a padded batch and a cache."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval()
    ids = torch.tensor([[0, 0, 5, 6, 7], [9, 10, 11, 12, 13]])
    arguments = {
        "input_ids": ids,
        "attention_mask": (ids > 0).long(),
        "max_new_tokens": 6,
        "do_sample": False,
        "pad_token_id": 0,
    }
    expected = model.generate(**arguments)
    assert prepare_packing(model)
    assert torch.equal(model.generate(**arguments), expected)
    use_plain_attention(model)
    assert not attends_by_row(model)
    assert torch.equal(model.generate(**arguments), expected)


def test_a_model_with_another_attention_keeps_it(tiny_model_dir: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir, attn_implementation="eager").eval()
    assert prepare_packing(model)
    assert not attends_by_row(model)
    assert "row_lengths" not in model_inputs(
        model, pack([{"input_ids": r, "labels": r} for r in ROWS])
    )


def test_a_model_whose_forward_takes_no_further_arguments_is_packed_with_its_mask(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir).eval()
    whole = type(model).forward

    def narrow(self: Any, input_ids: Any = None, position_ids: Any = None, use_cache: Any = None):
        return whole(self, input_ids=input_ids, position_ids=position_ids, use_cache=use_cache)

    monkeypatch.setattr(type(model), "forward", narrow)
    assert prepare_packing(model)
    assert not attends_by_row(model)


ROWS = [torch.arange(3, 9).numpy(), torch.arange(20, 24).numpy()]
