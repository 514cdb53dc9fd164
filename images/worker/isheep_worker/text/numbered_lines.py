"""A completion that goes on with a numbered list of single lines, taken apart into items.

The prompt ends with the first item's number, so the completion begins in the middle of
that line:

     How late is it now in Lima?
    2. Who won the match that ended an hour ago?

A line with the number that is due is the next item. Nothing else joins an item: a line
without a number, or with another one, is left out, because a list that starts again is
about something else, and counted once a completion. Texts are hostile: each line is looked at once.
"""

from __future__ import annotations

import re
from collections import Counter

from isheep_worker.text.parsing import (
    DropLast,
    ParsedCompletion,
    ParsedTask,
    without_surrogates,
)

_NUMBER = re.compile(r"[ \t]{0,8}+(?P<number>\d{1,4}+)[.)](?:[ \t]++|$)", re.ASCII)


def parse_numbered_lines(
    text: str, *, first_number: int, cut: bool, drop_last: DropLast
) -> ParsedCompletion:
    """Return the items of one completion, as tasks without input.

    `first_number` is the number with which the prompt ended, `cut` whether the
    completion ended by length: its last line is dropped then. Takes time linear in the
    text and never fails.
    """
    first, *rest = without_surrogates(text).split("\n")
    items, failures = [first.strip()], Counter[str]()
    last_is_open = True
    for line in rest:
        number = _NUMBER.match(line)
        last_is_open = number is not None and int(number["number"]) == first_number + len(items)
        if number is not None and last_is_open:
            items.append(line[number.end() :].strip())
        elif line.strip():
            failures["broken_numbering" if number else "unlabelled"] = 1
    if drop_last is DropLast.ALWAYS or (cut and last_is_open):
        items.pop()
        failures["cut"] += 1
    failures["empty_instruction"] += items.count("")
    named = (item for item in items if item)
    tasks = tuple(ParsedTask(position, item, "") for position, item in enumerate(named, start=1))
    return ParsedCompletion(tasks, {kind: count for kind, count in failures.items() if count})
