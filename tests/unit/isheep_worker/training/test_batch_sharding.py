"""The processes take each row of a step once, and all processes run the same number of passes."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.batch_sharding import (
    BatchShare,
    MicroBatchSampler,
    even_rows,
    passes,
)


class AlternatingOrder:
    """An order that is reversed in every second epoch."""

    def __init__(self, rows: int) -> None:
        self._rows = list(range(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self):
        return iter(self._rows)

    def set_epoch(self, epoch: int) -> None:
        self._rows = sorted(self._rows, reverse=bool(epoch % 2))


@given(
    rows=st.integers(0, 80),
    batch=st.integers(1, 40),
    processes=st.integers(1, 12),
    rows_at_once=st.integers(1, 9),
)
def test_a_step_has_the_same_rows_for_any_number_of_processes(
    rows: int, batch: int, processes: int, rows_at_once: int
) -> None:
    found = []
    for index in range(processes):
        share = BatchShare(processes, index, batch, rows_at_once)
        sampler = MicroBatchSampler(AlternatingOrder(rows), share)
        micro = list(sampler)
        assert len(micro) == len(sampler)
        assert all(len(one) <= rows_at_once for one in micro)
        found.append(micro)
    # With different numbers of passes, one process would wait for the others forever.
    assert len({len(micro) for micro in found}) == 1
    each = passes(batch, processes, rows_at_once)
    for step in range(len(found[0]) // each):
        taken = [m[step * each : (step + 1) * each] for m in found]
        found_rows = sorted(chain.from_iterable(chain.from_iterable(taken)))
        assert found_rows == list(range(step * batch, min((step + 1) * batch, rows)))


@given(st.integers(1, 4096), st.integers(1, 512), st.integers(1, 64))
def test_a_share_is_divided_evenly_into_micro_batches_that_fit(
    batch: int, processes: int, fitting: int
) -> None:
    rows = even_rows(batch, processes, fitting)
    assert 1 <= rows <= fitting
    # The rows need no more passes than the largest micro-batches that fit.
    assert passes(batch, processes, rows) == passes(batch, processes, fitting)


@pytest.mark.parametrize(
    ("batch", "processes", "fitting", "rows", "each"),
    [
        (16, 1, 8, 8, 2),
        (16, 2, 8, 8, 1),
        (16, 8, 8, 2, 1),
        (16, 3, 4, 3, 2),
        (16, 64, 8, 1, 1),  # more processes than rows: some processes have no rows
    ],
)
def test_micro_batch_sizes_and_passes(
    batch: int, processes: int, fitting: int, rows: int, each: int
) -> None:
    assert even_rows(batch, processes, fitting) == rows
    assert passes(batch, processes, rows) == each


def test_each_epoch_has_its_own_order() -> None:
    sampler = MicroBatchSampler(AlternatingOrder(4), BatchShare(1, 0, 4, 4))
    assert list(sampler) == [[0, 1, 2, 3]]
    sampler.set_epoch(1)
    assert list(sampler) == [[3, 2, 1, 0]]
