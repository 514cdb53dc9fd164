"""The rows that each of several training processes takes from an effective batch.

An optimizer step uses the same rows for any number of processes: all processes draw the same
order, and the rows of each batch are dealt out one by one. If they cannot be divided evenly (the
number of processes does not divide the effective batch, or an epoch ends), some processes get
fewer rows and run micro-batches without rows. Each process must run the model equally often,
because the model is sharded.
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
    """The share of process `index` of `processes` in every `batch` rows.

    `rows_at_once` is the number of rows in a micro-batch.
    """

    processes: int
    index: int
    batch: int
    rows_at_once: int

    @property
    def passes(self) -> int:
        """The number of forward passes of each process for one batch."""
        return passes(self.batch, self.processes, self.rows_at_once)

    def of(self, rows: Sequence[int]) -> Iterator[list[int]]:
        """Yield this process's micro-batches of one batch.

        Args:
            rows: The indices of at most `batch` rows.

        Yields:
            The indices of a micro-batch, `passes` times; some micro-batches may be empty.
        """
        own = rows[self.index :: self.processes]
        for number in range(self.passes):
            begin = number * self.rows_at_once
            yield list(own[begin : begin + self.rows_at_once])


class MicroBatchSampler:
    """The micro-batches of one process in an epoch, as a PyTorch batch sampler."""

    def __init__(self, order: EpochOrder, share: BatchShare) -> None:
        self._order = order
        self._share = share

    def __len__(self) -> int:
        return ceil(len(self._order) / self._share.batch) * self._share.passes

    def __iter__(self) -> Iterator[list[int]]:
        for rows in _batches(self._order, self._share.batch):
            yield from self._share.of(rows)

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self._order.set_epoch(epoch)


def passes(batch: int, processes: int, rows_at_once: int) -> int:
    """Return the number of forward passes of each process for one effective batch.

    Args:
        batch: Rows of the effective batch, over all processes.
        processes: Number of processes.
        rows_at_once: Maximum number of rows in a micro-batch.
    """
    return ceil(ceil(batch / processes) / rows_at_once)


def even_rows(batch: int, processes: int, fitting: int) -> int:
    """Return the rows of a micro-batch that divide the largest share most evenly.

    Args:
        batch: Rows of the effective batch, over all processes.
        processes: Number of processes.
        fitting: Maximum number of rows in a micro-batch. The result is at most this number and
            needs no more passes than this number does.
    """
    return ceil(ceil(batch / processes) / passes(batch, processes, fitting))


def _batches(order: Iterable[int], size: int) -> Iterator[list[int]]:
    rows = iter(order)
    while batch := list(islice(rows, size)):
        yield batch
