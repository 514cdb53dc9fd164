"""How D(t) is chosen among the pairs (§3.2, Table 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel


class PerplexitySelection(SpecModel):
    """What the method Perplexity asks of a pair (Table 3)."""

    max: Number = Field(
        default=50.0,
        ge=1.0,
        le=1000000.0,
        description=(
            "A pair is kept if the perplexity of its response, given the prompt, and that of the "
            "whole pair are both below this, strictly."
        ),
    )


class DensitySelection(SpecModel):
    """How finely Density and DensityPerplexity divide the pairs (Table 3)."""

    clusters: Integer = Field(
        default=3000,
        ge=1,
        le=100000,
        description=(
            "K of k-means, and so the most pairs that are kept; where there are no more pairs "
            "than this, each is a cluster of its own."
        ),
    )


class RandomSelection(SpecModel):
    """The control that the paper lacks: as many pairs as another method kept, at random."""

    size: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Pairs drawn without replacement in each iteration.",
    )
    size_of: Literal["SelfAssessment", "Perplexity", "Density", "DensityPerplexity"] | None = Field(
        default=None,
        description=(
            "The method, with its fields as they stand here, that says in each iteration how many "
            "pairs are drawn: as many as it would keep."
        ),
    )


class Selection(SpecModel):
    """Which pairs are kept."""

    method: Literal[
        "Auto", "SelfAssessment", "Perplexity", "Density", "DensityPerplexity", "Random", "None"
    ] = Field(
        default="Auto",
        description=(
            "SelfAssessment keeps pairs by score (§3.2); Perplexity those that M(t-1) finds "
            "likely, Density one at random of each cluster of pairs, DensityPerplexity the "
            "likeliest of each (Table 3); Random draws of those past the rules without looking at "
            "them; None keeps all past the rules. Auto: the recipe's own, which is SelfAssessment "
            "for ISheep and None for all others."
        ),
    )
    threshold: Integer = Field(
        default=8,
        ge=0,
        le=9,
        description=(
            "C of Algorithm 1: a pair is kept if each of its scores is above this, strictly; at 8 "
            "only 9 and 10 are."
        ),
    )
    min_samples: Integer = Field(
        default=64,
        ge=1,
        le=1000000,
        description="Fewer kept pairs than this fail the run before it trains on next to nothing.",
    )
    perplexity: PerplexitySelection | None = Field(
        default=None, description="For Perplexity, or Random of its size."
    )
    density: DensitySelection | None = Field(
        default=None,
        description="For Density and DensityPerplexity, or Random of the size of one of them.",
    )
    random: RandomSelection | None = Field(
        default=None, description="What the method Random needs."
    )
