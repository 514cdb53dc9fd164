"""The registry of selection methods: each method under its name in `selection.method`."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract import choices
from isheep.recipes.settings import SelectSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.selection import (
    density,
    density_perplexity,
    none,
    perplexity,
    random_sample,
    threshold,
)
from isheep_worker.selection.contaminated import decontaminated
from isheep_worker.selection.interface import Decisions, SelectionMethod


def _random(context: StageContext[SelectSettings]) -> Decisions:
    """Draw among the pairs of the method whose size Random copies, or among all pairs."""
    others = SELECTION_METHODS[context.settings.size_of or "None"](context)
    return random_sample.decisions(context, others)


SELECTION_METHODS: Mapping[choices.SelectionMethod, SelectionMethod] = {
    "SelfAssessment": decontaminated(threshold.decisions),
    "Perplexity": decontaminated(perplexity.decisions),
    "Density": decontaminated(density.decisions),
    "DensityPerplexity": decontaminated(density_perplexity.decisions),
    "Random": _random,
    "None": decontaminated(none.decisions),
}
