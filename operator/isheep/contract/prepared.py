"""What prepare finds about the inputs of a run, which every later stage needs."""

from __future__ import annotations

from pydantic import Field

from isheep.contract.choices import ChatFormatKind, Dtype, EngineType, LabelKind, PromptFormat
from isheep.contract.document import Contract


class ChatFormatRef(Contract):
    """The chat format that prepare resolved. A worker resolves it again and compares."""

    kind: ChatFormatKind
    digest: str
    end_of_turn_ids: tuple[int, ...]
    stop_token_ids: tuple[int, ...]


class ScoreLabelsRef(Contract):
    """The labels of the scores 1 to 10, and their token ids in this order."""

    kind: LabelKind
    token_ids: tuple[int, ...]


class PreparedBenchmark(Contract):
    """A benchmark on which models are evaluated.

    `digest` is that of the document with the task, the digests of its data and those of its
    requests. `requests` maps each prompt format in which some model is evaluated to the number of
    requests. `length` is what a model needs for the longest request, in tokens, rounded up.
    """

    digest: str
    requests: dict[PromptFormat, int]
    length: int


class PreparedJudge(Contract):
    """The model of the judge; `chat_format` is the digest of its chat format."""

    digest: str
    revision: str | None = None
    dtype: Dtype
    max_model_length: int
    chat_format: str


class Prepared(Contract):
    """The properties of the run's inputs that prepare found; pinned in `status.resolved`.

    Digests are hex sha256. `benchmarks` maps a name to the digest of its texts.
    `score_templates_digest` is the digest of the templates for expected scores. `score_labels` maps
    a prompt format to its labels and is set if a score is an expectation. `thinking_chat_format` is
    the digest of the chat format for responses with thoughts, and is set if they are kept.
    `evaluation` has the benchmarks on which models are evaluated, by name, `memorization` the
    items of all of them that M(0) completes from their first half, and `harness` is the
    version of lm-eval that rendered their requests. `evaluation_texts` is the digest of the texts
    of those benchmarks that instructions must not share words with. `judge` is set if the run has a
    judge that its engine loads.
    """

    model_digest: str
    model_revision: str | None = None
    architecture: str
    seed_tasks_digest: str
    seed_tasks_count: int
    templates_digest: str
    score_templates_digest: str | None = None
    benchmarks: dict[str, str] = Field(default_factory=dict)
    engine: EngineType
    dtype: Dtype
    max_model_length: int
    chat_format: ChatFormatRef
    thinking_chat_format: str | None = None
    score_labels: dict[PromptFormat, ScoreLabelsRef] | None = None
    evaluation: dict[str, PreparedBenchmark] | None = None
    memorization: PreparedBenchmark | None = None
    evaluation_texts: str | None = None
    harness: str | None = None
    judge: PreparedJudge | None = None
