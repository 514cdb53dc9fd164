"""The settings of each stage kind: everything that the stage's output depends on.

A recipe builds the settings from the resolved spec and from the result of prepare. The planner
hashes them into the stage's key. The worker validates them with the same classes, and they are the
only part of the spec that it gets. So a field that is not here cannot change an output, and a field
that is here changes the key.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from isheep.contract.choices import (
    EVALUATION_STEPS,
    EXPLANATIONS,
    ControlKind,
    Decoding,
    DeduplicationPool,
    DropLast,
    Dtype,
    EngineType,
    Handover,
    JudgingMethod,
    LabelKind,
    Level,
    PromptFormat,
    ResponseStyle,
    Rubric,
    Scoring,
    SelectionMethod,
    TargetModules,
    TaskListStyle,
)


class StageSettings(BaseModel):
    """Frozen, with camelCase names in keys and orders; the worker refuses unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )

    def canonical(self) -> dict[str, Any]:
        """Return the settings as JSON values, in the form that is hashed and sent in orders."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Sampling(StageSettings):
    """How completions are sampled."""

    temperature: float
    top_p: float
    max_tokens: int
    presence_penalty: float | None = None


class ModelSettings(StageSettings):
    """How the stage loads its model; the stage that trained the model is an input of the stage."""

    base_model: str = Field(description="digest of the base model's files")
    engine: EngineType
    dtype: Dtype
    max_model_length: int
    handover: Handover | None = None
    chat_format: str = Field(description="digest of the chat format")
    of: Literal["Judge"] | None = Field(default=None, description="None: the run")


class EndpointSettings(StageSettings):
    """A model at an endpoint. An endpoint has no digest, so the user states a `revision`."""

    model: str
    revision: str | None = None


class PrepareSettings(StageSettings):
    """prepare checks the whole run, so `spec` has every field that any stage's data depends on."""

    spec: dict[str, Any]


class GenerateSettings(StageSettings):
    """One round of completions of the instruction prompt (§3.1).

    `machine_examples` of the `examples_per_prompt` examples come from the pool in the stage's
    inputs, if the stage has a pool; None means none.
    """

    model: ModelSettings
    random_seed: int
    completions: int
    examples_per_prompt: int
    sampling: Sampling
    language: str
    seed_tasks: str
    templates: str
    task_list: TaskListStyle | None = Field(default=None, description="None: ISheep")
    machine_examples: int | None = None


class DeduplicationSettings(StageSettings):
    """How similar to an earlier instruction a new one may be."""

    max_rouge_l: float
    pool: DeduplicationPool


class DecontaminationSettings(StageSettings):
    """The benchmark texts, as a map from name to digest, and the length of the shared n-gram."""

    ngram: int
    benchmarks: dict[str, str]


class CollectingSettings(StageSettings):
    """The settings of a stage that collects items over several rounds, until there are `count`."""

    count: int


class CurateSettings(CollectingSettings):
    """How completions become accepted instructions.

    `templates` is set if the task list style shows examples that are not seed tasks.
    """

    examples_per_prompt: int
    language: str
    rules: str
    drop_last: DropLast
    deduplication: DeduplicationSettings
    decontamination: DecontaminationSettings | None = None
    seed_tasks: str
    task_list: TaskListStyle | None = Field(default=None, description="None: ISheep")
    templates: str | None = None


class TopicsSettings(CollectingSettings):
    """How completions become topics for topic-guided instructions."""

    examples_per_prompt: int
    drop_last: DropLast
    templates: str


class ClassifySettings(StageSettings):
    """How the model decides whether an instruction is a classification task (Self-Instruct)."""

    model: ModelSettings
    random_seed: int
    sampling: Sampling
    templates: str


class InstantiateSettings(StageSettings):
    """How each instruction becomes several pairs (Self-Instruct).

    `rules` is the rule set for pairs. A pair that a rule drops is not an instance.
    """

    model: ModelSettings
    random_seed: int
    max_instances: int
    sampling: Sampling
    language: str
    rules: str
    templates: str


class RespondSettings(StageSettings):
    """How instructions are answered (§3.1).

    `asking` is the style of the prompt if it is not zero-shot: with principles and a number of
    `exemplars`, or with a request for a verbose answer. If `drawn` is true, the stage answers a
    random sample of the instructions, in the order of the sample; otherwise the first ones.
    """

    model: ModelSettings
    random_seed: int
    prompt_format: PromptFormat
    sampling: Sampling
    templates: str
    asking: ResponseStyle | None = None
    exemplars: int | None = None
    drawn: Literal[True] | None = None
    thinking: Literal["Keep"] | None = Field(default=None, description="None: Remove")


class ScoreLabels(StageSettings):
    """The labels for the scores 1 to 10: how the prompt asks for them, and their token ids."""

    kind: LabelKind
    token_ids: tuple[int, ...]


