"""The yardstick: what every M(t) is measured with, so that the models of a run can be compared.

The figures of a run's own stages describe another set of rows in each iteration, and the model
writes and scores these rows itself. The yardstick asks each model the same questions.
"""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import Integer, SpecModel


class Yardstick(SpecModel):
    """The seed tasks that every M(t) is measured on, M(0) included."""

    items: Integer = Field(
        default=200,
        ge=0,
        le=1000,
        description=(
            "Number of seed tasks, drawn by a hash of the task. If there are fewer with an output, "
            "all of them. Below 30, the report shows no interval and no verdict. 0: no yardstick."
        ),
    )
    max_tokens: Integer = Field(
        default=256,
        ge=1,
        le=32768,
        description="Maximum number of tokens in each answer of M(t) to these tasks.",
    )
    random_seed: Integer = Field(
        default=0,
        ge=0,
        le=9007199254740991,
        description=(
            "Seed of the answers. It is not `spec.randomSeed`, so runs with different seeds share "
            "the measurement of M(0)."
        ),
    )
