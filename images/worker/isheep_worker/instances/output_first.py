"""Output first, for classifications: a class label, then a text that belongs to the class.

    Task: <instruction>
    Class label: <text>
    Input: <text>
    Class label: …

If a model writes the inputs first, nearly all of them belong to one class.
"""

from __future__ import annotations

from isheep_worker.instances.interface import Instance, ParsedInstances
from isheep_worker.instances.sections import first_of, label_pattern, sections
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import one_line

_OUTPUT = ("class label", "label", "output")
_LABELS = label_pattern(*_OUTPUT, "input")


class OutputFirst:
    """Class labels, each with the input that follows it."""

    @property
    def template(self) -> str:
        """The name of the template with the examples before the task."""
        return "self-instruct-output-first"

    def stop(self, most: int) -> tuple[str, ...]:  # noqa: ARG002 - labels have no number
        """Return the start of the next task."""
        return ("\nTask:",)

    def prompt(self, library: TemplateLibrary, instruction: str) -> str:
        """Return the prompt, which ends with the task."""
        return library.render(self.template, instruction=one_line(instruction))

    def parse(self, text: str, *, most: int, cut: bool) -> ParsedInstances:
        """Return the class labels with their inputs; a label may have no input."""
        found, stray = sections(text, _LABELS)
        instances: list[Instance] = []
        missing = 0
        has_label = False
        for label, content in found:
            if label in _OUTPUT:
                instances.append(Instance("", content))
                has_label = True
            elif label == "input" and has_label:
                instances[-1] = Instance(content, instances[-1].output)
                has_label = False
            elif label == "input":
                missing += 1
        return first_of(instances, most=most, cut=cut, missing=missing, stray=stray)
