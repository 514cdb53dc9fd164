"""Packing: several rows in one sequence, so that no computation is spent on padding.

Only `position_ids` mark the beginning of a row: they start at 0 again. From them Transformers
builds the mask that keeps the rows apart. The call must not pass an attention mask: it turns
this detection off, and each row then attends to all earlier rows (the logits differ by 33
instead of at most 1e-4). A key-value cache has the same effect, so `use_cache` must be off.

An architecture that does not build its mask from `position_ids` would compute wrong values
without an error. So `keeps_rows_apart` tests the model itself before rows are packed. A batch
also contains the rows' lengths, for models that attend within each row (`attention.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from isheep_worker.training.attention import (
    ROW_LENGTHS,
    attends_by_row,
    use_attention_by_row,
    use_plain_attention,
)
from isheep_worker.training.dataset import IGNORED_LABEL

_NO_ROW = {"input_ids": np.zeros(1, np.int64), "labels": np.full(1, IGNORED_LABEL)}
_PROBE_LENGTH = 16
# Relative to the norm, kernels differ by about 1e-6 in float32 and 1e-2 in bfloat16. Rows that
# attend to each other differ by about 1.
_PROBE_TOLERANCE = 0.05


def pack(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pack rows into one batch of one sequence.

    Args:
        rows: Items of `TrainingRows`. Without rows the batch is one token without a label, so
            its forward pass adds nothing to the loss or the gradients.

    Returns:
        `input_ids` and `labels`, int64[1, all tokens], and `row_lengths`, the rows' lengths as
        Python numbers, because reading them from a tensor would wait for the device. With
        several rows also `position_ids`, int64[1, all tokens].
    """
    rows = rows or [_NO_ROW]
    labels = [row["labels"].copy() for row in rows]
    for row in labels:
        # Otherwise the last token of the previous row would have to predict this token.
        row[0] = IGNORED_LABEL
    batch = {"input_ids": [row["input_ids"] for row in rows], "labels": labels}
    if len(rows) > 1:
        batch["position_ids"] = [np.arange(len(row)) for row in labels]
    tensors: dict[str, Any] = {
        name: torch.from_numpy(np.concatenate(arrays)).unsqueeze(0)
        for name, arrays in batch.items()
    }
    return tensors | {ROW_LENGTHS: tuple(len(row) for row in labels)}


def model_inputs(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the model's `forward` for a batch: all but its labels."""
    left_out = {"labels"} if attends_by_row(model) else {"labels", ROW_LENGTHS}
    return {name: value for name, value in batch.items() if name not in left_out}


def prepare_packing(model: Any) -> bool:
    """Prepare a model for packed rows, in the fastest way that keeps the rows apart.

    Return False if there is no such way, so the rows must not be packed.
    """
    if use_attention_by_row(model):
        try:
            if keeps_rows_apart(model):
                return True
        except TypeError:
            # The model's forward does not pass further arguments to its attention.
            pass
        use_plain_attention(model)
    return keeps_rows_apart(model)


def keeps_rows_apart(model: Any) -> bool:
    """Return whether a packed row gets the logits that it gets alone; run the model twice."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    # Any ids would serve. These differ between the rows and are in every vocabulary.
    ids = np.arange(2 * _PROBE_LENGTH).reshape(2, _PROBE_LENGTH)
    first, second = ({"input_ids": row, "labels": row} for row in ids)
    packed = _logits(model, pack([first, second]))[:, _PROBE_LENGTH:]
    alone = _logits(model, pack([second]))
    return bool((packed - alone).norm() <= _PROBE_TOLERANCE * alone.norm())


def _logits(model: Any, batch: dict[str, Any]) -> Any:
    inputs = {
        name: value.to(model.device) if name != ROW_LENGTHS else value
        for name, value in model_inputs(model, batch).items()
    }
    training = model.training
    model.eval()
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits.float()
    model.train(training)
    return logits
