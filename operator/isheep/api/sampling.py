"""How completions are drawn. The places where a run samples differ in their defaults only."""

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
        description="Sampling temperature; 0 takes the likeliest token each time.",
    )


def top_p(default: float) -> Any:
    """Return the field `topP` with a default."""
    return Field(
        default=default,
        ge=0.0,
        le=1.0,
        description="Share of probability, above 0, that tokens are drawn from (nucleus sampling).",
    )


def presence_penalty(default: float) -> Any:
    """Return the field `presencePenalty` with a default that is a penalty."""
    return Field(
        default=default,
        ge=-2.0,
        le=2.0,
        description="What the logit of a token loses once the completion holds it; 0: nothing.",
    )


class Sampling(SpecModel):
    """Temperature and nucleus; the paper draws everything with 1.0 and 0.95 (§3.1)."""

    temperature: Number = temperature(1.0)
    top_p: Number = top_p(0.95)
    presence_penalty: Number | None = Field(
        default=None,
        ge=-2.0,
        le=2.0,
        description=(
            "What the logit of a token loses once the completion holds it, however often; absent: "
            "nothing."
        ),
    )


class InstructionSampling(Sampling):
    """How completions of the instruction prompt are drawn (§3.1)."""

    max_tokens: Integer = Field(
        default=1000,
        ge=16,
        le=32768,
        description="Longest completion, in tokens; 1000 hold about eleven tasks.",
    )


class ResponseSampling(Sampling):
    """How responses are drawn (§3.1)."""

    max_tokens: Integer = Field(
        default=1000,
        ge=16,
        le=32768,
        description=(
            "Longest response, in tokens; the default leaves the prompt some room in training's "
            "maxLength of 1024."
        ),
    )


class AssessmentSampling(Sampling):
    """How scores are drawn (§3.2)."""

    max_tokens: Integer = Field(
        default=256,
        ge=1,
        le=4096,
        description=(
            "Longest assessment, in tokens; the score comes first, the explanation after it may be "
            "cut."
        ),
    )
