"""The run as a whole: one declarative object, `SelfAlignmentRun` of `isheep.dev/v1alpha1`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from isheep.api.alpaca import Alpaca
from isheep.api.assessment import Assessment
from isheep.api.base import (
    Flag,
    Integer,
    LabelKey,
    LabelValue,
    LocalObjectReference,
    ObjectName,
    SpecModel,
    Text,
)
from isheep.api.compute import Compute
from isheep.api.curation import Curation
from isheep.api.dromedary import Dromedary
from isheep.api.engine import Engine
from isheep.api.instructions import Instructions, SeedTasks
from isheep.api.model import Model
from isheep.api.responses import Responses
from isheep.api.selection import Selection
from isheep.api.self_instruct import SelfInstruct
from isheep.api.status import SelfAlignmentRunStatus
from isheep.api.storage import Storage
from isheep.api.training import Training

GROUP = "isheep.dev"
VERSION = "v1alpha1"
KIND = "SelfAlignmentRun"
PLURAL = "selfalignmentruns"
RETRY_ANNOTATION = "isheep.dev/retry"


class SelfAlignmentRunSpec(SpecModel):
    """What is wanted. The defaults are the paper's settings."""

    recipe: Literal["ISheep", "SelfInstruct", "Alpaca", "Dromedary"] = Field(
        description=(
            "The method: how a run becomes stages; it cannot be changed. What only one of them "
            "asks stands in the member of its name."
        )
    )
    iterations: Integer = Field(
        ge=1,
        le=20,
        description="T of Algorithm 1; the paper's arm Direct is 1 with a larger count (§4).",
    )
    random_seed: Integer = Field(
        default=0,
        ge=0,
        le=9007199254740991,
        description="Seeds everything that is drawn: exemplars, completions, samples, training.",
    )
    language: Text = Field(
        default="en",
        pattern=r"^[a-z]{2,3}$",
        max_length=3,
        description="Language of the tasks (ISO 639); some rules hold for English only.",
    )
    suspend: Flag = Field(
        default=False,
        description="Whether work stops, keeping what is committed, until this is false again.",
    )
    active_deadline_seconds: Integer = Field(
        default=172800,
        ge=60,
        le=31536000,
        description="Seconds after which the run fails with DeadlineExceeded, from its start.",
    )
    service_account_name: ObjectName | None = Field(
        default=None, description="Service account of the pods; absent: the namespace's default."
    )
    model: Model = Field(description="The base model M(0).")
    seed_tasks: SeedTasks = Field(
        default=SeedTasks(builtin="Default"),
        description="The seed tasks Ds of Algorithm 1, from which exemplars are drawn.",
    )
    prompts_ref: LocalObjectReference | None = Field(
        default=None,
        description="ConfigMap with templates that replace the built-in ones, one a key.",
    )
    storage: Storage | None = Field(
        default=None,
        description=(
            "Where all data goes; absent: the chart's defaultStorage, or `--store` of "
            "`isheep run`. It cannot be changed."
        ),
    )
    engine: Engine = Field(default=Engine(), description="What completes prompts.")
    instructions: Instructions = Field(
        default=Instructions(), description="How instructions are generated (§3.1)."
    )
    curation: Curation = Field(
        default=Curation(), description="Which instructions are accepted (§3.2)."
    )
    responses: Responses = Field(
        default=Responses(), description="How instructions are answered (§3.1)."
    )
    assessment: Assessment = Field(default=Assessment(), description="How pairs are scored (§3.2).")
    selection: Selection = Field(default=Selection(), description="Which pairs are kept (§3.2).")
    training: Training = Field(default=Training(), description="How M(t) is trained (§3.3, §4).")
    self_instruct: SelfInstruct | None = Field(
        default=None, description="What only the recipe SelfInstruct asks; absent: its defaults."
    )
    alpaca: Alpaca | None = Field(
        default=None, description="What only the recipe Alpaca asks; absent: its defaults."
    )
    dromedary: Dromedary | None = Field(
        default=None, description="What only the recipe Dromedary asks; absent: its defaults."
    )
    compute: Compute = Field(
        default=Compute(), description="What the pods may use; it changes no output."
    )


class Metadata(SpecModel):
    """Kubernetes' object metadata, as far as a file or an API server's answer carries it."""

    name: Annotated[Text, Field(min_length=1)]
    namespace: Annotated[Text, Field(min_length=1)] = "default"
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: dict[LabelKey, Text] = Field(default_factory=dict)
    uid: Text | None = None
    resource_version: Text | None = None
    generation: Integer | None = None
    creation_timestamp: Text | None = None
    deletion_timestamp: Text | None = None
    deletion_grace_period_seconds: Integer | None = None
    generate_name: Text | None = None
    self_link: Text | None = None
    finalizers: tuple[Text, ...] = ()
    owner_references: tuple[dict[str, Any], ...] = ()
    managed_fields: tuple[dict[str, Any], ...] = ()


class SelfAlignmentRun(SpecModel):
    """A base model aligning itself, from seed tasks to M(T)."""

    api_version: Literal["isheep.dev/v1alpha1"]
    kind: Literal["SelfAlignmentRun"]
    metadata: Metadata
    spec: SelfAlignmentRunSpec
    status: SelfAlignmentRunStatus = Field(default=SelfAlignmentRunStatus())
