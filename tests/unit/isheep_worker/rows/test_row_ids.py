"""The ids of rows name the completion that they are from."""

from __future__ import annotations

import pytest

from isheep_worker.rows.row_ids import completion_id, completion_of, instruction_id


@pytest.mark.parametrize("more", ["", "-k2"])
def test_the_id_of_a_pair_names_its_completion(more: str) -> None:
    pair = instruction_id(2, 1, 12, 3) + more
    assert pair == f"i2-r1-c00012-p3{more}"
    assert completion_of(pair) == completion_id(2, 1, 12) == "i2-r1-c00012"


def test_a_row_that_names_no_completion_has_its_own_id() -> None:
    assert completion_of("seed-4") == "seed-4"
