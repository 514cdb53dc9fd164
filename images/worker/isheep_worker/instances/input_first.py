"""Input first, for tasks that are not a classification: the input, then the output.

    Task: <instruction>
    Example 1
    Input: <text>
    Output: <text>
    Example 2
    …

A task that needs no input has outputs only.
"""

from __future__ import annotations

from isheep_worker.instances.interface import Instance, ParsedInstances
from isheep_worker.instances.sections import first_of, label_pattern, sections
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import one_line

_LABELS = label_pattern("input", "output")


class InputFirst:
    """Inputs, each with the output that follows it."""

    @property
    def template(self) -> str:
        """The name of the template with the examples before the task."""
        return "self-instruct-input-first"

    def stop(self, most: int) -> tuple[str, ...]:
        """Return the heading of the first example above the maximum, and the next task."""
        return (f"\nExample {most + 1}", "\nTask:")

    def prompt(self, library: TemplateLibrary, instruction: str) -> str:
        """Return the prompt, which ends with the task."""
        return library.render(self.template, instruction=one_line(instruction))

    def parse(self, text: str, *, most: int, cut: bool) -> ParsedInstances:
        """Return the outputs with their inputs; an input without an output counts as a failure."""
        found, stray = sections(text, _LABELS)
        instances: list[Instance] = []
        waiting: str | None = None
        missing = 0
        for label, content in found:
            if label == "output":
                instances.append(Instance(waiting or "", content))
                waiting = None
                continue
            missing += waiting is not None
            waiting = content if label == "input" else None
        if waiting is not None and cut:
            # The completion was cut in an input. This instance is the last one, so the caller drops
            # it and keeps the complete ones.
            instances.append(Instance(waiting, ""))
        elif waiting is not None:
            missing += 1
        return first_of(instances, most=most, cut=cut, missing=missing, stray=stray)
