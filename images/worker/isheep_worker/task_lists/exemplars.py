"""The common part of the lists whose prompts show exemplars: tasks in the form of the list.

The exemplars are drawn uniformly and without repetition from the seed tasks. If a recipe also shows
machine-made tasks, these are drawn in the same way, and seed tasks replace them as long as there
are too few. Then all exemplars are shuffled, so that the place of an exemplar carries no
information.
"""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.task_lists.interface import DrawnPrompt, Material
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.templates.meta_prompt import Exemplar


class ExemplarList(ABC):
    """A list that continues exemplars; a style adds its form."""

    has_outputs = False

    @property
    @abstractmethod
    def template(self) -> str:
        """The name of the template at the start of the prompt."""

    @abstractmethod
    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return a numbered exemplar as lines of the prompt."""

    @abstractmethod
    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the prompt in the form of the style; it ends with the next number."""

    def draw_prompt(self, material: Material, draw: random.Random) -> DrawnPrompt:
        """Return a prompt with drawn exemplars, and their ids."""
        drawn = draw_exemplars(material, draw)
        exemplars = [exemplar for _, exemplar in drawn]
        prompt = self.prompt(material.library, exemplars, language=material.language)
        return DrawnPrompt(prompt, tuple(id_ for id_, _ in drawn))

    def longest_prompt(self, material: Material, length: Length) -> str:
        """Return the prompt with the seed tasks that are the longest items.

        Each item is counted once and alone. The result is exact for tokenizers that split at the
        line breaks between items, as the usual ones do; for others it can differ by the tokens at
        the ends of the items.
        """
        exemplars = heapq.nlargest(
            material.examples,
            map(_exemplar, material.seed_tasks),
            key=lambda exemplar: length(self.item(1, exemplar)),
        )
        return self.prompt(material.library, exemplars, language=material.language)

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:  # noqa: ARG002 (other lists use it)
        """Return nothing: prompts show seed tasks and tasks of the pool only."""
        return ()


def draw_exemplars(material: Material, draw: random.Random) -> list[tuple[str, Exemplar]]:
    """Return the exemplars of a prompt, each with the id of its task.

    Args:
        material: The seed tasks, the machine-made tasks, and the numbers of both in a prompt.
        draw: The random generator of the prompt.

    Returns:
        `material.examples` exemplars with their ids.
    """
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
