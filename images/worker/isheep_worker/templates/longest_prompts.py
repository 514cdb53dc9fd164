"""The longest prompts of a run, as far as they are known before it: what prepare measures.

Whatever asks a model names its own, made by the code that makes the ones it will ask
(`stages/prompt_lengths.py` has the table). They are made from the run's templates and seed
tasks. Tasks that the model writes may be longer than any of these; inference stages pass
over those that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.templates.library import TemplateLibrary

Length = Callable[[str], int]
"""Counts the tokens of a raw text, a BOS included."""


@dataclass(frozen=True, slots=True)
class LongestPrompt:
    """The longest prompt of one way of asking, and the tokens that come with it.

    `template` is the one that it is made from. `answer` is how many tokens are generated
    after it. `generated` is how many more the prompt itself will hold, which the model has
    yet to write. `field` is the sampling of the spec that says one of both, None where
    neither can be changed.
    """

    template: str
    text: str
    answer: int
    field: str | None
    generated: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run's prompts before it; `seed_tasks` are one or more.

    `instructions_field` is the sampling of the spec that instructions are drawn by, and
    `response` how many tokens a response may have.
    """

    library: TemplateLibrary
    seed_tasks: Sequence[SeedTask]
    length: Length
    instructions_field: str
    response: int

    @property
    def task(self) -> SeedTask:
        """A task of common length: the first."""
        return self.seed_tasks[0]

    def longest_task(self) -> SeedTask:
        """Return the longest task as it is asked, without its output; reads each once."""
        return max(
            self.seed_tasks, key=lambda task: self.length(f"{task.instruction}\n{task.input}")
        )
