"""The list of topics for red-teaming (SELF-ALIGN, step 1)."""

from __future__ import annotations

import heapq
import random

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.interface import DrawnPrompt, Material
from isheep_worker.templates.labelled_blocks import SEPARATOR
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.longest_prompts import Length
from isheep_worker.templates.red_teaming import (
    SEED_TOPICS,
    TOPICS_HEADER,
    check_count,
    numbered,
    seed_topics,
    topics_prompt,
)
from isheep_worker.text.numbered_lines import parse_numbered_lines
from isheep_worker.text.parsing import ParsedCompletion

LAST_TOPIC = 30


class TopicList:
    """The first list of `templates/red_teaming.py`."""

    has_outputs = False

    @property
    def template(self) -> str:
        """The name of the template with the header, which contains all types of instructions."""
        return TOPICS_HEADER

    @property
    def stop(self) -> tuple[str, ...]:
        """The first number above the maximum, and the start of another block."""
        return (f"\n{LAST_TOPIC + 1}. ", f"\n{SEPARATOR}")

    def draw_prompt(self, material: Material, draw: random.Random) -> DrawnPrompt:
        """Return the prompt with seed topics that are drawn without repetition."""
        shown = draw.sample(seed_topics(material.library), material.examples)
        prompt = topics_prompt(material.library, shown, language=material.language)
        return DrawnPrompt(prompt, tuple(shown))

    def longest_prompt(self, material: Material, length: Length) -> str:
        """Return the prompt with the longest seed topics."""
        topics = seed_topics(material.library)
        check_count(SEED_TOPICS, "topics", len(topics), material.examples)
        shown = heapq.nlargest(
            material.examples, topics, key=lambda topic: length(numbered([topic]))
        )
        return topics_prompt(material.library, shown, language=material.language)

    def own_examples(self, library: TemplateLibrary) -> tuple[str, ...]:
        """Return the seed topics."""
        return seed_topics(library)

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the topics as instructions; the first has the number after the exemplars."""
        return parse_numbered_lines(text, first_number=exemplars + 1, cut=cut, drop_last=drop_last)
