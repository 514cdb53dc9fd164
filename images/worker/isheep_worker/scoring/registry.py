"""The registry of scoring methods: each method under its name in `assessment.scoring`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from isheep.contract import choices
from isheep.recipes.settings import AssessSettings
from isheep_worker.execution.inference import TextInference
from isheep_worker.scoring.expected import (
    ExpectedScoring,
    check_expected_scores,
    longest_label_prompts,
)
from isheep_worker.scoring.interface import Scoring
from isheep_worker.scoring.sampled import SampledScoring, longest_sampled_prompts
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


@dataclass(frozen=True, slots=True)
class ScoringMethod:
    """A scoring method: its object for a stage, its longest prompts, and its check of a stage.

    `check` gets the settings and the statistics of a stage before the commit, and raises an error
    if the scores have no meaning; None if every score has a meaning.
    """

    create: Callable[[AssessSettings, TextInference, str], Scoring]
    longest_prompts: Callable[[AssessSettings, Known], Iterator[LongestPrompt]]
    check: Callable[[AssessSettings, Mapping[str, float]], None] | None = None


SCORING_METHODS: Mapping[choices.Scoring, ScoringMethod] = {
    "Sampled": ScoringMethod(SampledScoring, longest_sampled_prompts),
    "Expected": ScoringMethod(ExpectedScoring, longest_label_prompts, check_expected_scores),
}


def compared_with(method: choices.Scoring) -> choices.Scoring:
    """Return the method that `assessment.compare` uses in addition to a method.

    Every method is compared with the paper's, and the paper's method with expected scores.
    """
    return "Expected" if method == "Sampled" else "Sampled"
