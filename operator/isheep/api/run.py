"""The whole run: the declarative object `SelfAlignmentRun` of `isheep.dev/v1alpha1`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

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
from isheep.api.decisions import Best, Stopping
from isheep.api.dromedary import Dromedary
from isheep.api.engine import Engine
from isheep.api.evaluation import Evaluation
from isheep.api.instructions import Instructions, SeedTasks
from isheep.api.judge import Judge
from isheep.api.model import Model
from isheep.api.recipe_registry import INTERNAL_RECIPES, RECIPE_DEFINITIONS, definition_of
from isheep.api.responses import Responses
from isheep.api.safeguards import Safeguards
from isheep.api.selection import Selection
from isheep.api.self_instruct import SelfInstruct
from isheep.api.status import SelfAlignmentRunStatus
from isheep.api.storage import Storage
from isheep.api.training import Training
from isheep.api.written_limits import STORED
from isheep.api.yardstick import Yardstick
from isheep.contract.choices import BUILTIN_SEED_TASKS

GROUP = "isheep.dev"
VERSION = "v1alpha1"
KIND = "SelfAlignmentRun"
PLURAL = "selfalignmentruns"
RETRY_ANNOTATION = "isheep.dev/retry"
MANAGER = "isheep.dev/operator"
"""`spec.managedBy` of a run that the operator executes. Without the field, it does so too."""
MANAGER_CHARACTERS = 63
MANAGER_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-A-Za-z0-9._/]+$"


def _check_recipe(name: str, info: ValidationInfo) -> str:
    if name not in RECIPE_DEFINITIONS and not (info.context == STORED and name in INTERNAL_RECIPES):
        names = ", ".join(RECIPE_DEFINITIONS)
        raise PydanticCustomError(
            "recipe",
            "no recipe has the name {name}; use one of {names}",
            {"name": name, "names": names},
        )
    return name


def _list_recipes(schema: dict[str, Any]) -> None:
    """Write the recipes into the field's JSON schema; pydantic calls this for each schema."""
    schema.update(enum=list(RECIPE_DEFINITIONS), type=schema.pop("type"))


def settings_of(recipe: str) -> Any:
    """Return the field of the spec that only one recipe reads."""
    return Field(
        default=None,
        description=f"Settings that only the recipe {recipe} reads. If absent: its defaults.",
    )


class SelfAlignmentRunSpec(SpecModel):
    """The desired run. The defaults are the paper's settings."""

    recipe: Annotated[Text, AfterValidator(_check_recipe)] = Field(
        description=(
            "The method, which determines the stages of the run. It cannot be changed. Settings "
            "that only one recipe reads are in the field with the recipe's name."
        ),
        json_schema_extra=_list_recipes,
    )
    iterations: Integer = Field(
        ge=1,
        le=20,
        description=(
            "T of Algorithm 1: number of iterations. The paper's variant Direct has 1 iteration "
            "and a larger count (§4)."
        ),
    )
    random_seed: Integer = Field(
        default=0,
        ge=0,
        le=9007199254740991,
        description="Seed of every random choice: examples, completions, samples and training.",
    )
    language: Text = Field(
        default="en",
        pattern=r"^[a-z]{2,3}$",
        max_length=3,
        description="Language of the tasks (ISO 639). Some rules apply to English only.",
    )
    suspend: Flag = Field(
        default=False,
        description=(
            "If true, all work stops until this is false again. Committed stages are kept."
        ),
    )
    managed_by: Text | None = Field(
        default=None,
        max_length=MANAGER_CHARACTERS,
        pattern=MANAGER_PATTERN,
        description=(
            "The controller that executes the run, as domain/name. It cannot be changed. The "
            f"operator ignores a run with another value than {MANAGER}. If absent: the operator "
            "executes the run."
        ),
    )
    active_deadline_seconds: Integer = Field(
        default=172800,
        ge=60,
        le=31536000,
        description="Seconds after the start of the run until it fails with DeadlineExceeded.",
    )
    ttl_seconds_after_finished: Integer | None = Field(
        default=None,
        ge=0,
        le=315360000,
        description=(
            "Seconds after the end of the run until the operator deletes the run, with its status "
            "and its Jobs. The data in the store stays. The installation must allow it "
            "(`ttl.enabled` in the chart's values), and a run that Argo CD or Flux tracks is not "
            "deleted. `isheep run` ignores the field. If absent: the run is not deleted."
        ),
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the pods. If absent: the default of the namespace.",
    )
    model: Model = Field(description="The base model M(0).")
    seed_tasks: SeedTasks = Field(
        default=SeedTasks(builtin=BUILTIN_SEED_TASKS),
        description="The seed tasks Ds of Algorithm 1, from which the examples are drawn.",
    )
    prompts_ref: LocalObjectReference | None = Field(
        default=None,
        description=(
            "ConfigMap with templates that replace the built-in ones. Each key is the name of a "
            "template."
        ),
    )
    storage: Storage | None = Field(
        default=None,
        description=(
            "The location of all data. It cannot be changed. If absent: defaultStorage in the "
            "chart's values, or `--store` of `isheep run`."
        ),
    )
    engine: Engine = Field(default=Engine(), description="The engine that completes prompts.")
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
    judge: Judge | None = Field(
        default=None,
        description=(
            "A model that is none of the run's own models. It scores the pairs if "
            "`assessment.assessor` is Judge. If absent: the run has no judge."
        ),
    )
    selection: Selection = Field(default=Selection(), description="Which pairs are kept (§3.2).")
    training: Training = Field(default=Training(), description="How M(t) is trained (§3.3, §4).")
    yardstick: Yardstick | None = Field(
        default=None,
        description=(
            "Measures every M(t) on the same seed tasks and compares it with M(0). If absent: with "
            "the defaults, in a run that this version has started. `items: 0` turns it off."
        ),
    )
    evaluation: Evaluation | None = Field(
        default=None,
        description=(
            "Evaluates every M(t) on benchmarks and compares it with M(0). If absent: no model is "
            "evaluated on a benchmark."
        ),
    )
    safeguards: Safeguards | None = Field(
        default=None,
        description="What happens after a sign of a collapse. If absent: a warning.",
    )
    best: Best | None = Field(
        default=None,
        description="How the best model is chosen. If absent: the best model is the last one.",
    )
    stopping: Stopping | None = Field(
        default=None,
        description=(
            "Stops the run when its models do not become better. If absent: the run has all "
            "iterations."
        ),
    )
    self_instruct: SelfInstruct | None = settings_of("SelfInstruct")
    alpaca: Alpaca | None = settings_of("Alpaca")
    dromedary: Dromedary | None = settings_of("Dromedary")
    compute: Compute = Field(
        default=Compute(),
        description="Resources and placement of the pods. They change no output.",
    )

    def recipe_settings(self) -> SpecModel | None:
        """Return the settings that only the run's recipe reads, its defaults if none are set."""
        definition = definition_of(self.recipe)
        if definition.settings is None:
            return None
        settings: SpecModel | None = getattr(self, definition.attribute)
        return definition.settings() if settings is None else settings


class Metadata(SpecModel):
    """The part of Kubernetes' object metadata that a file or an API server's response contains."""

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
    """A base model that aligns itself, from seed tasks to M(T)."""

    api_version: Literal["isheep.dev/v1alpha1"]
    kind: Literal["SelfAlignmentRun"]
    metadata: Metadata
    spec: SelfAlignmentRunSpec
    status: SelfAlignmentRunStatus = Field(default=SelfAlignmentRunStatus())
