"""What a form of instances is: a prompt, what ends a completion of it, and a parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from isheep_worker.templates.library import TemplateLibrary


@dataclass(frozen=True, slots=True)
class Instance:
    """One input, empty where the task needs none, with the output that it ought to get."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class ParsedInstances:
    """The instances of a completion, and how often each kind of failure stood between them.

    Kinds: `cut` (the last instance, dropped), `missing_output` (an input that nothing
    follows), `surplus` (more than were asked for), `unlabelled` (text before the first
    label; counted once a completion).
    """

    instances: tuple[Instance, ...]
    failures: Mapping[str, int]


class InstanceForm(Protocol):
    """One form in which instances are written."""

    @property
    def template(self) -> str:
        """The template that prompts are made from."""

    def stop(self, most: int) -> tuple[str, ...]:
        """Return the strings that end a completion of at most so many instances."""

    def prompt(self, library: TemplateLibrary, instruction: str) -> str:
        """Return the raw prompt for a task, constant text first, ending with a line break."""

    def parse(self, text: str, *, most: int, cut: bool) -> ParsedInstances:
        """Return the first `most` instances of a completion.

        `cut` is whether it ended by length: then the last instance is dropped. Takes time
        linear in the text and never fails.
        """
