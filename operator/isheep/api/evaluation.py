"""The benchmarks on which every M(t) is evaluated, M(0) included.

The tasks, filters and metrics are those of lm-eval, the Language Model Evaluation Harness. A model
is evaluated by what it answers, and a failure of an evaluation never ends a run.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from isheep.api.base import Flag, Integer, Map, Number, SpecModel, Text
from isheep.api.model import StorageUri
from isheep.api.written_limits import Most
from isheep.contract.choices import (
    BenchmarkFormat,
    BenchmarkOverlap,
    BenchmarkRole,
    FaultyResponses,
    JudgementKind,
    JudgementOpponent,
)

MAX_BENCHMARKS = 5
"""The result of prepare, which has 2,048 bytes, names the requests of each benchmark."""
MAX_JUDGEMENTS = 3
"""The result of prepare names the requests of each judgement too."""
CATEGORY_CHARACTERS = 64
"""The largest length of the name of a category."""
Temperatures = Annotated[Map[Annotated[Number, Field(ge=0.0, le=2.0)]], Most(32)]
ReportName = Annotated[
    Text, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]


class BenchmarkShare(SpecModel):
    """How the items of one benchmark are divided, by a hash of the item."""

    validation: Number = Field(
        ge=0.01,
        le=0.99,
        description="Share of the items with the role Validation; the others have the role Test.",
    )


class EvaluatedBenchmark(SpecModel):
    """A benchmark on which every M(t) is evaluated."""

    name: ReportName = Field(description="Name of the benchmark in the report and in status.")
    task: Annotated[
        Text, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.,]*$")
    ] = Field(
        description="Name of a task or a group of lm-eval 0.4.13, such as ifeval or arc_easy."
    )
    storage_uri: StorageUri | None = Field(
        default=None,
        description=(
            "The data: a file with the items (JSON Lines, a JSON list or Parquet), or a folder "
            "with a file `<subset>/<split>.jsonl` or `.parquet` for each split that the task "
            "reads. If absent: the data set of the task on the hub."
        ),
    )
    role: BenchmarkRole = Field(
        default="Test",
        description=(
            "Whether decisions during the run may read the figures (Validation), or whether they "
            "only show the result (Test)."
        ),
    )
    share: BenchmarkShare | None = Field(
        default=None,
        description=(
            "Divides the items into Validation and Test, in place of `role`. If absent: all items "
            "have the role `role`."
        ),
    )
    limit: Integer | None = Field(
        default=None,
        ge=1,
        le=1000000,
        description=(
            "Largest number of items of each task, and of each role if `share` is set, drawn by a "
            "hash of the item. If absent: all items. Below 30, no comparison has an interval."
        ),
    )
    num_few_shot: Integer | None = Field(
        default=None,
        ge=0,
        le=64,
        description=(
            "Number of examples in each prompt. If absent: the number that the task sets. A chat "
            "shows them as earlier turns."
        ),
    )
    prompt_format: BenchmarkFormat = Field(
        default="Both",
        description=(
            "Format of the prompts. With Both, M(0) is evaluated with raw text and with the chat "
            "template, and later models in the format of their responses. A model is then called "
            "better only if it is better than M(0) in both formats."
        ),
    )
    decontaminate: BenchmarkOverlap = Field(
        default="Report",
        description=(
            "Whether instructions and responses that share words with the items are dropped before "
            "training (Drop, see `curation.decontamination`), or only counted in the verdict "
            "(Report)."
        ),
    )


class Judgement(SpecModel):
    """Questions that every M(t) answers, and whose answers the judge of the run judges."""

    name: ReportName = Field(
        description="Name of the judgement in the report; no benchmark of the run has it."
    )
    kind: JudgementKind = Field(
        default="WinRate",
        description=(
            "What the judge says. With WinRate, it chooses the better one of two answers to a "
            "question, in both orders of the answers. With Grades (single-answer grading), it "
            "grades each answer alone from 1 to 10, and a question may have two turns."
        ),
    )
    storage_uri: StorageUri = Field(
        description=(
            "The questions: a file (JSON Lines, a JSON list, CSV or Parquet) with the columns "
            "instruction and input, or with turns as in MT-Bench. WinRate reads one turn a row; "
            "Grades reads one or two, and the columns category and reference."
        )
    )
    against: JudgementOpponent = Field(
        default="Base",
        description=(
            "Whose answers are compared with those of M(t): those of M(0) (Base), or those in the "
            "column output of the file (Outputs, with WinRate only)."
        ),
    )
    limit: Integer | None = Field(
        default=None,
        ge=1,
        le=100000,
        description=(
            "Largest number of questions, drawn by a hash of the question. If absent: all. Below "
            "30, no figure has an interval."
        ),
    )
    max_tokens: Integer = Field(
        default=1024,
        ge=16,
        le=32768,
        description="Maximum length of an answer of M(t) to one turn, in tokens.",
    )
    judge_max_tokens: Integer = Field(
        default=1024,
        ge=16,
        le=32768,
        description=(
            "Maximum length of an answer of the judge, in tokens. A judge that thinks before its "
            "answer needs more."
        ),
    )
    prompt_format: BenchmarkFormat = Field(
        default="Both",
        description=(
            "Format of the prompts, of both turns. With Both, M(0) answers raw text and the chat "
            "template, and the answers of M(t) are compared with each of them."
        ),
    )
    temperatures: Temperatures | None = Field(
        default=None,
        description=(
            "Sampling temperature of the answers by category of the question, in both turns; 0 "
            "always takes the most likely token. A category that is not listed has 0.7. If absent: "
            "0.7 for all questions. With the kind Grades only."
        ),
    )


class Memorization(SpecModel):
    """The check for items that M(0) has seen: it completes them from their first half."""

    items: Integer = Field(
        default=200,
        ge=1,
        le=10000,
        description=(
            "Largest number of items of each benchmark that M(0) completes, drawn by a hash of the "
            "item. Each one costs a prompt of half the item and some twenty tokens."
        ),
    )


class Evaluation(SpecModel):
    """What every M(t) is evaluated on."""

    benchmarks: tuple[EvaluatedBenchmark, ...] = Field(
        default=(),
        max_length=MAX_BENCHMARKS,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="The benchmarks.",
    )
    judgements: tuple[Judgement, ...] | None = Field(
        default=None,
        max_length=MAX_JUDGEMENTS,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description=(
            "Questions without a known answer, which `spec.judge` judges. If absent: none."
        ),
    )
    random_seed: Integer = Field(
        default=0,
        ge=0,
        le=9007199254740991,
        description=(
            "Seed of the answers and of the examples in prompts. It is not `spec.randomSeed`, so "
            "runs with different seeds share the evaluation of M(0)."
        ),
    )
    allow_code_execution: Flag = Field(
        default=False,
        description=(
            "Whether tasks may execute the code that a model writes, such as humaneval. Without "
            "it, prepare refuses these tasks."
        ),
    )
    memorization: Memorization | None = Field(
        default=None,
        description=(
            "Whether M(0) completes items of the benchmarks word for word, which is a sign that it "
            "was trained on them. The verdict counts these items, and has the figures without "
            "them. If absent: M(0) is not asked."
        ),
    )
    contaminated_responses: FaultyResponses | None = Field(
        default=None,
        description=(
            "Whether a pair is dropped if its response shares words with a benchmark that has "
            "`decontaminate: Drop`, or only if its instruction does (Keep). If absent: Drop for a "
            "run that starts with this version, and Keep for a run of an earlier version."
        ),
    )
