"""Rows laid end to end in one sequence, so that no computation goes to padding.

Where a row begins is told by `position_ids` alone, which start at 0 again; from
them Transformers builds the mask that keeps rows from seeing each other. An
attention mask must not be passed with them: with one, that detection is off and
every row sees all rows before it (logits off by 33 where they should agree to
1e-4). The same holds for a key-value cache, so `use_cache` must be off.

An architecture that does not build its mask that way would be wrong in silence;
`keeps_rows_apart` tries the model itself before packing is relied on. How long each row
is goes along for the models that can attend to each by itself (`attention.py`).
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
# Kernels differ by about 1e-6 in float32 and 1e-2 in bfloat16; rows that leak, by about 1.
_PROBE_TOLERANCE = 0.05


def pack(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return rows (`TrainingRows` items) as one batch of int64[1, all tokens] tensors.

    `position_ids` are there only where there are several rows; one row needs none. The
    rows' lengths are numbers, so that reading them waits for no device. No rows are one
    token without a label: a pass that teaches nothing.
    """
    rows = rows or [_NO_ROW]
    labels = [row["labels"].copy() for row in rows]
    for row in labels:
        # Otherwise the last token of the row before would be asked to predict it.
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
    """Return what the model is called with: a batch without its labels."""
    left_out = {"labels"} if attends_by_row(model) else {"labels", ROW_LENGTHS}
    return {name: value for name, value in batch.items() if name not in left_out}


def prepare_packing(model: Any) -> bool:
    """Let a model take packed rows in the fastest way that keeps them apart; False if none does."""
    if use_attention_by_row(model):
        try:
            if keeps_rows_apart(model):
                return True
        except TypeError:
            # Its forward hands no further arguments on to its attention.
            pass
        use_plain_attention(model)
    return keeps_rows_apart(model)


def keeps_rows_apart(model: Any) -> bool:
    """Say whether packed rows get the logits they get alone; runs the model twice."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    # Any ids do; these are different in both rows, and within the smallest vocabulary.
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