class AssessSettings(StageSettings):
    """How pairs are scored (§3.2).

    `rules` is the rule set for pairs. A pair that a rule drops is not scored. The threshold is not
    a setting of this stage, so runs with different thresholds share their scores. `labels` and
    `score_templates` are set if any score is an expectation. The first `compare` pairs are scored
    both ways. `parsing` and `explanations` are None if no score is sampled. Exactly one of `model`
    and `endpoint` is set.
    """

    model: ModelSettings | None = None
    endpoint: EndpointSettings | None = None
    random_seed: int
    levels: tuple[Level, ...]
    rubric: Rubric
    scoring: Scoring
    decoding: Decoding
    prompt_format: PromptFormat
    sampling: Sampling
    language: str
    rules: str
    templates: str
    cut: Literal["Keep"] | None = Field(default=None, description="None: Drop")
    thinking: Literal["Keep"] | None = Field(default=None, description="None: Remove")
    labels: ScoreLabels | None = None
    score_templates: str | None = None
    example_order: Literal["Shuffled"] | None = Field(default=None, description="None: Fixed")
    compare: int | None = None
    parsing: Literal["Strict"] | None = Field(default=None, description="None: Tolerant")
    explanations: int | None = Field(default=None, description=f"None: {EXPLANATIONS}")


class ControlSettings(AssessSettings):
    """How controls are scored: with the settings of the assess stage whose scores they check.

    A control is a pair whose response was damaged in the way of one of `kinds`.
    """

    kinds: tuple[ControlKind, ...]


class AnchorSettings(AssessSettings):
    """How the assessor of a later iteration scores pairs of the first one again.

    The settings are those of the assess stage of the later iteration.
    """


class MeasureSettings(StageSettings):
    """How M(t-1) measures the likelihood and, if `vectors`, the embedding of each pair (Table 3).

    `rules` is the rule set for pairs. A pair that a rule drops is not measured. The fields that
    choose among the pairs are not settings of this stage, so runs that differ in them share their
    measures.
    """

    model: ModelSettings
    prompt_format: PromptFormat
    given: Literal["Nothing"] | None = Field(default=None, description="None: Prompt")
    vectors: bool
    language: str
    rules: str
    templates: str
    cut: Literal["Keep"] | None = Field(default=None, description="None: Drop")
    thinking: Literal["Keep"] | None = Field(default=None, description="None: Remove")


class SelectSettings(StageSettings):
    """How D(t) is chosen (§3.2, Table 3).

    `size_of` is the method that determines how many pairs Random draws. `levels`, `threshold`,
    `max_perplexity` and `clusters` belong to that method if it is set, and to `method` otherwise.
    `rules`, `language`, `cut` and `thinking` are set if no earlier stage has applied the rules for
    pairs. `decontamination` has the texts that responses must not share words with.
    """

    method: SelectionMethod
    random_seed: int
    levels: tuple[Level, ...] = ()
    threshold: int | None = None
    max_perplexity: float | None = None
    clusters: int | None = None
    size: int | None = None
    size_of: JudgingMethod | None = None
    rules: str | None = None
    language: str | None = None
    cut: Literal["Keep"] | None = Field(default=None, description="None: Drop")
    thinking: Literal["Keep"] | None = Field(default=None, description="None: Remove")
    decontamination: DecontaminationSettings | None = None


class LoraSettings(StageSettings):
    """The shape of the adapter."""

    r: int
    alpha: int
    dropout: float
    target_modules: TargetModules


class TrainSettings(StageSettings):
    """LoRA fine-tuning on D(t) (§3.3).

    If no pair is held out, `checkpoint` and `evaluation_steps` change nothing and are None.
    """

    base_model: str
    chat_format: str
    dtype: Dtype
    random_seed: int
    prompt_format: PromptFormat
    templates: str
    max_samples: int | None
    take: Literal["Drawn"] | None = Field(default=None, description="None: First")
    validation_share: float
    effective_batch_size: int
    num_train_epochs: float
    learning_rate: float
    warmup_steps: int
    max_length: int
    lora: LoraSettings
    checkpoint: Literal["Last"] | None = Field(
        default=None, description="None: LowestValidationLoss"
    )
    evaluation_steps: int | None = Field(default=None, description=f"None: {EVALUATION_STEPS}")


class MergeSettings(StageSettings):
    """The full weights of M(t)."""

    base_model: str
    dtype: Dtype
    chat_format: str


class ReportSettings(StageSettings):
    """The part of the run that the report shows in addition to the manifests of its stages.

    `failure` is the message of a run that its own results end in the newest iteration.
    """

    recipe: str
    iterations: int
    spec: dict[str, Any]
    failure: str | None = None
