"""How the model judges its own pairs (§3.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, SpecModel
from isheep.api.sampling import AssessmentSampling


class Assessment(SpecModel):
    """Who scores, what is asked, and how the score is read (§3.2)."""

    levels: tuple[Literal["Quality", "Following"], ...] = Field(
        default=("Quality", "Following"),
        min_length=1,
        max_length=2,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description=(
            "What is scored, each level by a prompt of its own: the response's quality, and how "
            "well it follows the instruction."
        ),
    )
    rubric: Literal["Simple", "Combined", "InContext"] = Field(
        default="Combined",
        description=(
            "What the assessor is told: Simple, Combined (adds verbosity, format and ambiguity; "
            "the paper's main tables) or InContext (three worked examples)."
        ),
    )
    assessor: Literal["Base", "Previous"] = Field(
        default="Previous",
        description=(
            "Who scores in iteration t: M(t-1), as Algorithm 1 says, or M(0), as the released "
            "scripts do."
        ),
    )
    scoring: Literal["Sampled", "Expected"] = Field(
        default="Sampled",
        description=(
            "Whether a score is generated and parsed, or is the expectation over the labels' "
            "probabilities from one prefill: a fraction from 1 to 10, of labels that prepare finds "
            "in the model's tokenizer."
        ),
    )
    decoding: Literal["Free", "Constrained"] = Field(
        default="Free",
        description=(
            "Whether a sampled assessment is free text or held to the score's form by structured "
            "outputs; small models need the latter."
        ),
    )
    example_order: Literal["Fixed", "Shuffled"] = Field(
        default="Fixed",
        description=(
            "Whether InContext's worked examples stand in one order, as in the paper, or in one "
            "that is drawn for each pair, so that the report shows what their order does to scores."
        ),
    )
    compare: Integer | None = Field(
        default=None,
        ge=1,
        le=100000,
        description=(
            "Number of an iteration's first pairs that are scored the other way, too (Expected "
            "where scoring is Sampled, and the reverse); the report shows how far both agree, and "
            "selection does not look at it. Absent: none."
        ),
    )
    prompt_format: Literal["Auto", "Raw", "Chat"] = Field(
        default="Auto",
        description="How the assessor is asked; Auto: raw for M(0), its chat template for others.",
    )
    sampling: AssessmentSampling = Field(
        default=AssessmentSampling(), description="How sampled scores are drawn."
    )
