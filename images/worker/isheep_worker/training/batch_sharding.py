"""Which rows each of several processes takes of an effective batch.

An optimizer step has the same rows whatever the number of processes: they are cut from
one order, which all processes draw alike, and dealt out one by one. Where they do not
come out even (an effective batch that the number of processes does not divide, the end
of an epoch) some processes have fewer, and take part with micro-batches of no rows: the
model is sharded, so every process has to go through it as often as the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Protocol


class EpochOrder(Protocol):
    """The rows' order in an epoch, the same in all processes."""

    def __iter__(self) -> Iterator[int]:
        """Yield the rows of the epoch that was set."""

    def __len__(self) -> int:
        """Return how many rows an epoch has."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""


@dataclass(frozen=True, slots=True)
class Share:
    """What process `index` of `processes` takes of every `batch` rows, `rows_at_once` a pass."""

    processes: int
    index: int
    batch: int
    rows_at_once: int

    @property
    def passes(self) -> int:
        """How often each process goes through the model for one batch."""
        return passes(self.batch, self.processes, self.rows_at_once)

    def of(self, rows: Sequence[int]) -> Iterator[list[int]]:
        """Yield this process's micro-batches of at most `batch` rows: `passes`, some empty."""
        mine = rows[self.index :: self.processes]
        for number in range(self.passes):
            begin = number * self.rows_at_once
            yield list(mine[begin : begin + self.rows_at_once])


class MicroBatches:
    """An epoch's micro-batches of one process, in the form of a PyTorch batch sampler."""

    def __init__(self, order: EpochOrder, share: Share) -> None:
        self._order = order
        self._share = share

    def __len__(self) -> int:
        return ceil(len(self._order) / self._share.batch) * self._share.passes

    def __iter__(self) -> Iterator[list[int]]:
        for rows in _batches(self._order, self._share.batch):
            yield from self._share.of(rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self._order.set_epoch(epoch)


def passes(batch: int, processes: int, rows_at_once: int) -> int:
    """Return how often each process goes through the model for one effective batch."""
    return ceil(ceil(batch / processes) / rows_at_once)


def even_rows(batch: int, processes: int, fitting: int) -> int:
    """Return how many rows, at most `fitting`, cut the largest share into even micro-batches."""
    return ceil(ceil(batch / processes) / passes(batch, processes, fitting))


def _batches(order: Iterable[int], size: int) -> Iterator[list[int]]:
    rows = iter(order)
    while batch := list(islice(rows, size)):
        yield batch
