"""The rules over anybody's data: what `isheep filter` does to each line of a file.

A line is a JSON object with an `instruction`, and an `input` and a response (`response`
or `output`) where it has them; or, in Self-Instruct's form, `instances` of input and
output, of which none may break a rule. Rules over a pair are asked where a response is
there, so the same call filters instructions before they are answered and pairs after.
Rules over all pairs of a task are not asked: lines are looked at one instance at a time.

Rules are tried in the order in which they are named, and the first that objects is the
line's. A line joins the pool with which later ones are compared only if it is kept, as
in a run. What cannot be read is a drop like any other: one line in ten thousand must
not cost the others. Memory grows with the kept lines alone.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.curation.pool_rules import CONTAMINATION, ROUGE, contamination, repetition
from isheep_worker.rows.records import NO_INPUT, RecordError, json_object, text_field
from isheep_worker.rules.counts import shortened
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.sets import RULE_SETS, RuleSet, rule_names, rule_set, rules_named

UNREADABLE = "unreadable"
MAX_LINE_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Row:
    """An instance of a line; `answered` says whether there is a response at all."""

    instruction: str
    input: str
    response: str
    answered: bool


class RuleNameError(ValueError):
    """A name is neither a rule's nor a rule set's, or its rule lacks what it needs."""


_Step = Callable[[Row], Drop | None]


class Filter:
    """Named rules in order, with the pool of what was kept."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        language: str = "en",
        max_rouge_l: float = 0.7,
        decontaminator: Decontaminator | None = None,
    ) -> None:
        """Take names of rules and of rule sets, `rouge` and `contamination` among them.

        Of a set, rules that assume English apply where the language is English only.
        Raises `RuleNameError`.
        """
        self._deduplicator = Deduplicator(max_rouge_l)
        self._remembers = ROUGE in names
        self._decontaminator = decontaminator
        self._steps = [self._step(name, language) for name in names]

    def extend_pool(self, instructions: Iterable[str]) -> None:
        """Add instructions that none may repeat."""
        self._deduplicator.extend_pool(instructions)

    def check(self, rows: Sequence[Row]) -> Drop | None:
        """Return the first objection to a line's rows, or None; then it has joined the pool."""
        for step in self._steps:
            for row in rows:
                if drop := step(row):
                    return drop
        if self._remembers:
            self._deduplicator.add(rows[0].instruction)
        return None

    def _step(self, name: str, language: str) -> _Step:
        if name == ROUGE:
            return lambda row: repetition(self._deduplicator, row.instruction)
        if name == CONTAMINATION:
            if (decontaminator := self._decontaminator) is None:
                raise RuleNameError(f"the rule {name} needs benchmark files to compare with")
            return lambda row: contamination(decontaminator, row)
        if name in RULE_SETS:
            return _applied(rule_set(name, language))
        if name in rule_names():
            return _applied(rules_named(name))
        known = ", ".join([*RULE_SETS, ROUGE, CONTAMINATION, *rule_names()])
        raise RuleNameError(f"there is no rule or rule set {name!r}; there are {known}")


def _applied(rules: RuleSet) -> _Step:
    def step(row: Row) -> Drop | None:
        drop = first_drop(rules.instruction_rules, row)
        return first_drop(rules.pair_rules, row) if drop is None and row.answered else drop

    return step


def verdicts(chosen: Filter, lines: Iterable[bytes]) -> Iterator[Drop | None]:
    """Yield for each line, in order, why it is dropped, or None where it is kept.

    Details are cut to 200 characters, as in a run's report: one may be a megabyte, and
    the same for every line.
    """
    for number, line in enumerate(lines, start=1):
        try:
            drop = chosen.check(read_rows(line, f"line {number}"))
        except RecordError as error:
            drop = Drop(UNREADABLE, str(error))
        yield drop and Drop(drop.rule, shortened(drop.detail))


def read_pool(lines: Iterable[bytes], source_name: str) -> Iterator[str]:
    """Yield the instructions of a file; blank lines are skipped. Raises `RecordError`."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield read_rows(line, f"{source_name}, line {number}")[0].instruction


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream's lines, the first without a byte order mark.

    Of a line above 16 MiB so much is held and yielded as shows `read_rows` that it is.
    """
    mark = codecs.BOM_UTF8
    while line := stream.readline(MAX_LINE_BYTES + 1):
        piece = line
        while len(piece) > MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = stream.readline(MAX_LINE_BYTES + 1)
        yield line.removeprefix(mark)
        mark = b""


def read_rows(line: bytes, where: str) -> tuple[Row, ...]:
    """Return a line's rows, one an instance and at least one; null is as good as absent.

    Raises `RecordError`.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RecordError(f"{where}: is above {MAX_LINE_BYTES >> 20} MiB; split it or remove it")
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
        f"{where}: field 'instances' is no list of objects, or an empty one; "
        'write it as [{"input": "…", "output": "…"}], or leave it out'
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
