"""The status of a run, in a cluster and in the output of `isheep status`.

`phase` and `progress` are for people. Programs read the conditions, whose meaning is fixed. If
Ready and Complete are true, the run has succeeded. If Stalled is true and Failed is not, the run
waits for something outside of it. If Failed is true (then Stalled is true too), the generation has
ended without success.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, get_args

from pydantic import Field, field_validator

from isheep.api.base import Flag, Integer, Map, Number, SpecModel, Text
from isheep.api.gpu_usage import GpuUsage
from isheep.contract.choices import ConditionStatus, ConditionType, Phase
from isheep.contract.rule_names import current_statistics

Name = Annotated[Text, Field(max_length=253)]
Uri = Annotated[Text, Field(max_length=2048)]
Count = Annotated[Integer, Field(ge=0)]


class Condition(SpecModel):
    """One aspect of the state, in the form of Kubernetes' conventions."""

    type: Annotated[Text, Field(max_length=64)] = Field(
        description=f"One of {', '.join(get_args(ConditionType))}."
    )
    status: ConditionStatus = Field(description="Whether the condition is true.")
    reason: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="The reason, as one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="The reason and the remedy, for people."
    )
    last_transition_time: datetime = Field(description="Time of the last change of `status`.")
    observed_generation: Integer = Field(
        default=0, ge=0, description="The generation of the run that the condition describes."
    )


class StageProgress(SpecModel):
    """The stage that is running. Nothing depends on its counts."""

    id: Name = Field(description="Id of the stage, such as `i2/respond` or `i1/generate/r3`.")
    key: Annotated[Text, Field(max_length=64)] = Field(description="Key of the stage.")
    items_done: Count | None = Field(default=None, description="Number of finished items.")
    items_total: Count | None = Field(default=None, description="Number of all items.")
    estimated_remaining_seconds: Count | None = Field(
        default=None, description="Estimated seconds until the end, at the rate so far."
    )


class Hold(SpecModel):
    """Why a stage waits before its next attempt."""

    reason: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="The reason, as one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="The reason and the remedy, for people."
    )
    stalled: Flag = Field(
        default=False, description="Whether the stage waits for something outside of the run."
    )
    until: datetime = Field(description="Time of the next attempt.")
    times: Count = Field(default=1, description="Number of consecutive waits like this one.")


class StageFailure(SpecModel):
    """Why an optional stage has failed finally, so that the run goes on without it."""

    reason: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="The reason, as one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=1024)] = Field(
        default="", description="The message of the worker or of the operator."
    )


class StageRecord(SpecModel):
    """A stage of the plan that was started, starts next, or was found committed."""

    id: Name = Field(description="Id of the stage.")
    key: Annotated[Text, Field(max_length=64)] = Field(description="Key of the stage.")
    attempts: Count = Field(
        default=0,
        description="Number of ended attempts; 0 if the stage was found committed.",
    )
    failures: Count = Field(
        default=0, description="Number of these attempts that count as failures."
    )
    memory_reduction: Count = Field(
        default=0,
        description="How often the batch size was halved because device memory was too small.",
    )
    gpu_seconds: Number | None = Field(
        default=None,
        ge=0,
        description="GPU time in seconds; `gpu` says how precise the time of a stage is.",
    )
    hold: Hold | None = Field(
        default=None, description="Why the stage waits before its next attempt."
    )
    committed: Flag = Field(
        default=False, description="Whether the output of the stage is durably stored."
    )
    failure: StageFailure | None = Field(
        default=None,
        description="Why the run goes on without this stage; only an evaluation or a verdict.",
    )
    counts: Map[Number] = Field(
        default_factory=dict,
        max_length=64,
        description="Essential statistics of the stage, by name.",
    )

    _current_counts = field_validator("counts")(current_statistics)


class YardstickRecord(SpecModel):
    """M(t) compared with M(0) by the loss on the outputs of the same seed tasks."""

    items: Count = Field(description="Number of seed tasks that both models were measured on.")
    difference: Number | None = Field(
        default=None, description="Mean loss of M(t) minus that of M(0), in nats a token."
    )
    lower: Number | None = Field(
        default=None,
        description="Lower end of the 95 % interval; absent if there are fewer than 30 tasks.",
    )
    upper: Number | None = Field(default=None, description="Upper end of the interval.")


