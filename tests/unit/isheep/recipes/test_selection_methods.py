"""The table of selection methods."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import JudgingMethod, SelectionMethod
from isheep.recipes.selection_methods import (
    SELECTION_METHODS,
    judging_method,
    needs_scores,
    selection_method,
)


def spec_of(**selection: Any) -> SelfAlignmentRunSpec:
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://o/m"}}
    return SelfAlignmentRunSpec.read({**required, "selection": selection})


def test_each_method_has_a_row() -> None:
    assert tuple(SELECTION_METHODS) == get_args(SelectionMethod)


@pytest.mark.parametrize("method", get_args(JudgingMethod))
def test_random_needs_the_same_as_the_method_whose_size_it_has(method: str) -> None:
    own = judging_method(spec_of(method=method))
    assert own.scores or own.losses
    assert judging_method(spec_of(method="Random", random={"sizeOf": method})) == own


def test_only_self_assessment_needs_scores() -> None:
    methods = [m for m in get_args(SelectionMethod) if needs_scores(spec_of(method=m))]
    assert methods == ["SelfAssessment"]


def test_an_unresolved_spec_is_refused() -> None:
    with pytest.raises(ValueError, match="resolve the spec"):
        selection_method(spec_of())
