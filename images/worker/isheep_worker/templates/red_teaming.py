"""Topic-guided red-teaming: the prompts for topics and for instructions about them.

A fixed list of types of instruction says what a language model that knows nothing but
its training texts answers badly. The model first goes on with a list of topics about
which one could ask such things:

    <header, with all types>
    1. tides
    2. school lunches
    3.

and then writes instructions of one type about one topic, after a few types' examples:

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

Constant text comes first in both. The lists' form is fixed here, because the parser of
completions (`numbered_lines.py`) reads it back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from isheep_worker.runtime.orders import BadInputError
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
    """A type of instruction, with a few of them about one topic."""

    name: str
    about: str
    topic: str
    instructions: tuple[str, ...]


@lru_cache(maxsize=4)
def instruction_types(library: TemplateLibrary) -> tuple[InstructionType, ...]:
    """Return the run's types; raises `PromptTemplateError` for a list that has no such form."""
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
    """Return the run's seed topics, one a line; raises `PromptTemplateError` where none is."""
    topics = tuple(line.strip() for line in library.render(SEED_TOPICS).split("\n") if line.strip())
    if not topics:
        raise PromptTemplateError(f"template {SEED_TOPICS!r} holds no topic: write one a line")
    return topics


def refuse_fewer(template: str, what: str, found: int, needed: int) -> None:
    """Raise `BadInputError` where a template holds less than prompts show."""
    if found < needed:
        raise BadInputError(
            f"template {template!r} holds {found} {what}, but prompts need {needed} at "
            "spec.instructions.examplesPerPrompt; write more, or lower that field"
        )


def topics_prompt(library: TemplateLibrary, shown: Sequence[str], *, language: str) -> str:
    """Return the raw prompt for topics; the completion's first has the number after `shown`'s."""
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
    """Return the raw prompt for instructions of a type about a topic; the first has number 1."""
    header = library.render(TOPIC_GUIDED_HEADER, language=language_name(language))
    return f"{header}{''.join(map(example, shown))}{head(wanted, topic)}{_FIRST}"


def example(one: InstructionType) -> str:
    """Return a type with its instructions as prompts show it: whole lines."""
    return head(one, one.topic) + numbered(one.instructions)


def head(one: InstructionType, topic: str) -> str:
    """Return what stands before a type's instructions about a topic: whole lines."""
    return f"{SEPARATOR}\n{_TYPE} {one.name}\n{_ABOUT} {one.about}\n{_TOPIC} {_line(topic)}\n"


def numbered(lines: Sequence[str]) -> str:
    """Return a numbered list as prompts show it, an item a line."""
    return "".join(f"{number}. {_line(line)}\n" for number, line in enumerate(lines, start=1))


def _line(text: str) -> str:
    return " ".join(text.split())