class BenchmarkRecord(SpecModel):
    """M(t) compared with M(0) on the primary metric of the first benchmark."""

    name: Annotated[Text, Field(max_length=32)] = Field(description="Name of the benchmark.")
    items: Count = Field(description="Number of items on which both models were evaluated.")
    difference: Number = Field(
        description="Mean of M(t) minus that of M(0) in its better prompt format."
    )
    lower: Number | None = Field(
        default=None,
        description="Lower end of the 95 % interval; absent if there are fewer than 30 items.",
    )
    upper: Number | None = Field(default=None, description="Upper end of the interval.")


class JudgementRecord(SpecModel):
    """How often the judge prefers the answers of M(t), on the first judgement."""

    name: Annotated[Text, Field(max_length=32)] = Field(description="Name of the judgement.")
    items: Count = Field(description="Number of questions whose judgements could be read.")
    rate: Number = Field(
        description=(
            "Win rate against M(0) in its better prompt format, or against the user's answers; 0.5 "
            "means that both are equal."
        )
    )
    lower: Number | None = Field(
        default=None,
        description="Lower end of the 95 % interval; absent if there are fewer than 30 questions.",
    )
    upper: Number | None = Field(default=None, description="Upper end of the interval.")


class SecondTurnRecord(SpecModel):
    """The grades of the second turns alone, which can fall while those of the first ones do not."""

    items: Count | None = Field(
        default=None,
        description=(
            "Number of questions whose second turns could be read; absent in a verdict of an "
            "earlier version."
        ),
    )
    mean: Number = Field(description="Mean grade of M(t) on the second turns, between 1 and 10.")
    difference: Number = Field(description="This mean minus that of M(0).")
    lower: Number | None = Field(
        default=None,
        description="Lower end of the 95 % interval; absent if there are fewer than 30 questions.",
    )
    upper: Number | None = Field(default=None, description="Upper end of the interval.")


class GradeRecord(SpecModel):
    """The grades that the judge gives the answers of M(t), on the first judgement of kind Grades.

    M(0) is taken in the prompt format in which its grades are better.
    """

    name: Annotated[Text, Field(max_length=32)] = Field(description="Name of the judgement.")
    items: Count = Field(description="Number of questions whose grades could be read.")
    mean: Number = Field(description="Mean grade of M(t) over all turns, between 1 and 10.")
    difference: Number = Field(description="This mean minus that of M(0).")
    lower: Number | None = Field(
        default=None,
        description="Lower end of the 95 % interval; absent if there are fewer than 30 questions.",
    )
    upper: Number | None = Field(default=None, description="Upper end of the interval.")
    second_turn: SecondTurnRecord | None = Field(
        default=None, description="The second turns alone, if the questions have some."
    )


class BestRecord(SpecModel):
    """The best model so far."""

    iteration: Integer = Field(ge=0, le=20, description="The t of the best model; it can be 0.")
    metric: Annotated[Text, Field(max_length=128)] | None = Field(
        default=None, description="The metric that chose it, `best.metric`."
    )
    value: Number | None = Field(default=None, description="Its mean on this metric.")
    model_uri: Uri | None = Field(default=None, description="Its location.")
    note: Annotated[Text, Field(max_length=256)] = Field(
        default="", description="How it was chosen, and which items the value comes from."
    )


