"""Rows are a pure function of the samples: lengths, labels, counts, limits and the split."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.training.dataset import (
    IGNORED_LABEL,
    RowCounts,
    Sample,
    collect_rows,
    split_rows,
)

token_ids = st.lists(st.integers(0, 200_000), max_size=12)
samples = st.lists(
    st.builds(Sample, seed=st.integers(0, 2**63 - 1), prompt_ids=token_ids, response_ids=token_ids),
    max_size=30,
    unique_by=lambda sample: sample.seed,
)


@pytest.mark.parametrize(
    ("prompt", "response", "max_length", "input_ids", "labels"),
    [
        ([1, 2], [3, 4], 8, [1, 2, 3, 4], [-100, -100, 3, 4]),
        ([1, 2], [3, 4], 3, [1, 2, 3], [-100, -100, 3]),
        # No token precedes the first token, so it is not a label, even without a prompt.
        ([], [3, 4], 8, [3, 4], [-100, 4]),
    ],
    ids=["whole", "cut", "no prompt"],
)
def test_the_labels_are_the_tokens_of_the_response(
    prompt: list[int],
    response: list[int],
    max_length: int,
    input_ids: list[int],
    labels: list[int],
) -> None:
    rows, _ = collect_rows([Sample(0, prompt, response)], max_length)
    assert rows[0]["input_ids"].tolist() == input_ids
    assert rows[0]["labels"].tolist() == labels


@pytest.mark.parametrize(
    ("prompt", "response"), [([1, 2, 3], [4]), ([1, 2, 3, 4], [5]), ([1], []), ([], [1]), ([], [])]
)
def test_a_row_without_a_label_is_dropped_and_counted(
    prompt: list[int], response: list[int]
) -> None:
    rows, counts = collect_rows([Sample(0, prompt, response)], max_length=3)
    assert len(rows) == 0
    assert counts == RowCounts(kept=0, cut=0, dropped=1)
    assert (rows.token_count, rows.label_count) == (0, 0)


@given(samples, st.integers(1, 20))
def test_rows_are_the_samples_cut_to_the_maximum_length(
    batch: list[Sample], max_length: int
) -> None:
    rows, counts = collect_rows(batch, max_length)
    whole = [[*sample.prompt_ids, *sample.response_ids] for sample in batch]
    expected = [
        ids[:max_length]
        for ids, sample in zip(whole, batch, strict=True)
        if min(len(ids), max_length) > max(len(sample.prompt_ids), 1)
    ]
    found = [rows[index] for index in range(len(rows))]
    assert [row["input_ids"].tolist() for row in found] == expected
    assert counts.kept + counts.dropped == len(batch)
    assert counts.kept == len(rows)
    assert counts.cut <= counts.kept
    assert rows.token_count == sum(map(len, expected))
    assert rows.label_count == sum((row["labels"] != IGNORED_LABEL).sum() for row in found)
    assert all((row["labels"] != IGNORED_LABEL).any() for row in found)


@given(samples, st.data())
def test_a_split_moves_the_held_out_rows_and_keeps_the_order(
    batch: list[Sample], data: st.DataObject
) -> None:
    rows, _ = collect_rows(batch, 50)
    seeds = rows.seeds.tolist()
    chosen = data.draw(st.sets(st.sampled_from(seeds))) if seeds else set()
    split = split_rows(rows, frozenset({*chosen, 2**63 - 1} - (set(seeds) - chosen)))
    assert split.validation.seeds.tolist() == [seed for seed in seeds if seed in chosen]
    assert split.train.seeds.tolist() == [seed for seed in seeds if seed not in chosen]


def test_rows_need_little_more_than_4_bytes_a_token() -> None:
    count, length = 2_000, 500
    tracemalloc.start()
    rows, _ = collect_rows((Sample(seed, [1] * 250, [2] * 250) for seed in range(count)), 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows.token_count == count * length
    # Up to twice the size, because a growing array is copied.
    assert peak < 2.5 * 4 * count * length


def test_taking_rows_copies_no_tokens() -> None:
    rows, _ = collect_rows([Sample(seed, [1], [2, seed]) for seed in range(5)], 8)
    taken = rows.take(np.array([3, 1]))
    assert [taken[index]["input_ids"].tolist() for index in range(2)] == [[1, 2, 3], [1, 2, 1]]
    assert taken._tokens is rows._tokens
