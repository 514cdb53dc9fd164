"""The questions of a judgement with grades: one or two turns, a category and references.

A row has `turns` as in MT-Bench's file, or a task in one of the forms that `rows.task_columns`
reads, which is one turn. `category` groups questions in the figures. `reference` is a correct
answer that the judge sees: a text for the first turn, or a list with a text for each turn. An empty
text, or a list that is shorter than the turns, leaves a turn without a reference.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import MOST_TURNS
from isheep_worker.evaluation.drawing import Share, drawn, item_hash
from isheep_worker.judging.questions import question_id, read_rows, refuse_repeated_ids
from isheep_worker.rows.data_files import Record
from isheep_worker.rows.records import RecordError, json_type, text_field
from isheep_worker.rows.task_columns import TaskReader

_NAMES = ("turns", "reference", "category")


@dataclass(frozen=True, slots=True)
class GradedQuestion:
    """A question to the graded models.

    `turns` has one or two texts, and `references` has the reference of each turn, "" if there is
    none. `input` belongs to the first turn. `category` is "" if the file has none.
    """

    id: str
    turns: tuple[str, ...]
    input: str
    references: tuple[str, ...]
    category: str = ""


def read_graded_questions(data: bytes, name: str) -> list[GradedQuestion]:
    """Return the questions of a file, in order.

    Args:
        data: The bytes of the file, in a format that `rows.data_files` reads.
        name: The name of the file in messages.

    Raises:
        BadInputError: The file has no questions or cannot be read, a row has no question or more
            than two turns, two rows have the same id, or a reference or category is no text.
    """
    reader = TaskReader()
    found = read_rows(data, name, lambda record: _question(record, reader))
    refuse_repeated_ids([one.id for one in found], name)
    return found


def drawn_graded(questions: Sequence[GradedQuestion], limit: int | None) -> list[GradedQuestion]:
    """Return at most `limit` questions in their order, drawn by a hash of the question."""
    hashes = [item_hash([*one.turns, one.input]) for one in questions]
    return [questions[number] for number in drawn(hashes, Share(), limit)]


def load_graded(content: bytes) -> list[GradedQuestion]:
    """Return the questions of `questions.dump_questions`."""
    return [_loaded(json.loads(line)) for line in content.splitlines()]


def _loaded(row: dict[str, Any]) -> GradedQuestion:
    lists = {name: tuple(row[name]) for name in ("turns", "references")}
    return GradedQuestion(**{**row, **lists})


def _question(record: Record, reader: TaskReader) -> GradedQuestion:
    columns, where = record.object(), record.place
    turns = _turns(columns.get("turns"), where)
    task = {name: value for name, value in columns.items() if name not in _NAMES}
    if turns:
        task["instruction"] = turns[0]
    read = reader.read(task, where)
    turns = turns or [read.instruction]
    return GradedQuestion(
        id=question_id(columns, record),
        turns=(read.instruction, *turns[1:]),
        input=read.instances[0].input,
        references=_references(columns.get("reference"), len(turns), where),
        category=_text(columns.get("category"), "category", where),
    )


def _turns(value: Any, where: str) -> list[str]:
    """Return the turns of a row without outer white space; none if it has no such column."""
    if value is None:
        return []
    if not isinstance(value, list) or not value:
        raise RecordError(
            f"{where}: field 'turns' is {json_type(value)}; write a list of one or two texts"
        )
    if len(value) > MOST_TURNS:
        raise RecordError(
            f"{where}: field 'turns' has {len(value)} questions, and a judge grades at most "
            f"{MOST_TURNS}: remove the later ones"
        )
    return [
        text_field({name: one}, name, where, required=True)
        for name, one in ((f"turns[{number}]", one) for number, one in enumerate(value))
    ]


def _references(value: Any, turns: int, where: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    if len(given) > turns:
        raise RecordError(
            f"{where}: field 'reference' has {len(given)} texts, and the question has {turns} "
            "turns; write at most one text for each turn"
        )
    found = [_text(one, "reference", where) for one in given]
    return (*found, *[""] * (turns - len(found)))


def _text(value: Any, name: str, where: str) -> str:
    return "" if value is None else text_field({name: value}, name, where)
