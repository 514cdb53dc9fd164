"""The questions of a judgement: a file of the user, and the form in which the store has it.

A row has a task in one of the forms that `rows.task_columns` reads, or `turns` as in MT-Bench's
file. A win rate compares answers to one question, so a row with a later turn is refused. `output`
is an answer for the models to be compared with, and `difficulty` is a number for the length
control; both are optional.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from isheep_worker.evaluation.drawing import Share, drawn, item_hash
from isheep_worker.rows.data_files import Record, open_bytes
from isheep_worker.rows.records import RecordError, json_type, text_field
from isheep_worker.rows.task_columns import TaskReader
from isheep_worker.runtime.errors import BadInputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_UNPACKED_BYTES = 1 << 28
_IDS = ("id", "question_id")
QuestionT = TypeVar("QuestionT")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the compared models.

    `output` is the user's own answer, "" if there is none. `difficulty` is a number of the user;
    a larger number means a more difficult question.
    """

    id: str
    instruction: str
    input: str
    output: str = ""
    difficulty: float | None = None


def read_questions(data: bytes, name: str) -> list[Question]:
    """Return the questions of a file, in order.

    Args:
        data: The bytes of the file, in a format that `rows.data_files` reads.
        name: The name of the file in messages.

    Raises:
        BadInputError: The file has no questions or cannot be read, a row has no question or several
            turns, two rows have the same id, or only some rows have a difficulty.
    """
    reader = TaskReader()
    found = read_rows(data, name, lambda record: _question(record, reader))
    refuse_repeated_ids([one.id for one in found], name)
    _check_difficulties(found, name)
    return found


def read_rows(data: bytes, name: str, question: Callable[[Record], QuestionT]) -> list[QuestionT]:
    """Return the question of each row of a file that is not blank, in order.

    Args:
        data: The bytes of the file, in a format that `rows.data_files` reads.
        name: The name of the file in messages.
        question: Returns the question of a row, or raises `RecordError`.

    Raises:
        BadInputError: The file has no questions or cannot be read, or a row has no question.
    """
    try:
        records = open_bytes(data, name, MAX_UNPACKED_BYTES).records()
        found = [question(record) for record in records if not record.blank]
    except RecordError as error:
        raise BadInputError(str(error)) from error
    if not found:
        raise BadInputError(
            f"{name}: has no questions; write one JSON object a line, such as "
            '{"instruction": "Name three rivers."}'
        )
    return found


def refuse_repeated_ids(ids: Iterable[str], name: str) -> None:
    """Raise `BadInputError` if two rows of a file have the same id."""
    repeated = [id_ for id_, count in Counter(ids).items() if count > 1]
    if repeated:
        raise BadInputError(
            f"{name}: {len(repeated)} ids belong to several rows, the first one is "
            f"{repeated[0]!r}; give each row its own id, or remove the ids"
        )


def drawn_questions(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """Return at most `limit` questions in their order, drawn by a hash of the question."""
    hashes = [item_hash([one.instruction, one.input]) for one in questions]
    return [questions[number] for number in drawn(hashes, Share(), limit)]


def dump_questions(questions: Iterable[DataclassInstance]) -> bytes:
    """Return questions of any kind as lines of JSON."""
    return b"".join(
        json.dumps(asdict(one), ensure_ascii=False, sort_keys=True).encode() + b"\n"
        for one in questions
    )


def load_questions(content: bytes) -> list[Question]:
    """Return the questions of `dump_questions`."""
    return [Question(**json.loads(line)) for line in content.splitlines()]


def _question(record: Record, reader: TaskReader) -> Question:
    columns, where = record.object(), record.place
    turns = columns.get("turns")
    if turns is not None:
        columns = {**columns, "instruction": _only_turn(turns, where)}
        del columns["turns"]
    task = reader.read(columns, where)
    (instance,) = task.instances[:1]
    return Question(
        id=question_id(columns, record),
        instruction=task.instruction,
        input=instance.input,
        output=instance.response,
        difficulty=_difficulty(columns.get("difficulty"), where),
    )


def _only_turn(turns: Any, where: str) -> Any:
    if not isinstance(turns, list) or not turns:
        raise RecordError(f"{where}: field 'turns' is {json_type(turns)}; write a list of texts")
    if len(turns) > 1:
        raise RecordError(
            f"{where}: field 'turns' has {len(turns)} questions, and a win rate compares answers "
            "to one question: keep the first one, or set kind to Grades"
        )
    return turns[0]


def question_id(columns: dict[str, Any], record: Record) -> str:
    """Return the id of a row, or its place if it has none; raise `RecordError` for a bad id."""
    for name in _IDS:
        value = columns.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
            raise RecordError(
                f"{record.place}: field '{name}' is not a text or a number with content; write "
                "one, or remove the field"
            )
        return text_field({name: str(value)}, name, record.place)
    return record.label


def _difficulty(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordError(
            f"{where}: field 'difficulty' is {json_type(value)}; write a number, or remove the "
            "field from all rows"
        )
    return float(value)


def _check_difficulties(questions: Sequence[Question], name: str) -> None:
    with_one = sum(one.difficulty is not None for one in questions)
    if 0 < with_one < len(questions):
        raise BadInputError(
            f"{name}: {with_one} of {len(questions)} rows have a difficulty; give it to all rows, "
            "or to none"
        )
