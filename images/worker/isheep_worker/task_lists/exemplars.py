"""What lists have in common whose prompts show tasks as they are to be written.

The tasks are drawn uniformly and without repetition from the seed tasks. Where a recipe
wants machine-made ones among them, those are drawn in the same way, seed tasks stand in
until there are enough, and all are shuffled, so that their place says nothing.
"""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.task_lists.interface import Asked, Material
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.templates.meta_prompt import Exemplar


class ExemplarList(ABC):
    """A list that goes on from exemplars; a style adds its form."""

    @property
    @abstractmethod
    def template(self) -> str:
        """The template that prompts begin with."""

    @abstractmethod
    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return an exemplar as prompts show it under a number: whole lines."""

    @abstractmethod
    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the prompt in the style's form, ending with the number after the last one's."""

    def ask(self, material: Material, draw: random.Random) -> Asked:
        """Return a prompt with exemplars drawn, and their ids."""
        drawn = draw_exemplars(material, draw)
        exemplars = [exemplar for _, exemplar in drawn]
        prompt = self.prompt(material.library, exemplars, language=material.language)
        return Asked(prompt, tuple(id_ for id_, _ in drawn))

    def longest(self, material: Material, length: Length) -> str:
        """Return the prompt with the seed tasks that are longest as items.

        Each item is counted once, by itself. That is exact for tokenizers that split at the
        line breaks between items, as they do; else the tokens at an item's ends are at stake.
        """
        exemplars = heapq.nlargest(
            material.examples,
            map(_exemplar, material.seed_tasks),
            key=lambda exemplar: length(self.item(1, exemplar)),
        )
        return self.prompt(material.library, exemplars, language=material.language)

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:  # noqa: ARG002 (others have some)
        """Return nothing: what is shown are seed tasks, and the pool's own."""
        return ()


def draw_exemplars(material: Material, draw: random.Random) -> list[tuple[str, Exemplar]]:
    """Return as many exemplars as a prompt shows, each with its task's id."""
    available = len(material.machine_made)
    made = draw.sample(material.machine_made, min(material.machine_examples, available))
    human = draw.sample(material.seed_tasks, material.examples - len(made))
    drawn = [
        *((task.id, _exemplar(task)) for task in human),
        *((row.id, Exemplar(row.instruction, row.input)) for row in made),
    ]
    if made:
        draw.shuffle(drawn)
    return drawn


def _exemplar(task: SeedTask) -> Exemplar:
    return Exemplar(task.instruction, task.input, task.output)
