"""The registry has every scoring method that settings can name."""

from typing import get_args

from isheep.contract.choices import Scoring
from isheep_worker.scoring.registry import SCORING_METHODS, compared_with


def test_every_method_of_the_settings_is_registered() -> None:
    assert set(SCORING_METHODS) == {*get_args(Scoring)}


def test_a_method_is_compared_with_another_registered_one() -> None:
    for method in SCORING_METHODS:
        assert compared_with(method) in SCORING_METHODS.keys() - {method}
