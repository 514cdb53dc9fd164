"""The interface of recipes: what a recipe gets, and the stages that it yields.

A recipe is a generator. It yields one stage after another, in the order in which they run. After
each stage, the caller sends the statistics of that stage, or None if the stage is not committed.
If the next stage depends on a result that does not exist yet (such as whether another round of
generation is needed), the recipe ends with `UNDECIDED`, so a plan never guesses. The caller can
compute the key of each stage when the recipe yields it, and look up the result of that key. So one
walk finds the stages, their keys and the committed results.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from isheep.api.recipe_definition import RecipeDefinition
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import Pool
from isheep.contract.prepared import Prepared
from isheep.recipes.settings import StageSettings
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, JobRole, StageKind

PART_ITEMS = 64
"""Items of a stage's output in one part (in generate: completions)."""


JUDGE_MODEL = "judge"
"""`Stage.model` of a stage that loads the judge of the run."""


def part_count(items: int) -> int:
    """Return the number of parts for a number of items; 0 items have 0 parts."""
    return -(-items // PART_ITEMS)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of an iteration, before it has a key.

    `inputs` maps a role to the ids of the stages that fill it. `items` is the number of items in
    the stage's output if pods share them by parts, and None if one pod writes the whole output.
    `model` is the id of the stage whose model this stage loads, "" for the base model,
    `JUDGE_MODEL` for the judge, and None if the stage loads no model.
    """

    id: str
    kind: StageKind
    iteration: int
    settings: StageSettings
    round: int | None = None
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    items: int | None = None
    model: str | None = None

    @property
    def pool(self) -> Pool:
        """The kind of pod that runs the stage; one that asks an endpoint needs no GPU."""
        return Pool.PROCESSING if self.asks_endpoint else STAGE_DEFINITIONS[self.kind].pool

    @property
    def role(self) -> JobRole | None:
        """The role of the inference pods that can execute the stage within a walk, if any."""
        return None if self.asks_endpoint else STAGE_DEFINITIONS[self.kind].role

    @property
    def asks_endpoint(self) -> bool:
        """Whether an endpoint answers the prompts of the stage, and no model of a pod."""
        # Each plan asks this of every stage many times. For a field that a model lacks, pydantic's
        # attributes take ten times as long.
        return vars(self.settings).get("endpoint") is not None


@dataclass(frozen=True, slots=True)
class RecipeFailure:
    """The run's own results end it. The failure is terminal for the generation of the run."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """The run's own results end it after `iteration`, without a failure."""

    iteration: int
    message: str


@dataclass(frozen=True, slots=True)
class End:
    """How a recipe ended.

    `complete` is true if the recipe has yielded all stages; `stopped` is set if it has left out
    iterations. If `complete` is false, the recipe waits for a result, or the run fails (`failure`)
    when the stages that it has yielded are executed. With `missing`, it waits until a person acts,
    because a stage has failed whose result decides how the run goes on.
    """

    complete: bool
    failure: RecipeFailure | None = None
    stopped: EarlyStop | None = None
    missing: str | None = None


UNDECIDED = End(complete=False)
FINISHED = End(complete=True)

Statistics = Mapping[str, float]

FAILED: Statistics = {"failed": 1.0}
"""The result of an optional stage that has failed finally; a recipe goes on without the stage."""


def has_failed(result: Statistics | None) -> bool:
    """Return whether a result is that of an optional stage that has failed finally."""
    return result is not None and "failed" in result


Stages = Generator[Stage, Statistics | None, End]


class Recipe(Protocol):
    """One method of self-alignment; `definition` is its side of the API."""

    definition: RecipeDefinition

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run, prepare first.

        Args:
            spec: The spec of the run. The recipe resolves what the spec leaves to it.
            prepared: The result of prepare, or None if prepare is not committed. Then the recipe
                yields prepare only.

        Returns:
            How the recipe ended.
        """
