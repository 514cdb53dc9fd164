"""Attention inside each packed row alone, for models that use PyTorch's own attention.

Packed into one sequence, rows share every linear layer, which is what packing is for.
With a mask that keeps them apart, though, attention still computes each row's answer to
every other one and throws it away: for 16 rows that is 15 of 16 parts of it. So queries,
keys and values are cut where the rows are, and each row is attended by itself, under its
own corner of the mask that the model has made. Whatever the model's mask means (a sliding
window, chunks) it keeps meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

BY_ROW = "isheep_by_row"
"""The name under which Transformers knows it."""
ROW_LENGTHS = "row_lengths"
"""The argument of a model's `forward` that says how many tokens each packed row has."""
_REPLACED = "sdpa"


def attend_by_row(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    row_lengths: Sequence[int] = (),
    **arguments: Any,
) -> tuple[Any, None]:
    """Return the attention of one sequence [1, heads, tokens, size] of rows, row by row.

    Without several rows it is PyTorch's, for any batch.
    """
    if len(row_lengths) < 2:
        whole, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **arguments)
        return whole, None
    rows = zip(*(tensor.split(row_lengths, dim=2) for tensor in (query, key, value)), strict=True)
    attended, begin = [], 0
    for length, row in zip(row_lengths, rows, strict=True):
        end = begin + length
        mask = None if attention_mask is None else attention_mask[..., begin:end, begin:end]
        attended.append(sdpa_attention_forward(module, *row, mask, **arguments)[0])
        begin = end
    return torch.cat(attended, dim=1), None


def use_attention_by_row(model: Any) -> bool:
    """Let a model attend by row, if it uses PyTorch's attention; returns whether it does now."""
    if model.config._attn_implementation != _REPLACED:
        return False
    AttentionInterface.register(BY_ROW, attend_by_row)
    AttentionMaskInterface.register(BY_ROW, sdpa_mask)
    model.set_attn_implementation(BY_ROW)
    return attends_by_row(model)


def use_plain_attention(model: Any) -> None:
    """Undo `use_attention_by_row`."""
    if attends_by_row(model):
        model.set_attn_implementation(_REPLACED)


def attends_by_row(model: Any) -> bool:
    """Whether the model takes `ROW_LENGTHS`."""
    return bool(model.config._attn_implementation == BY_ROW)
