"""No text shows a win rate without its number of questions and an interval."""

from __future__ import annotations

import pytest

from isheep.api.status import JudgementRecord
from isheep.cli.figures.judgement_text import judgement_text


@pytest.mark.parametrize(
    ("lower", "upper", "end"),
    [
        (0.55, 0.73, " (95 % interval 0.550 to 0.730)"),
        (0.48, 0.80, " (95 % interval 0.480 to 0.800; no significant difference from 0.5)"),
        (None, None, "; too few questions (120) for an interval"),
    ],
)
def test_the_text_has_questions_and_interval(
    lower: float | None, upper: float | None, end: str
) -> None:
    found = JudgementRecord(name="wins", items=120, rate=0.64, lower=lower, upper=upper)
    assert judgement_text(2, found) == f"M(2): win rate 0.640 on 120 questions of wins{end}"
