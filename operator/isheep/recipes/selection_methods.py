"""The selection methods: what each one needs from the stages before select (§3.2, Table 3).

To add a selection method, add its name to `isheep.contract.choices`, a row here, and the method to
the worker's package `selection`. If the method has settings, add them to `isheep.api.selection` and
to `SelectSettings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.selection import DensitySelection, PerplexitySelection
from isheep.contract.choices import SelectionMethod

MethodSettings = Callable[[SelfAlignmentRunSpec], dict[str, Any]]
"""Returns the fields of `SelectSettings` that only the method reads."""


def _self_assessment(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    return {"levels": tuple(spec.assessment.levels), "threshold": spec.selection.threshold}


def _perplexity(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    return {"max_perplexity": (spec.selection.perplexity or PerplexitySelection()).max}


def _density(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    return {"clusters": (spec.selection.density or DensitySelection()).clusters}


def _no_settings(_spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class SelectionDefinition:
    """One selection method.

    `scores` is true if the method needs the assessor's scores, `losses` if it needs the losses of
    the pairs, and `vectors` if it needs their embeddings too. `advice` is how a run with this
    method keeps more pairs, or "" if the method has no such setting.
    """

    settings: MethodSettings
    scores: bool = False
    losses: bool = False
    vectors: bool = False
    advice: str = ""


_CLUSTERS = SelectionDefinition(
    _density, losses=True, vectors=True, advice="Raise selection.density.clusters"
)
SELECTION_METHODS: Mapping[SelectionMethod, SelectionDefinition] = {
    "SelfAssessment": SelectionDefinition(
        _self_assessment, scores=True, advice="Lower selection.threshold"
    ),
    "Perplexity": SelectionDefinition(
        _perplexity, losses=True, advice="Raise selection.perplexity.max"
    ),
    "Density": _CLUSTERS,
    "DensityPerplexity": _CLUSTERS,
    "Random": SelectionDefinition(_no_settings),
    "None": SelectionDefinition(_no_settings),
}


def selection_method(spec: SelfAlignmentRunSpec) -> SelectionMethod:
    """Return the selection method of a resolved spec.

    Raises:
        ValueError: The spec is not resolved.
    """
    method = spec.selection.method
    if method == "Auto":
        raise ValueError("selection.method is Auto: resolve the spec before building stages")
    return method


def judging_method(spec: SelfAlignmentRunSpec) -> SelectionDefinition:
    """Return the method that judges the pairs: random.sizeOf if it is set, else the run's."""
    random = spec.selection.random
    size_of = random.size_of if random is not None else None
    return SELECTION_METHODS[size_of or selection_method(spec)]


def needs_scores(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the selection of a resolved spec needs the assessor's scores."""
    return judging_method(spec).scores
