"""The list of instructions of one type about one topic (SELF-ALIGN, step 1)."""

from __future__ import annotations

import random

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.interface import DrawnPrompt, Material
from isheep_worker.templates.labelled_blocks import SEPARATOR
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.templates.red_teaming import (
    TOPIC_GUIDED_HEADER,
    TYPES,
    check_count,
    example,
    head,
    instruction_types,
    seed_topics,
    topic_guided_prompt,
)
from isheep_worker.text.numbered_lines import parse_numbered_lines
from isheep_worker.text.parsing import ParsedCompletion

LAST_INSTRUCTION = 8


class TopicGuidedList:
    """The second list of `templates/red_teaming.py`."""

    has_outputs = False

    @property
    def template(self) -> str:
        """The name of the template with the header."""
        return TOPIC_GUIDED_HEADER

    @property
    def stop(self) -> tuple[str, ...]:
        """The first number above the maximum, and the start of another type."""
        return (f"\n{LAST_INSTRUCTION + 1}. ", f"\n{SEPARATOR}", "\nType:")

    def draw_prompt(self, material: Material, draw: random.Random) -> DrawnPrompt:
        """Return the prompt for a drawn type and a drawn topic, after examples of other types."""
        *shown, wanted = draw.sample(instruction_types(material.library), material.examples + 1)
        topic = draw.choice(material.topics)
        prompt = topic_guided_prompt(
            material.library, shown, wanted, topic, language=material.language
        )
        return DrawnPrompt(prompt, (*(one.name for one in shown), wanted.name, topic))

    def longest_prompt(self, material: Material, length: Length) -> str:
        """Return the prompt with the longest types as examples, for the longest other type.

        The topic is the longest seed topic. Later the model writes the topics, which have a few
        words each.
        """
        types = instruction_types(material.library)
        check_count(TYPES, "types", len(types), material.examples + 1)
        by_length = sorted(types, key=lambda one: length(example(one)), reverse=True)
        shown, rest = by_length[: material.examples], by_length[material.examples :]
        topic = max(seed_topics(material.library), key=length)
        # The prompt shows no example of the type that it asks for.
        wanted = max(rest, key=lambda one: length(head(one, topic)))
        return topic_guided_prompt(
            material.library, shown, wanted, topic, language=material.language
        )

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:
        """Return the example instructions of all types."""
        return tuple(text for one in instruction_types(library) for text in one.instructions)

    def parse(
        self,
        text: str,
        *,
        exemplars: int,  # noqa: ARG002 (the same for all lists)
        cut: bool,
        drop_last: DropLast,
    ) -> ParsedCompletion:
        """Return the instructions; every list starts with the number 1."""
        return parse_numbered_lines(text, first_number=1, cut=cut, drop_last=drop_last)