class IterationRecord(SpecModel):
    """A finished iteration, or with t = 0 the measurement of M(0)."""

    iteration: Integer = Field(ge=0, le=20, description="Number of the iteration, t.")
    completions: Count | None = Field(default=None, description="Number of generated completions.")
    accepted: Count | None = Field(default=None, description="Number of accepted instructions.")
    kept: Count | None = Field(default=None, description="Number of pairs in D(t).")
    mean_score: Number | None = Field(default=None, description="Mean score of the kept pairs.")
    training_loss: Number | None = Field(
        default=None,
        description=(
            "Mean training loss over the steps before M(t), since the previous measurement of the "
            "validation loss."
        ),
    )
    training_samples: Count | None = Field(
        default=None, description="Number of pairs that M(t) was trained on."
    )
    validation_loss: Number | None = Field(
        default=None,
        description=(
            "Loss of M(t) on the held-out pairs. The losses of different iterations are over "
            "different pairs, so they cannot be compared."
        ),
    )
    validation_samples: Count | None = Field(default=None, description="Number of held-out pairs.")
    yardstick: YardstickRecord | None = Field(
        default=None, description="M(t) compared with M(0), if the run has a yardstick."
    )
    benchmark: BenchmarkRecord | None = Field(
        default=None, description="M(t) compared with M(0) on the first of its benchmarks."
    )
    judgement: JudgementRecord | None = Field(
        default=None, description="Win rate of M(t) on the first judgement of kind WinRate."
    )
    grades: GradeRecord | None = Field(
        default=None, description="Grades of M(t) on the first judgement of kind Grades."
    )
    gpu_seconds: Number | None = Field(
        default=None, ge=0, description="GPU time of the iteration in seconds, of all resources."
    )


class Failure(SpecModel):
    """The last failure."""

    stage: Name = Field(description="Id of the stage that failed.")
    pod: Name | None = Field(default=None, description="Name of the pod that failed, if any.")
    reason: Annotated[Text, Field(max_length=128)] = Field(
        description="The reason, as one CamelCase word."
    )
    message: Annotated[Text, Field(max_length=2048)] = Field(
        default="", description="The reason and the remedy, for people."
    )


class SelfAlignmentRunStatus(SpecModel):
    """The state of a run."""

    observed_generation: Integer = Field(
        default=-1, ge=-1, description="The generation of the run that this status describes."
    )
    phase: Phase | None = Field(default=None, description="The state as one word, for people.")
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
        default=None, ge=0, le=20, description="The current iteration; 0 before the first one."
    )
    progress: Annotated[Text, Field(max_length=128)] | None = Field(
        default=None,
        description="Iteration, stage and finished share, for people, such as `2/5 respond 41%`.",
    )
    stage: StageProgress | None = Field(default=None, description="The stage that is running.")
    stages: tuple[StageRecord, ...] = Field(
        default=(),
        max_length=4096,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        description="The stages that were started or found committed, in the order of the plan.",
    )
    history: tuple[IterationRecord, ...] = Field(
        default=(),
        max_length=21,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["iteration"],
        },
        description="The finished iterations, and M(0) as t = 0 if it was measured.",
    )
    model_uri: Uri | None = Field(
        default=None,
        description=(
            "Location of the best M(t): full weights, or the adapter if handover is Adapter. "
            "Without `best.metric`, it is the newest one."
        ),
    )
    last_model_uri: Uri | None = Field(default=None, description="Location of the newest M(t).")
    best: BestRecord | None = Field(default=None, description="The best model so far.")
    report_uri: Uri | None = Field(default=None, description="Location of the newest report.")
    gpu: GpuUsage | None = Field(
        default=None,
        description=(
            "GPU time of the run and its cost. A stopped, failed or preempted attempt counts. The "
            "time of a Job that executes several stages is divided at the operator's reads of its "
            "progress, every 30 seconds."
        ),
    )
    last_failure: Failure | None = Field(default=None, description="The last failure.")
    resolved: dict[str, Any] | None = Field(
        default=None,
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        description=(
            "Values that this generation is planned from: defaults, revisions, digests and "
            "versions."
        ),
    )
    start_time: datetime | None = Field(
        default=None,
        description=(
            "Time at which work started. A retry, a new generation and the end of a suspension "
            "set it again."
        ),
    )
    completion_time: datetime | None = Field(
        default=None, description="Time at which the run ended."
    )
    last_handled_retry: Annotated[Text, Field(max_length=256)] | None = Field(
        default=None,
        description=(
            "Value of the retry annotation that was handled last, whether there was something to "
            "retry or not."
        ),
    )

    def document(self) -> dict[str, Any]:
        """Return the status as JSON values; `resolved` is shared, because it is JSON already."""
        found = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"resolved"})
        return found if self.resolved is None else {**found, "resolved": self.resolved}
