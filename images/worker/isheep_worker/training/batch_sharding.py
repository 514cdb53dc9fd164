"""The micro-batches of each training process: which rows of an effective batch, and how many.

An optimizer step uses the same rows for any number of processes: all processes draw the same
order, and the rows of each batch are dealt out one by one. Each process cuts its rows, in their
order, into micro-batches of at most `tokens_at_once` tokens. Rows are packed without padding, so
the tokens of a micro-batch are real tokens: a limit in rows would have to assume that each row has
the maximum length, and most rows are much shorter.

Each process must run the model equally often, because the model is sharded. So processes with
fewer micro-batches than others add micro-batches without rows. Each process knows the lengths of
all rows, so it finds their number without asking the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Protocol


class EpochOrder(Protocol):
    """The order of the rows in an epoch, the same in all processes."""

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of the epoch's rows."""

    def __len__(self) -> int:
        """Return the number of rows in an epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""


@dataclass(frozen=True, slots=True)
class BatchShare:
    """The share of process `index` of `processes` in every batch.

    `lengths` are the tokens of all rows of the data set. `tokens_at_once` is the maximum number of
    tokens in a micro-batch; a longer row is a separate micro-batch. With 0, each row is one.
    """

    processes: int
    index: int
    lengths: Sequence[int]
    tokens_at_once: int

    def of(self, rows: Sequence[int]) -> list[list[int]]:
        """Return this process's micro-batches of one batch.

        Args:
            rows: The indices of the batch's rows.

        Returns:
            The indices of each micro-batch, at least one micro-batch and the same number in all
            processes; the last ones may be empty.
        """
        cuts = [self._cut(rows[index :: self.processes]) for index in range(self.processes)]
        own, most = cuts[self.index], max(1, *map(len, cuts))
        return own + [[] for _ in range(most - len(own))]

    def _cut(self, rows: Sequence[int]) -> list[list[int]]:
        """Cut rows into the fewest micro-batches of consecutive rows that fit."""
        found: list[list[int]] = []
        room = 0
        for row in rows:
            length = int(self.lengths[row])
            if not found or length > room:
                found.append([])
                room = self.tokens_at_once
            found[-1].append(row)
            room -= length
        return found


class StepSampler:
    """The steps of an epoch, each as one process's micro-batches, as a PyTorch batch sampler."""

    def __init__(self, order: EpochOrder, share: BatchShare, effective_batch_size: int) -> None:
        self._order = order
        self._share = share
        self._batch = effective_batch_size

    def __len__(self) -> int:
        return ceil(len(self._order) / self._batch)

    def __iter__(self) -> Iterator[list[list[int]]]:
        for rows in _batches(self._order, self._batch):
            yield self._share.of(rows)

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self._order.set_epoch(epoch)


def _batches(order: Iterable[int], size: int) -> Iterator[list[int]]:
    rows = iter(order)
    while batch := list(islice(rows, size)):
        yield batch
