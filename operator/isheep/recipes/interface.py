"""What a recipe is given and what it answers.

A recipe is a generator: a generator that yields one stage after another, in the
order in which they run, and is sent each stage's statistics, or None while it is not
committed. Where the next stage depends on a result that is not there yet (another
round of generation or none) it ends, undecided, so a plan never guesses. Whoever
listens can give each stage its key as it comes, and look up what that key has left:
one walk names the stages, finds what exists and lets the results decide.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes.settings import StageSettings


class StageKind(StrEnum):
    """The kinds of stages; each is one program of the worker."""

    PREPARE = "prepare"
    GENERATE = "generate"
    CURATE = "curate"
    TOPICS = "topics"
    CLASSIFY = "classify"
    INSTANTIATE = "instantiate"
    RESPOND = "respond"
    ASSESS = "assess"
    MEASURE = "measure"
    SELECT = "select"
    TRAIN = "train"
    MERGE = "merge"
    REPORT = "report"


class Pool(StrEnum):
    """The kinds of machines that stages ask for."""

    INFERENCE = "inference"
    TRAINING = "training"
    PROCESSING = "processing"


POOL_OF: Mapping[StageKind, Pool] = {
    StageKind.PREPARE: Pool.PROCESSING,
    StageKind.GENERATE: Pool.INFERENCE,
    StageKind.CURATE: Pool.PROCESSING,
    StageKind.TOPICS: Pool.PROCESSING,
    StageKind.CLASSIFY: Pool.INFERENCE,
    StageKind.INSTANTIATE: Pool.INFERENCE,
    StageKind.RESPOND: Pool.INFERENCE,
    StageKind.ASSESS: Pool.INFERENCE,
    StageKind.MEASURE: Pool.INFERENCE,
    StageKind.SELECT: Pool.PROCESSING,
    StageKind.TRAIN: Pool.TRAINING,
    StageKind.MERGE: Pool.PROCESSING,
    StageKind.REPORT: Pool.PROCESSING,
}

STAGE_VERSIONS: Mapping[StageKind, int] = {
    **dict.fromkeys(StageKind, 1),
    StageKind.TRAIN: 3,  # leaves the adapter with the lowest validation loss, not the last
    StageKind.REPORT: 3,  # says which step of the training M(t) is
}
"""The current version of each stage: raised whenever its output for the same input changes.

The versions are in every key, and a run's are pinned when its generation is first
seen, so that an upgrade never retrains what is finished or under way.
"""

ESSENTIAL_STATISTICS: Mapping[StageKind, tuple[str, ...]] = {
    StageKind.CURATE: ("accepted",),
    StageKind.TOPICS: ("accepted",),
    StageKind.SELECT: ("kept", "meanScore"),
    StageKind.TRAIN: ("samples", "trainLoss", "evalLoss"),
}
"""The statistics of a committed stage that a later one, or the history, depends on.

The first of each kind is always there; the others where they could be measured.
"""

PART_ITEMS = 64
"""Items of a stage's output in one part (completions in generate)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of an iteration, before it has a key.

    `inputs` maps a role to the ids of the stages that fill it. `items` is how many
    items the stage's output has, where pods share them by parts; None where one
    writer makes all of it. `model` is the id of the stage whose model it loads,
    "" for the base model, None for no model.
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
        """The machines this stage asks for."""
        return POOL_OF[self.kind]


@dataclass(frozen=True, slots=True)
class RecipeFailure:
    """A run that cannot reach its end, by its own results: terminal for its generation."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class End:
    """How a recipe ended: all stages named, or not yet, or never (`failure`)."""

    complete: bool
    failure: RecipeFailure | None = None


UNDECIDED = End(complete=False)
FINISHED = End(complete=True)

Statistics = Mapping[str, float]
Stages = Generator[Stage, Statistics | None, End]


class Recipe(Protocol):
    """One method of self-alignment."""

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages of a run, `prepare` first; without `prepared` nothing else."""
