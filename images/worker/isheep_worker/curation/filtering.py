"""The rules over data that did not come from a run: the decisions of `isheep filter`.

A line is a JSON object with an `instruction` and optionally an `input` and a response (`response`
or `output`). In Self-Instruct's form, a line has `instances` of input and output, and no instance
may break a rule. The rules over a pair apply if the line has a response, so the same call filters
instructions before they have responses and pairs afterwards. The rules over all pairs of a task do
not apply, because the instances are checked one by one.

The rules apply in the order of their names, and the first rule that drops the line decides. As in a
run, only a kept line joins the pool with which later lines are compared. A line that cannot be read
is a drop like any other, so one bad line in ten thousand does not stop the command. The memory
grows with the kept lines only.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from isheep.contract.choices import MAX_ROUGE_L
from isheep.contract.rule_names import current_name
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.curation.pool_rules import contamination, repetition
from isheep_worker.rows.records import NO_INPUT, RecordError, json_object, text_field
from isheep_worker.rules.counts import shortened
from isheep_worker.rules.drop_reasons import CONTAMINATION, ROUGE_L, UNREADABLE
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.sets import RULE_SETS, RuleSet, rule_names, rule_set, rules_named

MAX_LINE_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Row:
    """An instance of a line; `answered` is True if the instance has a response."""

    instruction: str
    input: str
    response: str
    answered: bool


class RuleNameError(ValueError):
    """A name is not that of a rule or a rule set, or its rule needs benchmarks and has none."""


_Step = Callable[[Row], Drop | None]


class Filter:
    """Named rules in order, with the pool of the kept lines."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        language: str = "en",
        max_rouge_l: float = MAX_ROUGE_L,
        decontaminator: Decontaminator | None = None,
    ) -> None:
        """Take the names of rules and of rule sets.

        Args:
            names: The names, in the order in which the rules apply. `rouge-l` and `contamination`
                are rules too. The spellings of earlier versions are accepted.
            language: The language of the lines. Rules of a set that assume English apply to English
                only; a rule that is named applies to every language.
            max_rouge_l: The threshold of `rouge-l`, between 0 and 1.
            decontaminator: The benchmarks of `contamination`.

        Raises:
            RuleNameError: A name is unknown, or `contamination` has no benchmarks.
        """
        names = [current_name(name) for name in names]
        self._deduplicator = Deduplicator(max_rouge_l)
        self._has_pool = ROUGE_L.name in names
        self._decontaminator = decontaminator
        self._steps = [self._step(name, language) for name in names]

    def extend_pool(self, instructions: Iterable[str]) -> None:
        """Add instructions that no line may repeat."""
        self._deduplicator.extend_pool(instructions)

    def check(self, rows: Sequence[Row]) -> Drop | None:
        """Return the first drop of a line's rows, or add the line to the pool and return None."""
        for step in self._steps:
            for row in rows:
                if drop := step(row):
                    return drop
        if self._has_pool:
            self._deduplicator.add(rows[0].instruction)
        return None

    def _step(self, name: str, language: str) -> _Step:
        if name == ROUGE_L.name:
            return lambda row: repetition(self._deduplicator, row.instruction)
        if name == CONTAMINATION.name:
            if (decontaminator := self._decontaminator) is None:
                raise RuleNameError(
                    f"the rule {name} needs benchmark files; add them with --decontaminate"
                )
            return lambda row: contamination(decontaminator, row)
        if name in RULE_SETS:
            return _applied(rule_set(name, language))
        if name in rule_names():
            return _applied(rules_named(name))
        known = ", ".join([*RULE_SETS, ROUGE_L.name, CONTAMINATION.name, *rule_names()])
        raise RuleNameError(f"there is no rule or rule set {name!r}; use one of {known}")


def _applied(rules: RuleSet) -> _Step:
    def step(row: Row) -> Drop | None:
        drop = first_drop(rules.instruction_rules, row)
        return first_drop(rules.pair_rules, row) if drop is None and row.answered else drop

    return step


def decisions(chosen: Filter, lines: Iterable[bytes]) -> Iterator[Drop | None]:
    """Yield the decision on each line, in order.

    Args:
        chosen: The rules and the pool.
        lines: The lines, as `lines_of` yields them.

    Yields:
        The drop of the line, or None if the line is kept. A detail is cut to 200 characters, as in
        the report of a run, because it can be a megabyte long and the same for every line.
    """
    for number, line in enumerate(lines, start=1):
        try:
            drop = chosen.check(read_rows(line, f"line {number}"))
        except RecordError as error:
            drop = Drop(UNREADABLE.name, str(error))
        yield drop and Drop(drop.rule, shortened(drop.detail))


def read_pool(lines: Iterable[bytes], source_name: str) -> Iterator[str]:
    """Yield the instructions of a file without its blank lines.

    Raises `RecordError` for a line that cannot be read.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield read_rows(line, f"{source_name}, line {number}")[0].instruction


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a stream, the first one without a byte order mark.

    A line above 16 MiB is cut to the limit and one byte, so `read_rows` sees that it is too long.
    """
    mark = codecs.BOM_UTF8
    while line := stream.readline(MAX_LINE_BYTES + 1):
        piece = line
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE_BYTES + 1)
        yield line.removeprefix(mark)
        mark = b""


def read_rows(line: bytes, where: str) -> tuple[Row, ...]:
    """Return the rows of a line: one for each instance, and at least one.

    A field with the value null counts as absent. Raises `RecordError` if the line cannot be read;
    `where` names the line in the message.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RecordError(
            f"{where}: is longer than {MAX_LINE_BYTES >> 20} MiB; split it or remove it"
        )
    record = _without_nulls(json_object(line, where))
    instruction = text_field(record, "instruction", where, required=True)
    if "instances" not in record:
        return (_row(instruction, record, where),)
    return tuple(
        _row(instruction, instance, where, f"instances[{number}].")
        for number, instance in enumerate(_instances(record["instances"], where))
    )


def _instances(value: object, where: str) -> list[dict[str, Any]]:
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return [_without_nulls(one) for one in value]
    raise RecordError(
        f"{where}: field 'instances' is not a list of objects, or the list is empty; "
        'write [{"input": "…", "output": "…"}], or remove the field'
    )


def _row(instruction: str, instance: dict[str, Any], where: str, prefix: str = "") -> Row:
    task_input = text_field(instance, "input", where, prefix=prefix)
    response = next((name for name in ("response", "output") if name in instance), None)
    return Row(
        instruction=instruction,
        input="" if task_input.lower() == NO_INPUT else task_input,
        response=text_field(instance, response, where, prefix=prefix) if response else "",
        answered=response is not None,
    )


def _without_nulls(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}
