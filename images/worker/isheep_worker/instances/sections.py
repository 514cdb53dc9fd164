"""The parser of labelled sections, which both forms of instances use.

A label is at the start of a line, and a section ends at the next label. The parser reads each line
once, and its pattern is bounded and possessive, so a line of a megabyte takes time linear in its
length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from isheep_worker.instances.interface import Instance, ParsedInstances
from isheep_worker.text.parse_failures import ParseFailure
from isheep_worker.text.parsing import without_surrogates

TASK = "task"
"""The label of the next task: the text after it belongs to another task."""
EXAMPLE = "example"
"""The heading of an instance: it needs no colon, and a label may follow on the same line."""


def label_pattern(*labels: str) -> re.Pattern[str]:
    """Return the pattern of the labels of a form, of `TASK` and of `EXAMPLE`."""
    names = "|".join((*labels, TASK, EXAMPLE))
    return re.compile(
        rf"[ \t]{{0,8}}+\*{{0,2}}+(?P<label>{names})(?:[ \t]?+\d{{1,3}}+)?+\*{{0,2}}+[ \t]{{0,8}}+"
        r"(?P<mark>[:.])?+\*{0,2}+[ \t]{0,8}+",
        re.IGNORECASE | re.ASCII,
    )


def sections(text: str, pattern: re.Pattern[str]) -> tuple[list[tuple[str, str]], bool]:
    """Return the sections of a text up to the next task.

    Args:
        text: The completion.
        pattern: The pattern of the labels, from `label_pattern`.

    Returns:
        The lower-cased labels with the texts that follow them, and whether there is other text
        before the first label.
    """
    found: list[tuple[str, list[str]]] = []
    stray = False
    for line in without_surrogates(text).split("\n"):
        label, rest = _label(line, pattern)
        if label == TASK:
            break
        if label == EXAMPLE:
            found.append((label, []))
            label, rest = _label(rest, pattern)
            # "Example 2: <text>" is a heading; its text is ignored.
            rest = rest if label else ""
        if label:
            found.append((label, [rest]))
        elif found:
            found[-1][1].append(rest)
        else:
            stray = stray or bool(rest.strip())
    return [(label, "\n".join(lines).strip()) for label, lines in found], stray


def first_of(
    instances: Sequence[Instance], *, most: int, cut: bool, missing: int, stray: bool
) -> ParsedInstances:
    """Return the first `most` instances; if the text was cut, the last instance is dropped first.

    `missing` is the number of inputs without an output, and `stray` is True if there is text before
    the first label.
    """
    whole = instances[:-1] if cut else instances
    failures = Counter[str](
        {
            ParseFailure.CUT: len(instances) - len(whole),
            ParseFailure.MISSING_OUTPUT: missing,
            ParseFailure.SURPLUS: max(0, len(whole) - most),
            ParseFailure.UNLABELLED: int(stray),
        }
    )
    return ParsedInstances(tuple(whole[:most]), dict(+failures))


def _label(line: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    """Return the label at the start of a line, if any, and the text after it."""
    match = pattern.match(line)
    if match is None:
        return "", line
    label, mark, rest = match["label"].lower(), match["mark"], line[match.end() :]
    # "Input files are …" and "For example I …" are texts, not labels.
    is_label = mark == ":" or (label == EXAMPLE and (mark == "." or not rest))
    return (label, rest) if is_label else ("", line)
