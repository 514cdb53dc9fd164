"""The processes take each row of a step once, equally often, in micro-batches that fit."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.batch_sharding import BatchShare, StepSampler


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
    lengths=st.lists(st.integers(1, 50), max_size=80),
    batch=st.integers(1, 40),
    processes=st.integers(1, 12),
    tokens_at_once=st.integers(0, 120),
)
def test_a_step_has_the_same_rows_for_any_number_of_processes(
    lengths: list[int], batch: int, processes: int, tokens_at_once: int
) -> None:
    found = []
    for index in range(processes):
        share = BatchShare(processes, index, lengths, tokens_at_once)
        sampler = StepSampler(AlternatingOrder(len(lengths)), share, batch)
        steps = list(sampler)
        assert len(steps) == len(sampler)
        found.append(steps)
    for number, step in enumerate(zip(*found, strict=True)):
        # With different numbers of passes, one process would wait for the others forever.
        assert len({len(micro_batches) for micro_batches in step}) == 1
        # Without a micro-batch, the Trainer would have no loss to add up.
        assert len(step[0]) >= 1
        begin = number * batch
        expected = list(range(begin, min(begin + batch, len(lengths))))
        own = [list(chain.from_iterable(micro_batches)) for micro_batches in step]
        assert own == [expected[index::processes] for index in range(processes)]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    processes=st.integers(1, 5),
    tokens_at_once=st.integers(0, 120),
)
def test_micro_batches_fit_and_are_as_few_as_possible(
    lengths: list[int], processes: int, tokens_at_once: int
) -> None:
    longest_share = 0
    for index in range(processes):
        share = BatchShare(processes, index, lengths, tokens_at_once)
        own = [batch for batch in share.of(range(len(lengths))) if batch]
        tokens = [sum(lengths[row] for row in batch) for batch in own]
        assert all(
            total <= tokens_at_once or len(batch) == 1
            for total, batch in zip(tokens, own, strict=True)
        )
        # The first row of each micro-batch did not fit into the one before.
        for before, batch in zip(tokens, own[1:], strict=False):
            assert before + lengths[batch[0]] > tokens_at_once
        longest_share = max(longest_share, len(own))
    assert len(share.of(range(len(lengths)))) == max(1, longest_share)


@pytest.mark.parametrize(
    ("tokens_at_once", "expected"),
    [
        (0, [[0], [1], [2], [3], [4]]),
        # By the maximum length of 1,024 tokens, no two rows would fit.
        (1000, [[0, 1, 2], [3], [4]]),
        (2000, [[0, 1, 2, 3], [4]]),
        (9000, [[0, 1, 2, 3, 4]]),
    ],
)
def test_a_micro_batch_is_cut_by_its_tokens(tokens_at_once: int, expected: list[list[int]]) -> None:
    share = BatchShare(1, 0, (300, 80, 600, 1000, 1024), tokens_at_once)
    assert share.of(range(5)) == expected


def test_a_process_with_fewer_micro_batches_adds_empty_ones() -> None:
    lengths = (60, 10, 60, 10, 60)
    assert BatchShare(2, 0, lengths, 64).of(range(5)) == [[0], [2], [4]]
    assert BatchShare(2, 1, lengths, 64).of(range(5)) == [[1, 3], [], []]
    # There are more processes than rows.
    assert BatchShare(8, 7, lengths, 64).of(range(5)) == [[]]


def test_each_epoch_has_its_own_order() -> None:
    sampler = StepSampler(AlternatingOrder(4), BatchShare(1, 0, (1, 1, 1, 1), 2), 4)
    assert list(sampler) == [[[0, 1], [2, 3]]]
    sampler.set_epoch(1)
    assert list(sampler) == [[[3, 2], [1, 0]]]
