"""Attention within each packed row, for models that use PyTorch's scaled dot-product attention.

Packing puts several rows into one sequence, so that one pass through each linear layer serves
all of them. A mask keeps the rows apart, but attention still computes every row against every
other row and discards the results: for 16 rows it discards 15 of 16 parts. This attention cuts
queries, keys and values at the rows' borders and attends within each row, under the row's own
block of the mask that the model built. A mask with a special meaning (a sliding window, chunks)
therefore keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

BY_ROW = "isheep_by_row"
"""The name under which this attention is registered with Transformers."""
ROW_LENGTHS = "row_lengths"
"""The argument of a model's `forward` that holds the number of tokens of each packed row."""
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
    """Compute the attention of a packed sequence, each row within itself.

    With fewer than two rows it computes PyTorch's attention, for a batch of any size.

    Args:
        module: The attention module of the model.
        query: Queries, float[1, heads, tokens, head size] if there are several rows.
        key: Keys, float[1, key heads, tokens, head size].
        value: Values, float[1, key heads, tokens, head size].
        attention_mask: The mask that the model built, [1, 1 or heads, tokens, tokens], or None.
        row_lengths: The number of tokens of each row; their sum is `tokens`.
        **arguments: Further arguments of PyTorch's attention in Transformers.

    Returns:
        The attention's output, float[1, tokens, heads, head size], and None for the attention
        weights, which are not computed.
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
    """Make a model attend within each row if it uses PyTorch's attention.

    Return whether the model attends within each row now.
    """
    if model.config._attn_implementation != _REPLACED:
        return False
    AttentionInterface.register(BY_ROW, attend_by_row)
    AttentionMaskInterface.register(BY_ROW, sdpa_mask)
    model.set_attn_implementation(BY_ROW)
    return attends_by_row(model)


def use_plain_attention(model: Any) -> None:
    """Give the model PyTorch's attention again, after `use_attention_by_row`."""
    if attends_by_row(model):
        model.set_attn_implementation(_REPLACED)


def attends_by_row(model: Any) -> bool:
    """Return whether the model attends within each row, and so takes `ROW_LENGTHS`."""
    return bool(model.config._attn_implementation == BY_ROW)
