"""The settings of the stages that evaluate models and compare them with M(0)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.contract.choices import (
    BenchmarkRole,
    DecisiveAction,
    GuardRuleName,
    JudgementKind,
    PromptFormat,
)
from isheep.recipes.settings import EndpointSettings, ModelSettings, Sampling, StageSettings


class EvaluateSettings(StageSettings):
    """How M(t) answers requests that are the same for every t.

    `benchmark` is the digest of a prepared benchmark, which has the requests. If it is None, the
    requests are those of the yardstick, and the settings are `YardstickSettings`.
    """

    model: ModelSettings
    random_seed: int
    prompt_format: PromptFormat
    benchmark: str | None = None
    max_tokens: int | None = None
    seed_tasks: str | None = None
    templates: str | None = None
    thinking: Literal["Keep"] | None = Field(default=None, description="None: Remove")


class YardstickSettings(EvaluateSettings):
    """How M(t) is measured on seed tasks.

    `max_tokens` limits an answer. The sampling is fixed, so that runs with different responses
    measure M(0) once.
    """

    benchmark: None = None
    max_tokens: int
    seed_tasks: str
    templates: str


class ScoreSettings(StageSettings):
    """How the answers of M(t) on a benchmark are scored, by the version `harness` of lm-eval.

    `allow_code_execution` is True if the task executes the answers.
    """

    benchmark: str
    prompt_format: PromptFormat
    harness: str
    allow_code_execution: Literal[True] | None = None


class JudgeSettings(StageSettings):
    """How the judge judges the answers of M(t) to the questions of a prepared judgement.

    `outputs` is True if the other answers are in the judgement, and not in an input of the stage.
    `base_formats` has the prompt format of each stage with answers of M(0), if the kind is Grades.
    Exactly one of `model` and `endpoint` is set.
    """

    model: ModelSettings | None = None
    endpoint: EndpointSettings | None = None
    random_seed: int
    kind: JudgementKind
    judgement: str
    outputs: Literal[True] | None = None
    base_formats: tuple[PromptFormat, ...] | None = None
    sampling: Sampling


class StoppingSettings(StageSettings):
    """When a run stops because its models do not become better on a metric of a benchmark."""

    metric: str
    patience: int


class ComparedBenchmark(StageSettings):
    """A benchmark of a verdict, with the scores of its models in the order of `scores`.

    `validation` is the share of the items with the role Validation, None if all have `role`.
    `later_format` is the prompt format of M(1) and later models.
    """

    name: str
    digest: str
    role: BenchmarkRole
    validation: float | None = None
    later_format: PromptFormat


class ScoredModel(StageSettings):
    """The scores of M(t) on a benchmark in a prompt format."""

    benchmark: str
    t: int
    prompt_format: PromptFormat


class JudgedModel(StageSettings):
    """The judgements about the answers of M(t), compared with other answers.

    `digest` is that of the prepared judgement. `base_format` is the prompt format in which M(0)
    gave the other answers; None if they are from the user's file.
    """

    judgement: str
    digest: str
    t: int
    base_format: PromptFormat | None = None


class AnchorScores(StageSettings):
    """The scores of the same pairs by the assessor of iteration t, with its prompt format."""

    t: int
    prompt_format: PromptFormat


class GradedModel(StageSettings):
    """The grades of the answers of M(t), and of those of M(0) in each of `base_formats`.

    `digest` is that of the prepared judgement.
    """

    judgement: str
    digest: str
    t: int
    base_formats: tuple[PromptFormat, ...]


class VerdictSettings(StageSettings):
    """How M(1…t) are compared with M(0), and which guards look at the answers and at D(1…t).

    `scores` has the model of each score stage in the stage's inputs, in their order, and `judged`
    that of each judge stage with preferences, and `graded` that of each judge stage with grades.
    `anchors` has the iteration of each stage of the stage's inputs with scores of the same pairs;
    the first one scored all pairs, and the others some of them. `ngram` is the number of
    consecutive words that count as an overlap of D(t) with a benchmark or a judgement. `seed_tasks`
    is the digest of the tasks of which the yardstick has drawn its own, None without a yardstick.
    `memorization` is the digest of the items that M(0) completes in an input of the stage.

    `random_seed` draws the resamples of the intervals, and the rows of the figures. `models` has
    the t of each evaluation in the stage's inputs, in their order. `data_formats` has the prompt
    format of the responses of D(1…t), and `generated_in` the iteration of each generate stage in
    the stage's inputs. `planned_looks` is the number of iterations.
    """

    random_seed: int
    models: tuple[int, ...]
    answer_format: PromptFormat
    data_formats: tuple[PromptFormat, ...]
    generated_in: tuple[int, ...] | None = Field(default=None, description="None: unknown")
    planned_looks: int
    guards: tuple[GuardRuleName, ...]
    action: DecisiveAction | None = Field(default=None, description="None: Warn")
    best: str | None = Field(default=None, description="None: the last model")
    stopping: StoppingSettings | None = None
    benchmarks: tuple[ComparedBenchmark, ...] | None = None
    scores: tuple[ScoredModel, ...] | None = None
    judged: tuple[JudgedModel, ...] | None = None
    graded: tuple[GradedModel, ...] | None = None
    anchors: tuple[AnchorScores, ...] | None = None
    seed_tasks: str | None = None
    memorization: str | None = None
    ngram: int | None = None

    @property
    def decides(self) -> bool:
        """Whether the next iteration waits for the verdict."""
        return self.action is not None or self.stopping is not None
