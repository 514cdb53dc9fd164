"""The rules over data that did not come from a run: the decisions of `isheep filter`.

A record is one task in the columns of a public data set (see `rows.task_columns`). In
Self-Instruct's form, a record has `instances` of input and output, and no instance may break a
rule. The rules over a pair apply if the record has a response, so the same call filters
instructions before they have responses and pairs afterwards. The rules over all pairs of a task do
not apply, because the instances are checked one by one.

The rules apply in the order of their names, and the first rule that drops the record decides. As in
a run, only a kept record joins the pool with which later records are compared. A record that cannot
be read is a drop like any other, so one bad line in ten thousand does not stop the command. The
memory grows with the kept records only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from isheep.contract.choices import MAX_ROUGE_L, Thinking
from isheep.contract.rule_names import current_name
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.curation.pool_rules import contamination, repetition
from isheep_worker.rows.data_files import Record
from isheep_worker.rows.records import RecordError
from isheep_worker.rows.task_columns import TaskReader
from isheep_worker.rules.counts import shortened
from isheep_worker.rules.drop_reasons import CONTAMINATION, ROUGE_L, UNREADABLE
from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.sets import RULE_SETS, RuleSet, rule_names, rule_set, rules_named
from isheep_worker.text.thoughts import without_thoughts


@dataclass(frozen=True, slots=True)
class Row:
    """An instance of a record; `answered` is True if the instance has a response.

    `finish_reason` is that of a record which `isheep export` wrote, and otherwise empty.
    """

    instruction: str
    input: str
    response: str
    answered: bool
    finish_reason: str = ""


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
        thinking: Thinking | None = None,
    ) -> None:
        """Take the names of rules and of rule sets.

        Args:
            names: The names, in the order in which the rules apply. `rouge-l` and `contamination`
                are rules too. The spellings of earlier versions are accepted.
            language: The language of the lines. Rules of a set that assume English apply to English
                only; a rule that is named applies to every language.
            max_rouge_l: The threshold of `rouge-l`, between 0 and 1.
            decontaminator: The benchmarks of `contamination`.
            thinking: With Keep, all rules see a response without the thoughts before its answer,
                as in a run with `responses.thinking: Keep`.

        Raises:
            RuleNameError: A name is unknown, or `contamination` has no benchmarks.
        """
        names = [current_name(name) for name in names]
        self._deduplicator = Deduplicator(max_rouge_l)
        self._has_pool = ROUGE_L.name in names
        self._decontaminator = decontaminator
        self._thinking = thinking
        self._steps = [self._step(name, language) for name in names]

    def extend_pool(self, instructions: Iterable[str]) -> None:
        """Add instructions that no line may repeat."""
        self._deduplicator.extend_pool(instructions)

    def check(self, rows: Sequence[Row]) -> Drop | None:
        """Return the first drop of a line's rows, or add the line to the pool and return None."""
        if self._thinking == "Keep":
            rows = [replace(row, response=without_thoughts(row.response)) for row in rows]
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


def decisions(
    chosen: Filter, records: Iterable[Record], tasks: TaskReader
) -> Iterator[Drop | None]:
    """Yield the decision on each record, in order.

    Args:
        chosen: The rules and the pool.
        records: The records of a data file.
        tasks: Reads the records, and counts what it leaves out.

    Yields:
        The drop of the record, or None if the record is kept. A detail is cut to 200 characters, as
        in the report of a run, because it can be a megabyte long and the same for every record.
    """
    for record in records:
        try:
            drop = chosen.check(read_rows(record, tasks))
        except RecordError as error:
            drop = Drop(UNREADABLE.name, str(error))
        yield drop and Drop(drop.rule, shortened(drop.detail))


def read_pool(records: Iterable[Record]) -> Iterator[str]:
    """Yield the instructions of a data file without its blank lines.

    Raises `RecordError` for a record that cannot be read.
    """
    tasks = TaskReader()
    for record in records:
        if not record.blank:
            yield tasks.read(record.object(), record.place).instruction


def read_rows(record: Record, tasks: TaskReader) -> tuple[Row, ...]:
    """Return the rows of a record: one for each instance, and at least one.

    Raises `RecordError` if the record cannot be read.
    """
    columns = record.object()
    task = tasks.read(columns, record.place)
    reason = columns.get("finish_reason")
    finish_reason = reason if isinstance(reason, str) else ""
    return tuple(
        Row(task.instruction, instance.input, instance.response, instance.answered, finish_reason)
        for instance in task.instances
    )
