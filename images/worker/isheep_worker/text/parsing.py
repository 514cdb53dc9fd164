"""The parser of completions of the meta prompt: from a text to tasks (§3.1).

The prompt shows numbered examples and ends with `6. Instruction:`, so a completion begins in the
middle of a task and should continue like this:

     Name two uses of vinegar.
    6. Input:
    <noinput>
    ###
    7. Instruction: …

Models follow this form only roughly, and small models follow it less. The parser accepts
deviations, because a rule can still drop a bad task, but nothing restores a lost one. It accepts

- labels without a number, in bold, or with a number that starts again or skips;
- a label `Output:`, whose text is ignored unless the prompt asked for whole tasks;
- a task without `Input:`, and a missing `###`;
- a numbered line without a label, if the number is the expected one.

The parser counts what it cannot read, by kind, so that the report shows when a model does not
understand the prompt.

If a completion ended by length, its last task may be incomplete. That task is dropped unless a
`###` or the label of the next task closed it. The released scripts always drop the last task
(`Always`).

Texts are hostile. The parser reads each line once, and its patterns are bounded and possessive, so
a line of a megabyte takes time linear in its length. No row can contain half of a surrogate pair,
so each half becomes U+FFFD; the rules drop such tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from isheep.contract.choices import DropLast
from isheep_worker.text.comparison import visible
from isheep_worker.text.parse_failures import ParseFailure


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """A task as the model wrote it; `position` counts the tasks of a completion from 1.

    `output` is None if the form of the list has no outputs.
    """

    position: int
    instruction: str
    input: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """The tasks of a completion, and the number of failures of each kind.

    A completion counts as one failure of kind `parse-unlabelled` even if it has several texts
    outside of tasks. `failures` maps a `ParseFailure` to its count.
    """

    tasks: tuple[ParsedTask, ...]
    failures: Mapping[str, int]


def parse_completion(
    text: str,
    *,
    first_number: int,
    cut: bool,
    drop_last: DropLast = "IfCut",
    outputs: bool = False,
) -> ParsedCompletion:
    """Return the tasks of one completion.

    The function takes time linear in the length of the text and never fails.

    Args:
        text: The completion.
        first_number: The number at the end of the prompt.
        cut: Whether the completion ended by length.
        drop_last: Whether the last task is dropped only if it was cut, or always, as the paper's
            released scripts do.
        outputs: Whether the prompt asked for tasks with outputs.

    Returns:
        The tasks in their order, and the failures by kind.
    """
    reader = _Reader(first_number)
    for line in without_surrogates(text).split("\n"):
        reader.read(line)
    failures: Counter[str] = Counter()
    if reader.stray:
        failures[ParseFailure.UNLABELLED] += 1
    blocks = reader.blocks
    if blocks and (drop_last == "Always" or (cut and reader.open)):
        blocks.pop()
        failures[ParseFailure.CUT] += 1
    tasks: list[ParsedTask] = []
    for block in blocks:
        instruction = block.text("instruction")
        output = block.text("output") if outputs else None
        failure = block.failure if visible(instruction) else ParseFailure.EMPTY_INSTRUCTION
        if failure is None and output is not None and not visible(output):
            failure = ParseFailure.MISSING_OUTPUT
        if failure:
            failures[failure] += 1
        else:
            task_input = _input(block.text("input"))
            tasks.append(ParsedTask(len(tasks) + 1, instruction, task_input, output))
    return ParsedCompletion(tuple(tasks), dict(failures))


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair.

    No row can contain half of a surrogate pair, because rows are UTF-8.
    """
    return _SURROGATE.sub("\ufffd", text)


_SURROGATE = re.compile("[\ud800-\udfff]")
# Hashes, bold marks and a number may precede a label. All repetitions are bounded and possessive.
_LABEL = re.compile(
    r"[ \t]{0,8}+(?P<hashes>#{1,8}+)?+[ \t]{0,8}+\*{0,2}+(?:(?P<number>\d{1,4}+)[ \t]?+[.):])?+"
    r"[ \t]{0,8}+\*{0,2}+(?P<part>instruction|input|output)\*{0,2}+[ \t]{0,8}+:\*{0,2}+",
    re.IGNORECASE | re.ASCII,
)
_NUMBERED = re.compile(r"[ \t]{0,8}+(?P<number>\d{1,4}+)[.)][ \t]++(?=\S)", re.ASCII)
_NO_INPUT = frozenset({"<noinput>", "<no input>", "(noinput)", "[noinput]", "noinput"})


@dataclass(slots=True)
class _Block:
    """The lines of one task, by the part of the task that they belong to."""

    number: int
    part: str = "instruction"
    lines: dict[str, list[str]] = field(default_factory=dict)
    failure: ParseFailure | None = None

    def begin(self, part: str, number: int | None) -> None:
        if number not in (None, self.number):
            self.failure = ParseFailure.BROKEN_NUMBERING
        elif part == "input" and part in self.lines:
            self.failure = ParseFailure.REPEATED_INPUT
        self.part = part

    def add(self, content: str) -> None:
        self.lines.setdefault(self.part, []).append(content)

    def text(self, part: str) -> str:
        return "\n".join(self.lines.get(part, ())).strip()


class _Reader:
    """Collects blocks from lines; `open`: the next line may belong to the last block."""

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
        # An input without an instruction gets a block too, so that it counts as a failure.
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
    bare = visible(text)
    return "" if not bare or bare.lower() in _NO_INPUT else text
