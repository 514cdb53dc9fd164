"""D(t) as training rows: tokens in one flat buffer, labels on the response only.

Rows arrive already rendered, prompt and response as token ids, because the text
that is trained on is by construction the text that inference sends. Here they
are cut to length, capped, and split; all of it is pure, so that the same D(t)
gives the same rows on every machine and after every interruption.

The rows live in one int32 buffer with offsets instead of Python lists: 100,000
rows of 1,024 tokens are 400 MiB that way and several GiB the other.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

IGNORED_LABEL = -100
"""The label of a token that is not learnt; PyTorch's and Transformers' convention."""

_FILES = ("tokens.npy", "offsets.npy", "first_labels.npy", "seeds.npy")

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Sample:
    """One pair of D(t), rendered. `response_ids` ends with the end-of-turn token.

    `seed` is the item's 63-bit hash: it decides whether the row is held out, so that
    the choice depends neither on the order of D(t) nor on its source.
    """

    seed: int
    prompt_ids: Sequence[int]
    response_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the samples: `cut` rows lost their end to the maximal length and
    are trained on; `dropped` ones had no label left."""

    kept: int
    cut: int
    dropped: int


class TrainingRows:
    """Tokenised pairs; `rows[i]` is `{"input_ids": int64[n], "labels": int64[n]}`."""

    def __init__(self, tokens: Any, offsets: Any, first_labels: Any, seeds: Any) -> None:
        """Take shared buffers: `tokens` int32[all], and for each row its begin and end
        in them (`offsets` int64[rows, 2]), the index of its first label, and its seed."""
        self._tokens = tokens
        self._offsets = offsets
        self._first_labels = first_labels
        self._seeds = seeds

    @classmethod
    def open(cls, folder: Path) -> TrainingRows:
        """Return the rows that `save` wrote; processes that open them share the memory."""
        return cls(*(np.load(folder / name, mmap_mode="r") for name in _FILES))

    def save(self, folder: Path) -> None:
        """Write the rows to a new folder."""
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
    def token_count(self) -> int:
        """How many tokens one epoch reads."""
        return int((self._offsets[:, 1] - self._offsets[:, 0]).sum())

    @property
    def label_count(self) -> int:
        """How many tokens one epoch learns: those of the responses."""
        return self.token_count - int(self._first_labels.sum())

    def take(self, indices: Any) -> TrainingRows:
        """Return these rows in this order; the tokens are shared, not copied."""
        return TrainingRows(
            self._tokens, self._offsets[indices], self._first_labels[indices], self._seeds[indices]
        )


@dataclass(frozen=True, slots=True)
class Split:
    """The rows trained on and those held out; `validation` may be empty."""

    train: TrainingRows
    validation: TrainingRows


def first_of_each(datasets: Iterable[Iterable[ItemT]], count: int | None) -> Iterator[ItemT]:
    """Yield the first `count` items of each D(t), or all: the released scripts' 3,000."""
    for dataset in datasets:
        yield from islice(dataset, count)


def collect_rows(samples: Iterable[Sample], max_length: int) -> tuple[TrainingRows, RowCounts]:
    """Return the samples as rows of at most `max_length` tokens, in their order.

    A sample whose prompt fills the length has nothing to learn and is dropped. The
    first token of a row is never a label: nothing stands before it to predict it from.
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


def split_rows(rows: TrainingRows, validation_share: float) -> Split:
    """Hold out the rows with the lowest seeds, `validation_share` of them rounded down.

    Which rows these are depends on the set of rows alone. Both halves keep the order.
    """
    held_out = math.floor(len(rows) * validation_share + 1e-9)
    by_seed = np.argsort(rows.seeds, kind="stable")
    return Split(
        train=rows.take(np.sort(by_seed[held_out:])),
        validation=rows.take(np.sort(by_seed[:held_out])),
    )


def _as_numpy(values: array[int], dtype: Any) -> Any:
    # numpy refuses to view an empty buffer.
    return np.frombuffer(values, dtype=dtype) if values else np.zeros(0, dtype)
