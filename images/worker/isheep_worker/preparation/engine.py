"""The engine of a run: whether it is installed and has the capabilities that the run needs."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import EngineType
from isheep.recipes.builders.assess import needs_expected_scores
from isheep.recipes.selection_methods import needs_scores
from isheep_worker.engines.registry import ENGINES, Capability
from isheep_worker.runtime.errors import BadInputError


def resolve_engine(spec: SelfAlignmentRunSpec) -> EngineType:
    """Return the spec's engine.

    Raises:
        BadInputError: The engine's library is not installed, or the engine lacks a capability that
            the run needs.
    """
    name = spec.engine.type
    engine = ENGINES[name]
    others = " or ".join(other for other in ENGINES if other != name)
    if not engine.is_installed:
        raise BadInputError(
            f"engine.type: {name}, but {engine.library} is not installed here; "
            f"{engine.installation}, or set engine.type: {others}"
        )
    for capability, field in required_capabilities(spec).items():
        if capability not in engine.capabilities:
            raise BadInputError(
                f"engine.type: {name} does not support {capability}, which {field} needs; set "
                f"engine.type: {others}, or change that field"
            )
    return name


def required_capabilities(spec: SelfAlignmentRunSpec) -> dict[Capability, str]:
    """Return each capability that a run needs, with the field of the spec that needs it."""
    assessment = spec.assessment
    samples_scores = needs_scores(spec) and (
        assessment.scoring == "Sampled" or assessment.compare is not None
    )
    needed = {
        Capability.LABEL_PROBABILITIES: (
            needs_expected_scores(spec),
            "assessment.scoring: Expected (or assessment.compare)",
        ),
        Capability.REGULAR_EXPRESSIONS: (
            samples_scores and assessment.decoding == "Constrained",
            "assessment.decoding: Constrained",
        ),
        Capability.ADAPTERS: (
            spec.iterations > 1 and spec.training.handover == "Adapter",
            "training.handover: Adapter",
        ),
    }
    return {capability: field for capability, (is_needed, field) in needed.items() if is_needed}
