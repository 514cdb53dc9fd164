"""The interface of a style of task list: a prompt, the strings that end it, and a parser."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isheep.contract.choices import DropLast
from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.text.parsing import ParsedCompletion


@dataclass(frozen=True, slots=True)
class Material:
    """The material of prompts; `examples` is the number of examples in each prompt.

    `topics` is empty if the run has no stage that makes topics. Up to `machine_examples` of the
    tasks in a prompt come from `machine_made`.
    """

    library: TemplateLibrary
    seed_tasks: Sequence[SeedTask]
    topics: Sequence[str]
    examples: int
    language: str
    machine_made: Sequence[InstructionRow] = ()
    machine_examples: int = 0


@dataclass(frozen=True, slots=True)
class DrawnPrompt:
    """A raw prompt, and the ids or names of the examples that were drawn for it."""

    prompt: str
    shown: tuple[str, ...]


class TaskList(Protocol):
    """One form of a list of tasks."""

    @property
    def has_outputs(self) -> bool:
        """Whether the tasks have outputs; then curate writes pairs."""

    @property
    def template(self) -> str:
        """The name of the template at the start of the prompt."""

    @property
    def stop(self) -> tuple[str, ...]:
        """The strings that end a completion."""

    def draw_prompt(self, material: Material, draw: random.Random) -> DrawnPrompt:
        """Return a prompt with examples that are drawn uniformly; the constant text is first."""

    def longest_prompt(self, material: Material, length: Length) -> str:
        """Return the longest prompt that contains no text of a model.

        The function takes time linear in the number of available examples. It raises
        `BadInputError` if there are fewer examples than a prompt shows.
        """

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:
        """Return the texts that prompts show in addition to seed tasks; no task may repeat them."""

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the tasks of a completion.

        The function takes time linear in the length of the text and never fails.

        Args:
            text: The completion.
            exemplars: The number of exemplars in the prompt.
            cut: Whether the completion ended by length.
            drop_last: Whether the last task is dropped only if it was cut, or always.

        Returns:
            The tasks, and the failures by kind.
        """
