"""Alpaca's list: numbered instructions, inputs and outputs between separators.

The form is I-SHEEP's with one more label, so the same parser reads it. A task without an output
counts as a failure, because no later stage writes the output.
"""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.exemplars import ExemplarList
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import (
    NUMBER_OF_TASKS,
    SEPARATOR,
    Exemplar,
    language_name,
    numbered_task,
    stop_string,
)
from isheep_worker.text.parsing import ParsedCompletion, parse_completion


class AlpacaList(ExemplarList):
    """Tasks with outputs; the prompt asks for 20 and ends inside a task."""

    has_outputs = True

    @property
    def template(self) -> str:
        """The name of the template with Alpaca's requirements."""
        return "alpaca"

    @property
    def stop(self) -> tuple[str, ...]:
        """The label of the first item above the number of tasks that the prompt asks for."""
        return (stop_string(NUMBER_OF_TASKS),)

    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return a numbered task with its output, as lines of the prompt."""
        return f"{numbered_task(number, exemplar)}{number}. Output:\n{exemplar.output.strip()}\n"

    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the requirements and the exemplars; the prompt ends with the next number."""
        header = library.render(
            self.template, number_of_tasks=str(NUMBER_OF_TASKS), language=language_name(language)
        )
        items = [self.item(number, exemplar) for number, exemplar in enumerate(exemplars, start=1)]
        return "".join([header, *items, f"{SEPARATOR}\n{len(exemplars) + 1}. Instruction:"])

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the tasks with outputs; the first has the number at the end of the prompt."""
        return parse_completion(
            text, first_number=exemplars + 1, cut=cut, drop_last=drop_last, outputs=True
        )
