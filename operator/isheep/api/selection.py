"""How D(t) is chosen among the pairs (§3.2, Table 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, SpecModel


class RandomSelection(SpecModel):
    """The control that the paper lacks: as many pairs as another method kept, at random."""

    size: Integer = Field(
        ge=1, le=1000000, description="Pairs drawn without replacement in each iteration."
    )


class Selection(SpecModel):
    """Which pairs are kept."""

    method: Literal["SelfAssessment", "Random", "None"] = Field(
        default="SelfAssessment",
        description=(
            "SelfAssessment keeps pairs by score (§3.2); Random draws `random.size` of those past "
            "the rules; None keeps all past the rules."
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
    random: RandomSelection | None = Field(
        default=None, description="What the method Random needs."
    )
