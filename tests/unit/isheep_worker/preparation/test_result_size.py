"""The check of the size of the result of prepare."""

from __future__ import annotations

import pytest

from isheep_worker.preparation.result_size import check_result_size
from isheep_worker.runtime.errors import BadInputError

from ...isheep.contract.largest_results import largest_prepared


def test_the_largest_run_of_the_schema_fits() -> None:
    check_result_size(largest_prepared())


def test_more_benchmarks_of_an_earlier_version_are_bad_input() -> None:
    with pytest.raises(BadInputError, match=r"room for 32 benchmarks .* into one file"):
        check_result_size(largest_prepared(decontamination=32))


def test_a_model_with_very_many_tokens_that_end_a_text_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="400 tokens that end a text"):
        check_result_size(largest_prepared(end_tokens=400))
