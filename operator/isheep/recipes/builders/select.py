"""select: D(t) is chosen among the pairs (§3.2, Table 3)."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.selection import DensitySelection, PerplexitySelection, Selection
from isheep.recipes import settings as s
from isheep.recipes.builders.context import Inputs, RunContext
from isheep.recipes.interface import Stage, StageKind

_CLUSTERING = ("Density", "DensityPerplexity")


def wants_scores(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the selection asks for the assessor's scores."""
    return _decisive(spec.selection) == "SelfAssessment"


def wants_measures(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the selection asks for the pairs' losses."""
    return _decisive(spec.selection) == "Perplexity" or wants_vectors(spec)


def wants_vectors(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the selection asks for the pairs' vectors, too."""
    return _decisive(spec.selection) in _CLUSTERING


def select(run: RunContext, t: int, pairs: str) -> Stage:
    """Return the stage that chooses among the pairs that a stage left."""
    spec = run.spec.selection
    scores, measures = wants_scores(run.spec), wants_measures(run.spec)
    inputs: Inputs = {"pairs": (pairs,)}
    if scores:
        inputs["scores"] = (f"i{t}/assess",)
    if measures:
        inputs["measures"] = (f"i{t}/measure",)
    rules_are_due = not (scores or measures)
    return Stage(
        f"i{t}/select",
        StageKind.SELECT,
        t,
        s.SelectSettings(
            method=_method(spec),
            random_seed=run.spec.random_seed,
            levels=tuple(run.spec.assessment.levels) if scores else (),
            threshold=spec.threshold if scores else None,
            max_perplexity=_max_perplexity(spec),
            clusters=_clusters(spec),
            size=spec.random.size if spec.random is not None else None,
            size_of=spec.random.size_of if spec.random is not None else None,
            rules=run.spec.curation.rules if rules_are_due else None,
            language=run.spec.language if rules_are_due else None,
        ),
        inputs=inputs,
    )


def _decisive(spec: Selection) -> str:
    """Return the method whose verdicts are needed: the run's, or the one whose size it takes."""
    sized = spec.random.size_of if spec.random is not None else None
    return sized or _method(spec)


def _method(spec: Selection) -> s.SelectionMethod:
    """Return the run's method; raises `ValueError` where that is still left to the recipe."""
    if spec.method == "Auto":
        raise ValueError("selection.method is Auto: resolve the spec before asking for stages")
    return spec.method


def _max_perplexity(spec: Selection) -> float | None:
    if _decisive(spec) != "Perplexity":
        return None
    return (spec.perplexity or PerplexitySelection()).max


def _clusters(spec: Selection) -> int | None:
    if _decisive(spec) not in _CLUSTERING:
        return None
    return (spec.density or DensitySelection()).clusters
