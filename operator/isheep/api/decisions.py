"""Which model of a run is the best one, and when a run stops before its last iteration.

Both read the figures of a benchmark with the role Validation. A decision that reads the figures of
a benchmark makes them look better than they are, so the benchmarks with the role Test are left to
show the result.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from isheep.api.base import Integer, SpecModel, Text

MetricName = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[A-Za-z0-9][-A-Za-z0-9_.,@]*)?$",
    ),
]
"""A metric: the name of a benchmark, and optionally the name of one of its metrics."""
_METRIC = (
    "The metric: the name of a benchmark of `evaluation.benchmarks` for its primary metric, or "
    "`<benchmark>/<metric>`. The benchmark must have the role Validation, or a `share`."
)


class Best(SpecModel):
    """How the best model is chosen."""

    metric: MetricName | None = Field(
        default=None,
        description=(
            f"{_METRIC} The best model is the earliest one that is not significantly worse than "
            "the one with the best mean, and it can be M(0). If absent: the last model."
        ),
    )


class Stopping(SpecModel):
    """When a run stops because its models do not become better."""

    metric: MetricName = Field(description=_METRIC)
    patience: Integer = Field(
        default=2,
        ge=1,
        le=20,
        description=(
            "Number of consecutive iterations without an improvement after which the run stops. "
            "An improvement is a difference beyond the 95 % interval of the paired difference."
        ),
    )
