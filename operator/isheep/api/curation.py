"""Which instructions are accepted: rules, deduplication and decontamination (§3.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from isheep.api.base import Integer, Number, ObjectName, SpecModel
from isheep.api.model import StorageUri
from isheep.api.recipe_registry import defaults_by_recipe
from isheep.api.written_limits import Most
from isheep.contract.choices import (
    CONTAMINATION_NGRAM,
    LEAST_NGRAM,
    MAX_ROUGE_L,
    MOST_NGRAM,
    DeduplicationPool,
    DropLast,
    RuleSetSetting,
)


class Deduplication(SpecModel):
    """The allowed similarity of a new instruction to earlier instructions."""

    max_rouge_l: Number = Field(
        default=MAX_ROUGE_L,
        ge=0.0,
        le=1.0,
        description=(
            "An instruction is dropped if its ROUGE-L F1 with any instruction of the pool is above "
            "this."
        ),
    )
    pool: DeduplicationPool = Field(
        default="Iteration",
        description=(
            "The pool that an instruction is compared with: the seed tasks, and the accepted "
            "instructions of this iteration (Iteration) or of all iterations (Run)."
        ),
    )


MAX_BENCHMARKS = 12
"""The result of prepare, which has 2,048 bytes, has the digest of each benchmark."""


class Benchmark(SpecModel):
    """A benchmark whose items must not be in the training data."""

    name: ObjectName = Field(description="Name of the benchmark in counts and reports.")
    storage_uri: Annotated[StorageUri, Most(256)] = Field(
        description=(
            "A data file with the items (JSON Lines, a JSON list, CSV or Parquet, plain or packed "
            "with gzip or zstd), of which every string is a text, or a file with one text a line."
        )
    )


class Decontamination(SpecModel):
    """The benchmarks that instructions are checked against; none by default."""

    ngram: Integer = Field(
        default=CONTAMINATION_NGRAM,
        ge=LEAST_NGRAM,
        le=MOST_NGRAM,
        description="Consecutive words shared with a benchmark that count as contamination.",
    )
    benchmarks: Annotated[tuple[Benchmark, ...], Most(MAX_BENCHMARKS)] = Field(
        default=(),
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description=(
            "The benchmarks. A file can contain the texts of several benchmarks, which then have "
            "one count."
        ),
    )


class Curation(SpecModel):
    """How parsed tasks become accepted instructions."""

    rules: RuleSetSetting = Field(
        default="Auto",
        description=(
            "The rule set for instructions and pairs. The report counts what each rule drops. Auto "
            f"is the recipe's rule set: {defaults_by_recipe(lambda recipe: recipe.rule_set)}. "
            "ISheepCode is ISheep for data with code and quizzes: it spares code, and options, "
            "questions and dialogues that the task asks for. Dromedary accepts tasks that a "
            "language model cannot do, and responses that ask a question back. None has no rules, "
            "as the paper's C = -1 (§4)."
        ),
    )
    drop_last: DropLast = Field(
        default="IfCut",
        description=(
            "When the last task of a completion is dropped: if the completion ended at its maximum "
            "length (IfCut), or in each completion, as in the released scripts (Always)."
        ),
    )
    deduplication: Deduplication = Field(
        default=Deduplication(), description="The allowed similarity to earlier instructions."
    )
    decontamination: Decontamination = Field(
        default=Decontamination(), description="The benchmarks that instructions must not contain."
    )
