"""A completion of the meta prompt, taken apart into tasks.

The prompt shows numbered examples and ends with `6. Instruction:`, so a
completion begins in the middle of a task and ought to go on like this:

     Name two uses of vinegar.
    6. Input:
    <noinput>
    ###
    7. Instruction: …

Models keep to that only roughly, small ones less. Read leniently, because a
rule can still drop a bad task but nothing can bring back a lost one: labels
without a number, with one that starts again or skips, or in bold; a label
`Output:` (its text is thrown away, unless whole tasks were asked for); no `Input:`
at all; a missing `###`; a numbered line without a label, where its number is the
one that is due. What
cannot be read is counted by kind, so that the report shows when a model does
not understand the prompt.

The last task may be cut off in the middle where a completion ended by length.
It is then dropped, unless a `###` or the next task's label closed it. The
released scripts always drop the last one (`DropLast.ALWAYS`).

Texts are hostile: each line is looked at once, and the patterns are bounded and
possessive, so that a megabyte in one line costs a megabyte's time. Half
surrogate pairs, which no row can hold, become U+FFFD; the rules drop them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class DropLast(Enum):
    """When the last task of a completion is dropped."""

    IF_CUT = "IfCut"
    ALWAYS = "Always"


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """A task as the model wrote it. `position` counts a completion's tasks from 1.

    `output` is None where the list's form has none.
    """

    position: int
    instruction: str
    input: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """The tasks of a completion, and how often each kind of failure stood between them.

    Kinds: `cut` (the last task, dropped), `empty_instruction`, `broken_numbering` (an
    input numbered unlike its instruction), `repeated_input`, `missing_output` (of a whole
    task), `unlabelled` (text outside any task; counted once a completion).
    """

    tasks: tuple[ParsedTask, ...]
    failures: Mapping[str, int]


def parse_completion(
    text: str,
    *,
    first_number: int,
    cut: bool,
    drop_last: DropLast = DropLast.IF_CUT,
    outputs: bool = False,
) -> ParsedCompletion:
    """Return the tasks of one completion.

    `first_number` is the number with which the prompt ended, `cut` whether the
    completion ended by length, `outputs` whether its tasks have outputs. Takes time
    linear in the text and never fails.
    """
    reader = _Reader(first_number)
    for line in without_surrogates(text).split("\n"):
        reader.read(line)
    failures: Counter[str] = Counter()
    if reader.stray:
        failures["unlabelled"] += 1
    blocks = reader.blocks
    if blocks and (drop_last is DropLast.ALWAYS or (cut and reader.open)):
        blocks.pop()
        failures["cut"] += 1
    tasks: list[ParsedTask] = []
    for block in blocks:
        instruction = block.text("instruction")
        output = block.text("output") if outputs else None
        failure = block.failure if instruction else "empty_instruction"
        if failure is None and output == "":
            failure = "missing_output"
        if failure:
            failures[failure] += 1
        else:
            task_input = _input(block.text("input"))
            tasks.append(ParsedTask(len(tasks) + 1, instruction, task_input, output))
    return ParsedCompletion(tuple(tasks), dict(failures))


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each half of a surrogate pair, which no row can hold."""
    return _SURROGATE.sub("\ufffd", text)


_SURROGATE = re.compile("[\ud800-\udfff]")
# Hashes, bold marks and a number may stand before a label; all bounded, none given back.
_LABEL = re.compile(
    r"[ \t]{0,8}+(?P<hashes>#{1,8}+)?+[ \t]{0,8}+\*{0,2}+(?:(?P<number>\d{1,4}+)[ \t]?+[.):])?+"
    r"[ \t]{0,8}+\*{0,2}+(?P<part>instruction|input|output)\*{0,2}+[ \t]{0,8}+:\*{0,2}+",
    re.IGNORECASE | re.ASCII,
)
_NUMBERED = re.compile(r"[ \t]{0,8}+(?P<number>\d{1,4}+)[.)][ \t]++(?=\S)", re.ASCII)
_NO_INPUT = frozenset({"<noinput>", "<no input>", "(noinput)", "[noinput]", "noinput"})


@dataclass(slots=True)
class _Block:
    """The lines of one task, by the part of it that they belong to."""

    number: int
    part: str = "instruction"
    lines: dict[str, list[str]] = field(default_factory=dict)
    failure: str | None = None

    def begin(self, part: str, number: int | None) -> None:
        if number not in (None, self.number):
            self.failure = "broken_numbering"
        elif part == "input" and part in self.lines:
            self.failure = "repeated_input"
        self.part = part

    def add(self, content: str) -> None:
        self.lines.setdefault(self.part, []).append(content)

    def text(self, part: str) -> str:
        return "\n".join(self.lines.get(part, ())).strip()


class _Reader:
    """Gathers blocks from lines. `open`: the last block may still go on."""

    def __init__(self, first_number: int) -> None:
        self.blocks = [_Block(first_number)]
        self.open = True
        self.stray = False

    def read(self, line: str) -> None:
        content, closes = _without_separator(line)
        if label := _LABEL.match(content):
            self._label(label)
            content = content[label.end() :]
        elif not self.open and (numbered := _NUMBERED.match(content)) and self._is_due(numbered):
            self._open(None)
            content = content[numbered.end() :]
        if self.open:
            self.blocks[-1].add(content)
        elif content.strip():
            self.stray = True
        if closes:
            self.open = False

    def _label(self, label: re.Match[str]) -> None:
        if label["hashes"]:
            self.open = False
        part = label["part"].lower()
        number = int(label["number"]) if label["number"] else None
        # An input whose instruction never came gets a block too, to be counted as empty.
        if part == "instruction" or not self.open:
            self._open(number)
        self.blocks[-1].begin(part, number)

    def _open(self, number: int | None) -> None:
        self.blocks.append(_Block(self._due() if number is None else number))
        self.open = True

    def _is_due(self, numbered: re.Match[str]) -> bool:
        return int(numbered["number"]) == self._due()

    def _due(self) -> int:
        return self.blocks[-1].number + 1


def _without_separator(line: str) -> tuple[str, bool]:
    """Return a line without the `###` that ends it, and whether there was one."""
    stripped = line.rstrip()
    bare = stripped.rstrip("#")
    return (bare, True) if len(stripped) - len(bare) >= 3 else (line, False)


def _input(text: str) -> str:
    return "" if text.lower() in _NO_INPUT else text
