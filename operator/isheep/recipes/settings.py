"""What each stage's output depends on: the settings that are hashed into its key.

A recipe builds these from the resolved spec and from what prepare found; the
planner hashes them; the worker gets them, validates them with the same classes
and sees nothing else of the spec. A field that is not here cannot change a
stage's output, and a field that is here changes its key: the two sides of
"input-addressed" are one declaration.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PromptFormat = Literal["Raw", "Chat"]
Level = Literal["Quality", "Following"]
TaskListStyle = Literal["ISheep", "SelfInstruct", "Alpaca", "Topics", "TopicGuided"]
Asking = Literal["Principles", "Verbose"]
SelectionMethod = Literal[
    "SelfAssessment", "Perplexity", "Density", "DensityPerplexity", "Random", "None"
]
LabelKind = Literal["DigitsAfterSpace", "DigitsAfterNewline", "LettersAfterNewline"]


class StageSettings(BaseModel):
    """Frozen, camelCase in keys and orders; unknown fields are refused by the worker."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )

    def canonical(self) -> dict[str, Any]:
        """Return the settings as JSON values, as they are hashed and ordered."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Sampling(StageSettings):
    """How completions are drawn."""

    temperature: float
    top_p: float
    max_tokens: int
    presence_penalty: float | None = None


class ModelSettings(StageSettings):
    """The model a stage loads, as far as it is not an input stage."""

    base_model: str = Field(description="digest of the base model's files")
    engine: Literal["VLLM", "Transformers"]
    dtype: Literal["float32", "bfloat16", "float16"]
    max_model_length: int
    handover: Literal["Merged", "Adapter"] | None = None
    chat_format: str = Field(description="digest of the chat format")


class PrepareSettings(StageSettings):
    """prepare checks the whole run; the spec's fields that any stage's data depends on."""

    spec: dict[str, Any]


class GenerateSettings(StageSettings):
    """One round of completions of the instruction prompt (§3.1).

    `machine_examples` of the `examples_per_prompt` come from the pool of the stage's
    inputs, where there is one; None means none.
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
    """How like an earlier one an instruction may be."""

    max_rouge_l: float
    pool: Literal["Iteration", "Run"]


class DecontaminationSettings(StageSettings):
    """Against which benchmark texts (name to digest), by which n-gram."""

    ngram: int
    benchmarks: dict[str, str]


class CurateSettings(StageSettings):
    """How completions become accepted instructions."""

    count: int
    examples_per_prompt: int
    language: str
    rules: str
    drop_last: Literal["IfCut", "Always"]
    deduplication: DeduplicationSettings
    decontamination: DecontaminationSettings | None = None
    seed_tasks: str
    task_list: TaskListStyle | None = Field(default=None, description="None: ISheep")
    templates: str | None = Field(
        default=None, description="set where the style shows instructions of its own"
    )


class TopicsSettings(StageSettings):
    """How completions become topics for red-teaming."""

    count: int
    examples_per_prompt: int
    drop_last: Literal["IfCut", "Always"]
    templates: str


class ClassifySettings(StageSettings):
    """How instructions are told to be classifications or not (Self-Instruct)."""

    model: ModelSettings
    random_seed: int
    sampling: Sampling
    templates: str


class InstantiateSettings(StageSettings):
    """How instructions become pairs, several of each (Self-Instruct).

    `rules` are those over pairs: what they drop is no instance.
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

    `asking` is what is asked besides the task: to follow principles, with so many
    `exemplars`, or to be verbose. `drawn`: the answered ones are drawn from all, in the
    order in which they come, where others are answered from the first on.
    """

    model: ModelSettings
    random_seed: int
    prompt_format: PromptFormat
    sampling: Sampling
    templates: str
    asking: Asking | None = None
    exemplars: int | None = None
    drawn: Literal[True] | None = None


class ScoreLabels(StageSettings):
    """The labels that stand for the scores 1 to 10: how they are asked for, and their token ids."""

    kind: LabelKind
    token_ids: tuple[int, ...]


class AssessSettings(StageSettings):
    """How pairs are scored (§3.2).

    `rules` are the pair rules: what they drop is not scored. The threshold is not
    here: runs that differ in it share their scores. `labels` and `score_templates`
    are there where a score is an expectation; the first `compare` pairs are scored both ways.
    """

    model: ModelSettings
    random_seed: int
    levels: tuple[Level, ...]
    rubric: Literal["Simple", "Combined", "InContext"]
    scoring: Literal["Sampled", "Expected"]
    decoding: Literal["Free", "Constrained"]
    prompt_format: PromptFormat
    sampling: Sampling
    language: str
    rules: str
    templates: str
    labels: ScoreLabels | None = None
    score_templates: str | None = None
    example_order: Literal["Shuffled"] | None = Field(default=None, description="None: Fixed")
    compare: int | None = None


class MeasureSettings(StageSettings):
    """How likely M(t-1) finds each pair, and where it lies among the others (Table 3).

    `rules` are the pair rules: what they drop is not measured. What is kept of the rest
    is not here: runs that differ in it share their measures.
    """

    model: ModelSettings
    prompt_format: PromptFormat
    vectors: bool
    language: str
    rules: str
    templates: str


class SelectSettings(StageSettings):
    """How D(t) is chosen (§3.2, Table 3).

    `size_of` is the method of whose size Random draws; `levels` and `threshold`,
    `max_perplexity` and `clusters` are those of the method itself, or of that one.
    `rules` and `language` are set where no stage before has applied the pair rules.
    """

    method: SelectionMethod
    random_seed: int
    levels: tuple[Level, ...] = ()
    threshold: int | None = None
    max_perplexity: float | None = None
    clusters: int | None = None
    size: int | None = None
    size_of: Literal["SelfAssessment", "Perplexity", "Density", "DensityPerplexity"] | None = None
    rules: str | None = None
    language: str | None = None


class LoraSettings(StageSettings):
    """The adapter's shape."""

    r: int
    alpha: int
    dropout: float
    target_modules: Literal["AllLinear"]


EVALUATION_STEPS = 100
"""After how many optimizer steps the validation loss is measured where nothing else is said."""


class TrainSettings(StageSettings):
    """LoRA fine-tuning on D(t) (§3.3).

    `checkpoint` and `evaluation_steps` are None where nothing is held out, too: they change
    nothing then.
    """

    base_model: str
    chat_format: str
    dtype: Literal["float32", "bfloat16", "float16"]
    random_seed: int
    prompt_format: PromptFormat
    templates: str
    max_samples: int | None
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
    dtype: Literal["float32", "bfloat16", "float16"]
    chat_format: str


class ReportSettings(StageSettings):
    """What the report says of the run besides its stages' manifests."""

    recipe: str
    iterations: int
    spec: dict[str, Any]
