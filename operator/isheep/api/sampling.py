"""How completions are sampled. The places where a run samples differ only in their defaults."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel


def temperature(default: float) -> Any:
    """Return the field `temperature` with a default."""
    return Field(
        default=default,
        ge=0.0,
        le=2.0,
        description="Sampling temperature. 0 always takes the most likely token.",
    )


def top_p(default: float) -> Any:
    """Return the field `topP` with a default."""
    return Field(
        default=default,
        ge=0.0,
        le=1.0,
        description="Nucleus sampling: cumulative probability of the candidate tokens, above 0.",
    )


def presence_penalty(default: float) -> Any:
    """Return the field `presencePenalty` with a default that is a penalty."""
    return Field(
        default=default,
        ge=-2.0,
        le=2.0,
        description=(
            "Value subtracted once from the logit of each token that the completion contains; 0 "
            "means no penalty."
        ),
    )


class Sampling(SpecModel):
    """Temperature and nucleus; the paper samples everything with 1.0 and 0.95 (§3.1)."""

    temperature: Number = temperature(1.0)
    top_p: Number = top_p(0.95)
    presence_penalty: Number | None = Field(
        default=None,
        ge=-2.0,
        le=2.0,
        description=(
            "Value subtracted once from the logit of each token that the completion contains. If "
            "absent: no penalty."
        ),
    )


class InstructionSampling(Sampling):
    """How completions of the instruction prompt are sampled (§3.1)."""

    max_tokens: Integer = Field(
        default=1000,
        ge=16,
        le=32768,
        description="Maximum length of a completion, in tokens. 1000 tokens are about 11 tasks.",
    )


class ResponseSampling(Sampling):
    """How responses are sampled (§3.1)."""

    max_tokens: Integer = Field(
        default=1000,
        ge=16,
        le=32768,
        description=(
            "Maximum length of a response, in tokens. With the default, some of training's "
            "maxLength of 1024 remains for the prompt."
        ),
    )


class AssessmentSampling(Sampling):
    """How assessments are sampled (§3.2)."""

    max_tokens: Integer = Field(
        default=256,
        ge=1,
        le=4096,
        description=(
            "Maximum length of an assessment, in tokens. The score comes first, so the limit cuts "
            "only the explanation. With parsing Tolerant, an answer that is cut right after a "
            "number has no score, because the number can be cut too."
        ),
    )
