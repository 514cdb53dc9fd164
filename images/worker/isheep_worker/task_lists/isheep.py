"""I-SHEEP's list: numbered instructions and inputs between separators (§3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.exemplars import ExemplarList
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import (
    TEMPLATE,
    Exemplar,
    meta_prompt,
    numbered_task,
    stop_string,
)
from isheep_worker.text.parsing import ParsedCompletion, parse_completion


class ISheepList(ExemplarList):
    """The list of `templates/meta_prompt.py`, with the parser of `text/parsing.py`."""

    @property
    def template(self) -> str:
        """The name of the template with the header of the meta prompt."""
        return TEMPLATE

    @property
    def stop(self) -> tuple[str, ...]:
        """The label of the first item above the number of tasks that the prompt asks for."""
        return (stop_string(),)

    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return a numbered task without its output, as lines of the prompt."""
        return numbered_task(number, exemplar)

    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the meta prompt, which ends with the number after the last exemplar."""
        return meta_prompt(library, exemplars, language=language)

    def parse(
        self, text: str, *, exemplars: int, cut: bool, drop_last: DropLast
    ) -> ParsedCompletion:
        """Return the tasks; the first has the number at the end of the prompt."""
        return parse_completion(text, first_number=exemplars + 1, cut=cut, drop_last=drop_last)
