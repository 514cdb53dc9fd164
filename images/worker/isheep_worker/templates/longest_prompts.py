"""The longest prompts of a run that are known before its start; prepare measures them.

The program of each inference stage returns the longest prompts of the stage, made by the code that
also makes the prompts of the run. They contain the run's templates and seed tasks. Tasks that the
model writes during the run may be longer; inference stages skip prompts that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.templates.library import TemplateLibrary

Length = Callable[[str], int]
"""Counts the tokens of a raw text, a BOS included."""


@dataclass(frozen=True, slots=True)
class LongestPrompt:
    """The longest prompt of one kind, and the numbers of tokens to add to it.

    `template` is the template of the prompt. `answer` is the maximum number of tokens that the
    model generates after the prompt. `generated` is the maximum number of tokens in the prompt
    that the model writes during the run. `field` is the sampling field of the spec that sets one of
    both numbers; None if no field does.
    """

    template: str
    text: str
    answer: int
    field: str | None
    generated: int = 0


@dataclass(frozen=True, slots=True)
class LongestQuestion:
    """The longest question of a judgement.

    `output` is the user's answer to it, and `generated` is the maximum number of tokens in the
    answers of models that the judge sees. `spec_field` is the judgement in the spec. `later` has
    the questions of later turns, and `references` the reference of each turn.
    """

    spec_field: str
    instruction: str
    input: str
    output: str
    generated: int
    later: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """The parts of a run's prompts that are known before its start; `seed_tasks` is not empty.

    `length` counts tokens. `instructions_field` is the field of the spec with the sampling of
    instructions, and `response` is the maximum number of tokens of a response. `questions` has the
    longest question of each judgement by the digest of the judgement.
    """

    library: TemplateLibrary
    seed_tasks: Sequence[SeedTask]
    length: Length
    instructions_field: str
    response: int
    questions: Mapping[str, LongestQuestion] = field(default_factory=dict)

    @property
    def task(self) -> SeedTask:
        """The first seed task, which has a typical length."""
        return self.seed_tasks[0]

    def longest_task(self) -> SeedTask:
        """Return the seed task whose instruction and input have the most tokens."""
        return max(
            self.seed_tasks, key=lambda task: self.length(f"{task.instruction}\n{task.input}")
        )
