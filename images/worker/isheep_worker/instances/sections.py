"""A completion as labelled sections, which both forms of instances are made of.

A label stands at the start of a line and a section reaches to the next label. Each
line is looked at once, and the pattern is bounded and possessive, so that a megabyte
in one line costs a megabyte's time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from isheep_worker.instances.interface import Instance, ParsedInstances
from isheep_worker.text.parsing import without_surrogates

TASK = "task"
"""The label of the next task: whatever follows it is about something else."""
EXAMPLE = "example"
"""The heading of an instance; it needs no colon, and a label may follow it in its line."""


def label_pattern(*labels: str) -> re.Pattern[str]:
    """Return what tells the labels of a form, `TASK` and `EXAMPLE` among them, from text."""
    names = "|".join((*labels, TASK, EXAMPLE))
    return re.compile(
        rf"[ \t]{{0,8}}+\*{{0,2}}+(?P<label>{names})(?:[ \t]?+\d{{1,3}}+)?+\*{{0,2}}+[ \t]{{0,8}}+"
        r"(?P<mark>[:.])?+\*{0,2}+[ \t]{0,8}+",
        re.IGNORECASE | re.ASCII,
    )


def sections(text: str, pattern: re.Pattern[str]) -> tuple[list[tuple[str, str]], bool]:
    """Return the labels, lower-cased, with the texts that follow them, up to the next task.

    Also whether there was any other text before the first label.
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
            # "Example 2: <text>" is a heading and has no text of its own.
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
    """Return the first `most` instances; where the text was cut, the last is dropped before."""
    whole = instances[:-1] if cut else instances
    failures = Counter(
        cut=len(instances) - len(whole),
        missing_output=missing,
        surplus=max(0, len(whole) - most),
        unlabelled=int(stray),
    )
    return ParsedInstances(tuple(whole[:most]), dict(+failures))


def _label(line: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    """Return the label that a line begins with, if any, and what follows it."""
    match = pattern.match(line)
    if match is None:
        return "", line
    label, mark, rest = match["label"].lower(), match["mark"], line[match.end() :]
    # "Input files are …" and "For example I …" are texts.
    is_label = mark == ":" or (label == EXAMPLE and (mark == "." or not rest))
    return (label, rest) if is_label else ("", line)
