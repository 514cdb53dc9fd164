"""Self-Instruct's list: numbered instructions only, one a line.

    1. <instruction>
    2. <instruction>
    3.

A completion begins in the middle of a line and continues in the same form, up to 16 tasks. An empty
line ends the list, because a base model changes the subject after it. The list does not contain the
inputs of the tasks; a later stage writes instances, or no stage does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from isheep.contract.choices import DropLast
from isheep_worker.task_lists.exemplars import ExemplarList
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import LAST_TASK, Exemplar, language_name, one_line
from isheep_worker.text.parse_failures import ParseFailure
from isheep_worker.text.parsing import ParsedCompletion, ParsedTask, without_surrogates

_NUMBERED = re.compile(r"[ \t]{0,8}+\d{1,4}+[ \t]?+[.)](?:[ \t]++|$)", re.ASCII)


class SelfInstructList(ExemplarList):
    """Instructions without inputs and outputs."""

    @property
    def template(self) -> str:
        """The name of the template with the header."""
        return "self-instruct"

    @property
    def stop(self) -> tuple[str, ...]:
        """An empty line, and the number of the first item above the maximum."""
        return ("\n\n", f"\n{LAST_TASK + 1}.")

    def item(self, number: int, exemplar: Exemplar) -> str:
        """Return a numbered instruction as a line of the prompt."""
        return f"{number}. {one_line(exemplar.instruction)}\n"

    def prompt(
        self, library: TemplateLibrary, exemplars: Sequence[Exemplar], *, language: str
    ) -> str:
        """Return the header and the instructions; the prompt ends with the next number."""
        header = library.render(self.template, language=language_name(language))
        items = [self.item(number, exemplar) for number, exemplar in enumerate(exemplars, start=1)]
        return "".join([header, *items, f"{len(exemplars) + 1}."])

    def parse(
        self,
        text: str,
        *,
        exemplars: int,  # noqa: ARG002 - any number starts a task
        cut: bool,
        drop_last: DropLast,
    ) -> ParsedCompletion:
        """Return the tasks, each without an input.

        A line with any number starts a task, a line without a number continues it, and an empty
        line ends it.
        """
        tasks: list[list[str]] = [[]]
        is_open, stray = True, False
        for line in without_surrogates(text).split("\n"):
            if numbered := _NUMBERED.match(line):
                tasks.append([line[numbered.end() :]])
                is_open = True
            elif not line.strip():
                is_open = is_open and not any(part.strip() for part in tasks[-1])
            elif is_open:
                tasks[-1].append(line)
            else:
                stray = True
        failures = Counter[str]({ParseFailure.UNLABELLED: 1} if stray else {})
        if drop_last == "Always" or (cut and is_open):
            tasks.pop()
            failures[ParseFailure.CUT] += 1
        instructions = [one_line(" ".join(parts)) for parts in tasks]
        failures.update(ParseFailure.EMPTY_INSTRUCTION for one in instructions if not one)
        found = [one for one in instructions if one]
        return ParsedCompletion(
            tuple(ParsedTask(n, one, "") for n, one in enumerate(found, start=1)), dict(failures)
        )
