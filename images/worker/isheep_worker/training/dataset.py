"""D(t) as training rows: tokens in one flat buffer, labels on the response only (§3.3).

The pairs arrive rendered, as the token ids of prompt and response, because training uses the
same function to render them as inference. This module cuts them to the maximum length, and splits
off the validation rows. All functions are pure, so the same D(t) gives
the same rows on every machine and after every interruption.

The rows are in one int32 buffer with offsets: 100,000 rows of 1,024 tokens need 400 MiB. As
Python lists they need several GiB.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

IGNORED_LABEL = -100
"""The label of a token without a loss, by the convention of PyTorch and Transformers."""

_FILES = ("tokens.npy", "offsets.npy", "first_labels.npy", "seeds.npy")


@dataclass(frozen=True, slots=True)
class Sample:
    """One rendered pair of D(t). `response_ids` ends with the end-of-turn token, unless it was cut.

    `seed` is a 63-bit hash of the pair. It identifies the row, and `holdout` decides by it whether
    the row is held out for validation.
    """

    seed: int
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The numbers of samples that were kept, cut and dropped.

    `kept` rows are trained on. `cut` of them are shortened to the maximum length. `dropped`
    samples had no label within that length.
    """

    kept: int
    cut: int
    dropped: int


class TrainingRows:
    """Tokenised pairs; `rows[i]` is `{"input_ids": int64[n], "labels": int64[n]}`."""

    def __init__(self, tokens: Any, offsets: Any, first_labels: Any, seeds: Any) -> None:
        """Use these buffers without copying them.

        Args:
            tokens: The tokens of all rows, int32[all tokens].
            offsets: The begin and the end of each row in `tokens`, int64[rows, 2].
            first_labels: The index of the first label in each row, int32[rows].
            seeds: The seed of each row, int64[rows].
        """
        self._tokens = tokens
        self._offsets = offsets
        self._first_labels = first_labels
        self._seeds = seeds

    @classmethod
    def open(cls, folder: Path) -> TrainingRows:
        """Return the rows that `save` wrote; processes that open the same rows share memory."""
        return cls(*(np.load(folder / name, mmap_mode="r") for name in _FILES))

    def save(self, folder: Path) -> None:
        """Write the rows to a folder that does not exist yet."""
        folder.mkdir()
        arrays = (self._tokens, self._offsets, self._first_labels, self._seeds)
        for name, values in zip(_FILES, arrays, strict=True):
            np.save(folder / name, values, allow_pickle=False)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> dict[str, Any]:
        begin, end = self._offsets[index]
        input_ids = self._tokens[begin:end].astype(np.int64)
        labels = input_ids.copy()
        labels[: self._first_labels[index]] = IGNORED_LABEL
        return {"input_ids": input_ids, "labels": labels}

    @property
    def seeds(self) -> Any:
        """The rows' seeds, int64[rows]."""
        return self._seeds

    @property
    def lengths(self) -> Any:
        """The rows' lengths in tokens, int64[rows]."""
        return self._offsets[:, 1] - self._offsets[:, 0]

    @property
    def token_count(self) -> int:
        """The number of tokens in one epoch."""
        return int(self.lengths.sum())

    @property
    def label_count(self) -> int:
        """The number of tokens with a loss in one epoch, which are those of the responses."""
        return self.token_count - int(self._first_labels.sum())

    def take(self, indices: Any) -> TrainingRows:
        """Return the rows at these indices, in this order. The tokens are shared, not copied.

        Args:
            indices: The rows' indices, int[count].
        """
        return TrainingRows(
            self._tokens, self._offsets[indices], self._first_labels[indices], self._seeds[indices]
        )


@dataclass(frozen=True, slots=True)
class Split:
    """The rows to train on and the rows held out for validation, which may be empty."""

    train: TrainingRows
    validation: TrainingRows


def collect_rows(samples: Iterable[Sample], max_length: int) -> tuple[TrainingRows, RowCounts]:
    """Return the samples as rows, in their order, and the numbers of kept and dropped samples.

    A sample whose prompt fills the maximum length has no label, so it is dropped. The first
    token of a row is never a label, because no token precedes it to predict it from.

    Args:
        samples: The rendered pairs of D(t).
        max_length: The maximum number of tokens in a row (`training.maxLength`, 1,024 in
            Appendix E). Longer samples lose their end.

    Returns:
        The rows, and how many samples were kept, cut and dropped.
    """
    tokens, ends, first_labels, seeds = array("i"), array("q"), array("i"), array("q")
    cut = dropped = 0
    for sample in samples:
        whole = len(sample.prompt_ids) + len(sample.response_ids)
        length = min(whole, max_length)
        first_label = max(len(sample.prompt_ids), 1)
        if first_label >= length:
            dropped += 1
            continue
        cut += whole > max_length
        tokens.extend(sample.prompt_ids)
        tokens.extend(sample.response_ids[: length - len(sample.prompt_ids)])
        ends.append(len(tokens))
        first_labels.append(first_label)
        seeds.append(sample.seed)
    all_ends = _as_numpy(ends, np.int64)
    begins = np.concatenate([np.zeros(1, np.int64), all_ends])[: len(ends)]
    rows = TrainingRows(
        _as_numpy(tokens, np.int32),
        np.stack([begins, all_ends], axis=1),
        _as_numpy(first_labels, np.int32),
        _as_numpy(seeds, np.int64),
    )
    return rows, RowCounts(len(ends), cut, dropped)


def split_rows(rows: TrainingRows, held_out: Collection[int]) -> Split:
    """Divide rows into those to train on and those held out; both parts keep the order.

    Args:
        rows: All rows.
        held_out: The seeds of the rows that are held out (see `holdout.held_out`).
    """
    validates = np.isin(rows.seeds, np.fromiter(held_out, np.int64, len(held_out)))
    return Split(
        train=rows.take(np.flatnonzero(~validates)),
        validation=rows.take(np.flatnonzero(validates)),
    )


def _as_numpy(values: array[int], dtype: Any) -> Any:
    # numpy raises an error for a view of an empty buffer.
    return np.frombuffer(values, dtype=dtype) if values else np.zeros(0, dtype)
