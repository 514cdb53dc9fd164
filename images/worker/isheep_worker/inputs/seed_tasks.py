"""Seed tasks: the examples in the prompts for new instructions.

The file is a data file of any format that `rows.data_files` reads, with the columns that
`rows.task_columns` knows, such as Self-Instruct's, Alpaca's and Dolly's. If a task has several
instances, only the first is used, because the method shows one input for each task. Other columns
are ignored, because users' files contain their notes; `SeedFile.notes` names them.

prepare reads the seed tasks before a GPU is requested. Every message names the file, the line, the
field and the remedy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from isheep.contract.reasons import Reason
from isheep_worker.rows.data_files import Record, open_bytes
from isheep_worker.rows.records import RecordError, json_type
from isheep_worker.rows.task_columns import TaskReader
from isheep_worker.runtime.errors import WorkerError

DEFAULT_SOURCE = "the built-in seed tasks"


@dataclass(frozen=True, slots=True)
class SeedTask:
    """One seed task; `input` is empty if the task needs no input."""

    id: str
    instruction: str
    input: str
    output: str
    is_classification: bool = False


@dataclass(frozen=True, slots=True)
class SeedFile:
    """The seed tasks of a user's file.

    `document` is the file that later stages read: the user's bytes if they are plain JSON Lines
    with Alpaca's or Self-Instruct's columns, and otherwise the tasks in that form. So a key depends
    on the tasks that a run sees, and later stages need no library for packed files or Parquet.
    `notes` name what the file contains and no stage reads.
    """

    tasks: list[SeedTask]
    document: bytes
    notes: list[str]


class SeedTaskError(WorkerError, RecordError):
    """A seed file cannot be used; the message names the file, line, field and remedy."""

    reason = Reason.BAD_SEED_TASKS


def default_seed_tasks() -> list[SeedTask]:
    """Return the seed tasks that the worker contains (`seedTasks: {builtin: Default}`)."""
    return read_seed_tasks(default_seed_bytes(), DEFAULT_SOURCE)


def default_seed_bytes() -> bytes:
    """Return the bytes of the built-in seed file, for hashing and copying."""
    return resources.files("isheep_worker").joinpath("data/seed_tasks.jsonl").read_bytes()


def read_seed_tasks(data: bytes, source_name: str, limit: int | None = None) -> list[SeedTask]:
    """Return the tasks of `read_seed_file`, with the same arguments and errors."""
    return read_seed_file(data, source_name, limit).tasks


def read_seed_file(data: bytes, source_name: str, limit: int | None = None) -> SeedFile:
    """Parse the seed tasks of a file.

    Args:
        data: The bytes of the file; a byte order mark and blank lines are allowed.
        source_name: The name of the file in messages.
        limit: The largest unpacked size in bytes, or None.

    Returns:
        The seed tasks in the order of the file.

    Raises:
        SeedTaskError: The file has no tasks, cannot be unpacked, a record is not a JSON object in
            UTF-8, a field is missing, blank or of the wrong type, two fields contradict each other,
            or two tasks have the same id.
    """
    try:
        return _seed_file(data, source_name, limit)
    except SeedTaskError:
        raise
    except RecordError as error:
        raise SeedTaskError(str(error)) from error


def _seed_file(data: bytes, source_name: str, limit: int | None) -> SeedFile:
    source = open_bytes(data, source_name, limit)
    reader = TaskReader()
    tasks: list[SeedTask] = []
    place_of_id: dict[str, str] = {}
    plain = source.is_lines and not source.is_packed
    for record in source.records():
        if record.blank:
            continue
        task, has_known_columns = _task(record, reader)
        plain = plain and has_known_columns
        first = place_of_id.setdefault(task.id, record.position)
        if first != record.position:
            raise SeedTaskError(
                f"{record.place}: field 'id': {task.id!r} is also the id of {first}; "
                "use a different id for each seed task, or remove the ids"
            )
        tasks.append(task)
    if not tasks:
        raise SeedTaskError(
            f"{source_name}: the file has no seed tasks; write one JSON object a line, such as "
            '{"instruction": "Name three rivers.", "input": "", "output": "Nile, Amazon, Rhine."}'
        )
    return SeedFile(tasks, data if plain else _document(tasks), reader.notes())


def _document(tasks: Sequence[SeedTask]) -> bytes:
    return b"".join(json.dumps(asdict(task), ensure_ascii=False).encode() + b"\n" for task in tasks)


def check_enough_seed_tasks(
    tasks: Sequence[SeedTask],
    examples_per_prompt: int,
    source_name: str,
    field: str = "spec.instructions.examplesPerPrompt",
) -> None:
    """Raise `SeedTaskError` if a prompt needs more examples than there are seed tasks."""
    if len(tasks) < examples_per_prompt:
        raise SeedTaskError(
            f"{source_name}: the file has {len(tasks)} seed tasks, but "
            f"{field} is {examples_per_prompt}; "
            "add seed tasks or lower examplesPerPrompt"
        )


def check_outputs(tasks: Sequence[SeedTask], source_name: str) -> None:
    """Raise `SeedTaskError` if a seed task has no output; for prompts that show outputs."""
    for task in tasks:
        if not task.output:
            raise SeedTaskError(
                f"{source_name}: field 'output' of the seed task {task.id} is missing or blank; "
                "the recipe's prompts show whole tasks: write the output of the task"
            )


def _task(record: Record, reader: TaskReader) -> tuple[SeedTask, bool]:
    """Return the task, and whether the record has the columns of Alpaca or Self-Instruct only."""
    columns, where = record.object(), record.place
    if isinstance(instances := columns.get("instances"), list):
        columns = columns | {"instances": instances[:1]}
    task = reader.read(columns, where)
    is_classification = columns.get("is_classification")
    if is_classification is not None and not isinstance(is_classification, bool):
        raise SeedTaskError(
            f"{where}: field 'is_classification' is {json_type(is_classification)}; "
            "write true or false, or remove the field"
        )
    instance = task.instances[0]
    seed = SeedTask(
        id=_id(columns, record),
        instruction=task.instruction,
        input=instance.input,
        output=instance.response,
        is_classification=bool(is_classification),
    )
    return seed, task.plain


def _id(columns: dict[str, Any], record: Record) -> str:
    value = columns.get("id")
    if value is None:
        return record.label
    # A number is a valid id, but true is not. Blank ids could not be distinguished.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        kind = "blank" if isinstance(value, str) else json_type(value)
        raise SeedTaskError(
            f"{record.place}: field 'id' is {kind}; write a text or a number, or remove the field"
        )
    return value
