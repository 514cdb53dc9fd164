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
    """One round of completions of the instruction prompt (§3.1)."""

    model: ModelSettings
    random_seed: int
    completions: int
    examples_per_prompt: int
    sampling: Sampling
    language: str
    seed_tasks: str
    templates: str


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


class RespondSettings(StageSettings):
    """How instructions are answered (§3.1)."""

    model: ModelSettings
    random_seed: int
    prompt_format: PromptFormat
    sampling: Sampling
    templates: str


class AssessSettings(StageSettings):
    """How pairs are scored (§3.2).

    `rules` are the pair rules: what they drop is not scored. The threshold is not
    here: runs that differ in it share their scores.
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


class SelectSettings(StageSettings):
    """How D(t) is chosen (§3.2, Table 3).

    `rules` and `language` are set where no assessor has applied the pair rules before.
    """

    method: Literal["SelfAssessment", "Random", "None"]
    random_seed: int
    levels: tuple[Level, ...] = ()
    threshold: int | None = None
    size: int | None = None
    rules: str | None = None
    language: str | None = None


class LoraSettings(StageSettings):
    """The adapter's shape."""

    r: int
    alpha: int
    dropout: float
    target_modules: Literal["AllLinear"]


class TrainSettings(StageSettings):
    """LoRA fine-tuning on D(t) (§3.3)."""

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
