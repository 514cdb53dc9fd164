"""Alpaca's list: numbered instructions, inputs and outputs between separators.

I-SHEEP's form with one more label, so the same parser reads it; a task without an
output is a counted failure, because nobody will answer it later.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from isheep_worker.text.parsing import DropLast, ParsedCompletion, parse_completion


class AlpacaList(ExemplarList):
    """Whole tasks; the prompt asks for 20 and ends within one."""

    @property
    def template(self) -> str:
        """Alpaca's requirements."""
        return "alpaca"

    @property
    def stop(self) -> tuple[str, ...]:
        """The label of the first item too many."""
        return (stop_string(NUMBER_OF_TASKS),)

    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return a numbered task with its output."""
        return f"{numbered_task(number, exemplar)}{number}. Output:\n{exemplar.output.strip()}\n"

    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the requirements and the exemplars, ending with the next number's label."""
        header = library.render(
            self.template, number_of_tasks=str(NUMBER_OF_TASKS), language=language_name(language)
        )
        items = [self.item(number, exemplar) for number, exemplar in enumerate(exemplars, start=1)]
        return "".join([header, *items, f"{SEPARATOR}\n{len(exemplars) + 1}. Instruction:"])

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the whole tasks; the first has the number with which the prompt ended."""
        return parse_completion(
            text, first_number=exemplars + 1, cut=cut, drop_last=drop_last, outputs=True
        )
