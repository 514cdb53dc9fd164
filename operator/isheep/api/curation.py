"""Which instructions are accepted: rules, deduplication, decontamination (§3.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import Integer, Number, ObjectName, SpecModel
from isheep.api.model import StorageUri


class Deduplication(SpecModel):
    """How like an earlier instruction a new one may be."""

    max_rouge_l: Number = Field(
        default=0.7,
        ge=0.0,
        le=1.0,
        description="An instruction whose ROUGE-L F1 to one of the pool is above this is dropped.",
    )
    pool: Literal["Iteration", "Run"] = Field(
        default="Iteration",
        description=(
            "What an instruction is compared with: the seed tasks and the accepted of this "
            "iteration, or of all iterations of the run."
        ),
    )


class Benchmark(SpecModel):
    """A benchmark whose items must not be in the training data."""

    name: ObjectName = Field(description="Name of the benchmark in counts and reports.")
    storage_uri: StorageUri = Field(description="Its items' texts: a JSON Lines file.")


class Decontamination(SpecModel):
    """Against which benchmarks instructions are checked; none by default."""

    ngram: Integer = Field(
        default=13,
        ge=4,
        le=64,
        description="An instruction that shares this many words in a row with an item is dropped.",
    )
    benchmarks: tuple[Benchmark, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="The benchmarks.",
    )


class Curation(SpecModel):
    """What becomes of parsed tasks."""

    rules: Literal["Auto", "ISheep", "SelfInstruct", "Dromedary", "None"] = Field(
        default="Auto",
        description=(
            "Rule set for instructions and pairs, each rule with a counter in the report. Auto: "
            "the recipe's own, which is SelfInstruct for Alpaca, too. Dromedary lets tasks that a "
            "language model cannot do and questions back pass; None has no rules, as the paper's "
            "C = -1 (§4)."
        ),
    )
    drop_last: Literal["IfCut", "Always"] = Field(
        default="IfCut",
        description=(
            "Whether a completion's last task is dropped only where the completion ended by "
            "length, or always, as the released scripts do."
        ),
    )
    deduplication: Deduplication = Field(
        default=Deduplication(), description="How like an earlier one a task may be."
    )
    decontamination: Decontamination = Field(
        default=Decontamination(), description="Which benchmarks are kept out."
    )
