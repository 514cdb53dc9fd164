"""Vectors in rows are decoded to the same numbers in half precision, or are None."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.measures.vectors import DTYPE, ITEM_BYTES, encode_vector, vector_bytes


@given(st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=20))
def test_a_decoded_vector_has_the_same_numbers_in_half_precision(numbers: list[float]) -> None:
    vector = np.array(numbers, np.float32)
    text = encode_vector(vector)
    assert text is not None
    content = vector_bytes(text)
    assert len(content) == ITEM_BYTES * len(numbers)
    np.testing.assert_allclose(np.frombuffer(content, DTYPE), vector, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e6])
def test_a_vector_with_a_number_outside_half_precision_is_none(number: float) -> None:
    assert encode_vector(np.array([1.0, number], np.float32)) is None
