"""The GPU time of a run in its status, and the prices of GPUs.

The sums never fall. They do not depend on the stages of the plan, so an edit of the spec, a retry
and a deleted Job leave them as they are. `planner.gpu_accounting` computes them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from isheep.api.base import Flag, Integer, LabelKey, Map, Number, SpecModel, Text

Seconds = Annotated[Number, Field(ge=0)]
ResourceName = Annotated[LabelKey, Field(max_length=317)]
Devices = Annotated[Integer, Field(ge=0)]


class Prices(SpecModel):
    """What GPUs cost, by the name of the resource."""

    currency: Annotated[Text, Field(max_length=3, pattern="^[A-Z]{3}$")] = Field(
        description="The currency of all prices, as three capital letters, such as EUR."
    )
    # With a larger price, the cost of a run could exceed the largest number of JSON.
    per_hour: Map[Annotated[Number, Field(ge=0, le=1000000000)]] = Field(
        default_factory=dict,
        max_length=32,
        description="Price of one device for an hour, by resource, such as nvidia.com/gpu.",
    )


class IterationUsage(SpecModel):
    """The GPU time of an iteration."""

    iteration: Integer = Field(
        ge=0, le=20, description="Number of the iteration, t; 0 for work before the first one."
    )
    seconds: Map[Seconds] = Field(
        default_factory=dict,
        max_length=32,
        description="Seconds of each resource, such as nvidia.com/gpu.",
    )


class AttemptUsage(SpecModel):
    """The GPU time of an attempt that exists, so that it is not charged twice."""

    name: Annotated[Text, Field(max_length=253)] = Field(description="Name of the Job.")
    created: datetime = Field(description="When the Job was created.")
    stage: Annotated[Text, Field(max_length=253)] = Field(
        description="The stage that the next seconds are charged to."
    )
    devices: Map[Devices] = Field(
        default_factory=dict, max_length=32, description="Devices of each pod, by resource."
    )
    pods: Map[Seconds] = Field(
        default_factory=dict,
        max_length=1024,
        description="Charged seconds of each pod, by the first characters of its UID.",
    )
    live: Annotated[Integer, Field(ge=0)] = Field(
        default=0, description="Number of these pods that have not ended."
    )
    stopped_at: datetime | None = Field(
        default=None, description="When the Job was stopped; its pods are charged until then."
    )
    grace_seconds: Integer = Field(
        default=0, ge=0, description="How long the pods may take to end after that."
    )
    ended: Flag = Field(default=False, description="Whether the attempt is charged completely.")


class GpuUsage(SpecModel):
    """The GPU time of a run, and its cost if the operator has prices."""

    seconds: Map[Seconds] = Field(
        default_factory=dict,
        max_length=32,
        description=(
            "Seconds of each resource over all attempts: also of those that were stopped or failed."
        ),
    )
    cost: Number | None = Field(
        default=None, ge=0, description="Cost of the seconds whose resource has a price."
    )
    prices: Prices | None = Field(
        default=None,
        description=(
            "The prices of the cost. A run keeps the price with which a resource was first charged."
        ),
    )
    iterations: tuple[IterationUsage, ...] = Field(
        default=(),
        max_length=21,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["iteration"],
        },
        description="The same seconds by iteration.",
    )
    other_stages: Map[Seconds] = Field(
        default_factory=dict,
        max_length=2048,
        description=(
            "Seconds of all resources by stage, for stages that `status.stages` does not have: an "
            "edit has removed them, or made their outputs outdated."
        ),
    )
    attempts: tuple[AttemptUsage, ...] = Field(
        default=(),
        max_length=1024,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="The attempts that exist, and the last ones that do not exist any more.",
    )

    @property
    def is_open(self) -> bool:
        """Whether an attempt is not charged completely."""
        return any(not attempt.ended for attempt in self.attempts)
