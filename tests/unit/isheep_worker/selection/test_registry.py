"""The registry has every selection method that settings can name."""

from typing import get_args

from isheep.contract.choices import SelectionMethod
from isheep_worker.selection.registry import SELECTION_METHODS


def test_every_method_of_the_settings_is_registered() -> None:
    assert set(SELECTION_METHODS) == {*get_args(SelectionMethod)}
