"""The interface of a form of instances: a prompt, the strings that end it, and a parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from isheep_worker.templates.library import TemplateLibrary


@dataclass(frozen=True, slots=True)
class Instance:
    """An input with its output; the input is empty if the task needs none."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class ParsedInstances:
    """The instances of a completion, and the number of failures of each kind.

    `failures` maps a `ParseFailure` to its count.
    """

    instances: tuple[Instance, ...]
    failures: Mapping[str, int]


class InstanceForm(Protocol):
    """One form of instances."""

    @property
    def template(self) -> str:
        """The name of the template of the prompt."""

    def stop(self, most: int) -> tuple[str, ...]:
        """Return the strings that end a completion of at most `most` instances."""

    def prompt(self, library: TemplateLibrary, instruction: str) -> str:
        """Return the raw prompt for a task; it ends with a line break."""

    def parse(self, text: str, *, most: int, cut: bool) -> ParsedInstances:
        """Return the first `most` instances of a completion.

        The function takes time linear in the length of the text and never fails.

        Args:
            text: The completion.
            most: The maximum number of instances.
            cut: Whether the completion ended by length; then the last instance is dropped.

        Returns:
            The instances, and the failures by kind.
        """
