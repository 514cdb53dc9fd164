"""The best model as text."""

import pytest

from isheep.api.status import BestRecord
from isheep.cli.figures.best_text import best_text


@pytest.mark.parametrize(
    ("best", "text"),
    [
        (BestRecord(iteration=3, note="the last model"), "M(3) (the last model)"),
        (
            BestRecord(iteration=1, metric="arc", value=0.25, note="chosen on this data"),
            "M(1), arc 0.250 (chosen on this data)",
        ),
    ],
)
def test_a_best_model_is_never_without_how_it_was_chosen(best: BestRecord, text: str) -> None:
    assert best_text(best) == text
