"""How D(t) is chosen among the pairs (§3.2, Table 3)."""

from __future__ import annotations

from typing import get_args

from pydantic import Field

from isheep.api.base import Integer, Number, SpecModel
from isheep.api.recipe_registry import defaults_by_recipe
from isheep.contract.choices import (
    ClusteringMethod,
    JudgingMethod,
    PerplexityGiven,
    SelectionMethodSetting,
)


class PerplexitySelection(SpecModel):
    """Which pairs the method Perplexity keeps (Table 3)."""

    max: Number = Field(
        default=50.0,
        ge=1.0,
        le=1000000.0,
        description=(
            "A pair is kept if two perplexities are strictly below this: the perplexity of the "
            "response, and the perplexity of the whole pair."
        ),
    )
    given: PerplexityGiven = Field(
        default="Nothing",
        description=(
            "The text before a response when its perplexity is computed: none, with the whole "
            "pair as plain text, as in the paper's scripts (Nothing); or the prompt that the "
            "response answers (Prompt), which gives most responses a perplexity far below 50."
        ),
    )


class DensitySelection(SpecModel):
    """How Density and DensityPerplexity cluster the pairs (Table 3)."""

    clusters: Integer = Field(
        default=3000,
        ge=1,
        le=100000,
        description=(
            "K of k-means, which is also the maximum number of kept pairs. If there are no more "
            "pairs than this, each pair is one cluster."
        ),
    )


class RandomSelection(SpecModel):
    """A control that the paper does not have: random pairs, as many as another method keeps."""

    size: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description="Number of pairs drawn in each iteration, without replacement.",
    )
    size_of: JudgingMethod | None = Field(
        default=None,
        description=(
            "In each iteration, as many pairs are drawn as this method would keep with its fields "
            "in this object."
        ),
    )


class Selection(SpecModel):
    """Which pairs are kept."""

    method: SelectionMethodSetting = Field(
        default="Auto",
        description=(
            "How pairs are chosen. SelfAssessment keeps pairs by their scores (§3.2). Perplexity "
            "keeps pairs with a low perplexity under M(t-1), Density keeps one random pair of each "
            "cluster, and DensityPerplexity keeps the pair with the lowest perplexity of each "
            "cluster (Table 3). Random draws among all pairs that the rules accept. None keeps all "
            "pairs that the rules accept. Auto is the recipe's method: "
            f"{defaults_by_recipe(lambda recipe: recipe.selection_method)}."
        ),
    )
    threshold: Integer = Field(
        default=8,
        ge=0,
        le=9,
        description=(
            "C of Algorithm 1: a pair is kept if each of its scores is strictly above this. With "
            "8, the sampled scores 9 and 10 pass."
        ),
    )
    min_samples: Integer = Field(
        default=64,
        ge=1,
        le=1000000,
        description=(
            "If an iteration keeps fewer pairs than this, the run fails before it trains on them."
        ),
    )
    perplexity: PerplexitySelection | None = Field(
        default=None,
        description="For the method Perplexity, and for Random if random.sizeOf is Perplexity.",
    )
    density: DensitySelection | None = Field(
        default=None,
        description=(
            f"For the methods {' and '.join(get_args(ClusteringMethod))}, and for Random if "
            "random.sizeOf is one of them."
        ),
    )
    random: RandomSelection | None = Field(
        default=None, description="How many pairs the method Random draws. Random requires it."
    )
