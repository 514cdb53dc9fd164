"""What a style of task list is: a prompt, what ends a completion of it, and a parser."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.text.parsing import DropLast, ParsedCompletion


@dataclass(frozen=True, slots=True)
class Material:
    """What prompts are made of; `examples` is how many each of them shows of its kind.

    `topics` are those of the stage that made some, empty where none did. Of the tasks that
    a prompt shows, up to `machine_examples` come from the `machine_made`.
    """

    library: TemplateLibrary
    seed_tasks: Sequence[SeedTask]
    topics: Sequence[str]
    examples: int
    language: str
    machine_made: Sequence[InstructionRow] = ()
    machine_examples: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A raw prompt, and the names of what was drawn for it."""

    prompt: str
    shown: tuple[str, ...]


class TaskList(Protocol):
    """One form in which tasks are listed."""

    @property
    def template(self) -> str:
        """The template that prompts begin with."""

    @property
    def stop(self) -> tuple[str, ...]:
        """The strings that end a completion."""

    def ask(self, material: Material, draw: random.Random) -> Asked:
        """Return a prompt with examples drawn uniformly, constant text first."""

    def longest(self, material: Material, length: Length) -> str:
        """Return the longest prompt with nothing that a model has written.

        Takes time linear in what there is to show. Raises `BadInputError` where that is less
        than prompts show.
        """

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:
        """Return what prompts show besides seed tasks, for none of it may be repeated."""

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the tasks of a completion of a prompt with so many exemplars.

        `cut` is whether the completion ended by length. Takes time linear in the text
        and never fails.
        """
