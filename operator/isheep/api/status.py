"""What a run says of itself, in a cluster and under `isheep status` alike.

`phase` and `progress` are for people. Programs read the conditions, whose meaning
is fixed: Ready and Complete both true is success; Stalled alone is waiting for
something outside; Failed (with Stalled) is the end of this generation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from isheep.api.base import Flag, Integer, Map, Number, SpecModel, Text

Name = Annotated[Text, Field(max_length=253)]
Uri = Annotated[Text, Field(max_length=2048)]
Count = Annotated[Integer, Field(ge=0)]

Phase = Literal["Pending", "Running", "Suspended", "Stalled", "Succeeded", "Failed"]
ConditionType = Literal["Reconciling", "Ready", "Complete", "Stalled", "Failed", "Suspended"]


class Condition(SpecModel):
    """One aspect of the state, as Kubernetes' conventions have it."""

    type: Annotated[Text, Field(max_length=64)] = Field(
        description="Ready, Reconciling, Complete, Stalled, Failed or Suspended."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="Why, in one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="Why, for people, with what to do."
    )
    last_transition_time: datetime = Field(description="When the status last changed.")
    observed_generation: Integer = Field(
        default=0, ge=0, description="The generation that it is about."
    )


class StageProgress(SpecModel):
    """The stage at work. Nothing depends on its counts."""

    id: Name = Field(description="The stage: `i2/respond`, `i1/generate/r3`.")
    key: Annotated[Text, Field(max_length=64)] = Field(description="Its key.")
    items_done: Count | None = Field(default=None, description="Items finished.")
    items_total: Count | None = Field(default=None, description="Items in all.")
    estimated_remaining_seconds: Count | None = Field(
        default=None, description="Seconds left at the rate so far."
    )


class Hold(SpecModel):
    """Why a stage is not tried again at once."""

    reason: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="Why, in one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="Why, for people, with what to do."
    )
    stalled: Flag = Field(
        default=False, description="Whether it waits for something outside of the run."
    )
    until: datetime = Field(description="When it is tried again.")
    times: Count = Field(default=1, description="How often in a row it has waited like this.")


class StageRecord(SpecModel):
    """A stage of the plan that was started, is to be started next, or was found."""

    id: Name = Field(description="The stage.")
    key: Annotated[Text, Field(max_length=64)] = Field(description="Its key.")
    attempts: Count = Field(
        default=0, description="Attempts that have ended; 0 where it was found committed."
    )
    failures: Count = Field(default=0, description="Those of them that count as failures.")
    memory_reduction: Count = Field(
        default=0, description="How often its batches were halved for want of device memory."
    )
    gpu_seconds: Number | None = Field(
        default=None, ge=0, description="Seconds of GPU time of the attempts that have ended."
    )
    hold: Hold | None = Field(default=None, description="Why it is not tried again at once.")
    committed: Flag = Field(default=False, description="Whether its output is durably stored.")
    counts: Map[Number] = Field(
        default_factory=dict, max_length=64, description="Its essential figures, by name."
    )


class IterationRecord(SpecModel):
    """A finished iteration."""

    iteration: Integer = Field(ge=1, le=20, description="t.")
    completions: Count | None = Field(default=None, description="Completions generated.")
    accepted: Count | None = Field(default=None, description="Instructions past the rules.")
    kept: Count | None = Field(default=None, description="Pairs of D(t).")
    mean_score: Number | None = Field(default=None, description="Mean score of the kept pairs.")
    training_loss: Number | None = Field(default=None, description="Mean loss over all steps.")
    validation_loss: Number | None = Field(
        default=None, description="Loss of M(t) on the held-out pairs."
    )
    gpu_seconds: Number | None = Field(
        default=None, ge=0, description="Seconds of GPU time, over all its Jobs."
    )


class Failure(SpecModel):
    """What went wrong last."""

    stage: Name = Field(description="The stage.")
    pod: Name | None = Field(default=None, description="The pod, where it was one.")
    reason: Annotated[Text, Field(max_length=128)] = Field(description="Why, in one word.")
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="Why, for people, with what to do."
    )


class SelfAlignmentRunStatus(SpecModel):
    """The state of a run."""

    observed_generation: Integer = Field(
        default=-1, ge=-1, description="The generation that this status is about."
    )
    phase: Phase | None = Field(default=None, description="The state in one word, for people.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        description="The state, for programs.",
    )
    iteration: Integer | None = Field(
        default=None, ge=0, le=20, description="The iteration at work; 0 before the first."
    )
    progress: Annotated[Text, Field(max_length=128)] | None = Field(
        default=None, description="Iteration, stage and share, for people: `2/5 respond 41%`."
    )
    stage: StageProgress | None = Field(default=None, description="The stage at work.")
    stages: tuple[StageRecord, ...] = Field(
        default=(),
        max_length=4096,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        description="The stages that were started or found, in the plan's order.",
    )
    history: tuple[IterationRecord, ...] = Field(
        default=(),
        max_length=20,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["iteration"],
        },
        description="The finished iterations.",
    )
    model_uri: Uri | None = Field(
        default=None,
        description=(
            "Where the newest M(t) is: full weights or, where they are not merged, the adapter."
        ),
    )
    report_uri: Uri | None = Field(default=None, description="Where the newest report is.")
    last_failure: Failure | None = Field(default=None, description="What went wrong last.")
    resolved: dict[str, Any] | None = Field(
        default=None,
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        description="What this generation is planned from: defaults, revisions, digests, versions.",
    )
    start_time: datetime | None = Field(
        default=None,
        description="When work began; anew after a retry, a new generation or a suspension.",
    )
    completion_time: datetime | None = Field(default=None, description="When the run ended.")
    last_handled_retry: Annotated[Text, Field(max_length=256)] | None = Field(
        default=None, description="The value of the retry annotation that was acted upon."
    )
