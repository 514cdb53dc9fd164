"""The parser of completions that continue a numbered list of single lines.

The prompt ends with the number of the first item, so the completion begins in the middle of that
line:

     How late is it now in Lima?
    2. Who won the match that ended an hour ago?

A line with the expected number is the next item. A line without a number or with another number is
not part of an item, because a list that starts again has another subject; such lines count as one
failure of the completion. Texts are hostile, so the parser reads each line once.
"""

from __future__ import annotations

import re
from collections import Counter

from isheep.contract.choices import DropLast
from isheep_worker.text.parse_failures import ParseFailure
from isheep_worker.text.parsing import ParsedCompletion, ParsedTask, without_surrogates

_NUMBER = re.compile(r"[ \t]{0,8}+(?P<number>\d{1,4}+)[.)](?:[ \t]++|$)", re.ASCII)


def parse_numbered_lines(
    text: str, *, first_number: int, cut: bool, drop_last: DropLast
) -> ParsedCompletion:
    """Return the items of one completion, as tasks without input.

    The function takes time linear in the length of the text and never fails.

    Args:
        text: The completion.
        first_number: The number at the end of the prompt.
        cut: Whether the completion ended by length.
        drop_last: Whether the last item is dropped only if it was cut, or always.

    Returns:
        The items in their order, and the failures by kind.
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
            failures[ParseFailure.BROKEN_NUMBERING if number else ParseFailure.UNLABELLED] = 1
    if drop_last == "Always" or (cut and last_is_open):
        items.pop()
        failures[ParseFailure.CUT] += 1
    failures[ParseFailure.EMPTY_INSTRUCTION] += items.count("")
    named = (item for item in items if item)
    tasks = tuple(ParsedTask(position, item, "") for position, item in enumerate(named, start=1))
    return ParsedCompletion(tasks, {kind: count for kind, count in failures.items() if count})
