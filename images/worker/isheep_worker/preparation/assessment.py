"""The assessment of a run: labels of expected scores, and worked examples that can be shuffled."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import ScoreLabelsRef
from isheep.recipes.builders.assess import assessor_formats, needs_expected_scores
from isheep.recipes.selection_methods import needs_scores
from isheep_worker.scoring.resolution import resolve_labels
from isheep_worker.templates.example_order import ExampleOrders
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import Prompting
from isheep_worker.templates.rubric import EXPECTED_TEMPLATE_OF, TEMPLATE_OF


def resolve_score_labels(
    spec: SelfAlignmentRunSpec, library: TemplateLibrary, prompting: Prompting
) -> dict[PromptFormat, ScoreLabelsRef] | None:
    """Return the score labels for each prompt format of the assessor.

    Returns:
        The labels by prompt format, or None if the run has no expected scores.

    Raises:
        BadInputError: No set of labels has single tokens in the model's tokenizer.
    """
    if not needs_expected_scores(spec):
        return None
    assessment = spec.assessment
    found = {
        prompt_format: resolve_labels(
            library, prompting.renderer, prompt_format, assessment.rubric, assessment.levels
        )
        for prompt_format in assessor_formats(spec)
    }
    return {
        prompt_format: ScoreLabelsRef(kind=labels.kind, token_ids=labels.token_ids)
        for prompt_format, labels in found.items()
    }


def check_example_orders(spec: SelfAlignmentRunSpec, library: TemplateLibrary) -> None:
    """Raise `PromptTemplateError` if examples must be shuffled but a template has too few."""
    assessment = spec.assessment
    if assessment.example_order != "Shuffled" or not needs_scores(spec):
        return
    if assessment.scoring == "Sampled" or assessment.compare is not None:
        ExampleOrders(library, TEMPLATE_OF[assessment.rubric])
    if needs_expected_scores(spec):
        ExampleOrders(library, EXPECTED_TEMPLATE_OF[assessment.rubric])
