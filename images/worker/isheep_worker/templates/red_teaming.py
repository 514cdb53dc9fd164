"""Topic-guided red-teaming: the prompts for topics and for instructions about topics.

A fixed list contains types of instructions that a language model answers badly, because it has no
information except its training texts. First the model continues a list of topics for such
instructions:

    <header, with all types>
    1. tides
    2. school lunches
    3.

Then it writes instructions of one type about one topic, after examples of a few other types:

    <header>
    ###
    Type: fresh facts
    About: needs news that no training text can hold
    Topic: exchange rates
    1. How many yen do I get for a euro today?
    2. …
    ###
    Type: …
    About: …
    Topic: …
    1.

The constant text comes first in both prompts. This module fixes the form of the lists, because the
parser of completions (`numbered_lines.py`) depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.labelled_blocks import SEPARATOR, read_blocks
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary
from isheep_worker.templates.meta_prompt import language_name

TOPICS_HEADER = "dromedary-topics"
TOPIC_GUIDED_HEADER = "dromedary-topic-guided"
TYPES = "dromedary-types"
SEED_TOPICS = "dromedary-seed-topics"
_TYPE, _ABOUT, _TOPIC, _FIRST = "Type:", "About:", "Topic:", "1."
_NUMBER = re.compile(r"\d{1,4}[.)]\s+")


@dataclass(frozen=True, slots=True)
class InstructionType:
    """A type of instructions, with a few instructions about one topic."""

    name: str
    about: str
    topic: str
    instructions: tuple[str, ...]


@lru_cache(maxsize=4)
def instruction_types(library: TemplateLibrary) -> tuple[InstructionType, ...]:
    """Return the run's types; raises `PromptTemplateError` if the list has another form."""
    labels = (_TYPE, _ABOUT, _TOPIC, _FIRST)
    return tuple(
        InstructionType(
            name=_line(block[_TYPE]),
            about=_line(block[_ABOUT]),
            topic=_line(block[_TOPIC]),
            instructions=tuple(
                _NUMBER.sub("", line.strip(), count=1)
                for line in block[_FIRST].split("\n")
                if line.strip()
            ),
        )
        for block in read_blocks(library, TYPES, labels)
    )


@lru_cache(maxsize=4)
def seed_topics(library: TemplateLibrary) -> tuple[str, ...]:
    """Return the run's seed topics; raises `PromptTemplateError` if there are none."""
    topics = tuple(line.strip() for line in library.render(SEED_TOPICS).split("\n") if line.strip())
    if not topics:
        raise PromptTemplateError(f"template {SEED_TOPICS!r} has no topic: write one topic a line")
    return topics


def check_count(template: str, what: str, found: int, needed: int) -> None:
    """Raise `BadInputError` if a template has fewer entries than a prompt shows."""
    if found < needed:
        raise BadInputError(
            f"template {template!r} has {found} {what}, but a prompt with "
            f"spec.instructions.examplesPerPrompt examples needs {needed}; write more {what}, or "
            "lower that field"
        )


def topics_prompt(library: TemplateLibrary, shown: Sequence[str], *, language: str) -> str:
    """Return the raw prompt for topics, which ends with the number after the shown topics."""
    types = "\n".join(f"- {one.name}: {one.about}" for one in instruction_types(library))
    header = library.render(TOPICS_HEADER, types=types, language=language_name(language))
    return f"{header}{numbered(shown)}{len(shown) + 1}."


def topic_guided_prompt(
    library: TemplateLibrary,
    shown: Sequence[InstructionType],
    wanted: InstructionType,
    topic: str,
    *,
    language: str,
) -> str:
    """Return the raw prompt for instructions of a type about a topic; it ends with the number 1."""
    header = library.render(TOPIC_GUIDED_HEADER, language=language_name(language))
    return f"{header}{''.join(map(example, shown))}{head(wanted, topic)}{_FIRST}"


def example(one: InstructionType) -> str:
    """Return a type with its instructions as lines of a prompt."""
    return head(one, one.topic) + numbered(one.instructions)


def head(one: InstructionType, topic: str) -> str:
    """Return the lines that precede the instructions of a type about a topic."""
    return f"{SEPARATOR}\n{_TYPE} {one.name}\n{_ABOUT} {one.about}\n{_TOPIC} {_line(topic)}\n"


def numbered(lines: Sequence[str]) -> str:
    """Return a numbered list as lines of a prompt, one item a line."""
    return "".join(f"{number}. {_line(line)}\n" for number, line in enumerate(lines, start=1))


def _line(text: str) -> str:
    return " ".join(text.split())
