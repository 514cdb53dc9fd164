"""Seed tasks: the examples in the prompts for new instructions.

The file has one JSON object a line. Each line has one of two formats: Self-Instruct's (`id`,
`name`, `instruction`, `instances` of `input` and `output`, `is_classification`) or Alpaca's
(`instruction`, `input`, `output`). If a task has several instances, only the first is used, because
the method shows one input for each task. Other keys are ignored, because users' files contain their
notes.

prepare reads the seed tasks before a GPU is requested. Every message names the file, the line, the
field and the remedy.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeGuard

from isheep.contract.reasons import Reason
from isheep_worker.rows.records import NO_INPUT, RecordError, json_object, json_type, text_field
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


class SeedTaskError(WorkerError, RecordError):
    """A seed file cannot be used; the message names the file, line, field and remedy."""

    reason = Reason.BAD_SEED_TASKS


def default_seed_tasks() -> list[SeedTask]:
    """Return the seed tasks that the worker contains (`seedTasks: {builtin: Default}`)."""
    return read_seed_tasks(default_seed_bytes(), DEFAULT_SOURCE)


def default_seed_bytes() -> bytes:
    """Return the bytes of the built-in seed file, for hashing and copying."""
    return resources.files("isheep_worker").joinpath("data/seed_tasks.jsonl").read_bytes()


def read_seed_tasks(data: bytes, source_name: str) -> list[SeedTask]:
    """Parse the seed tasks of a file.

    Args:
        data: The bytes of the file; a byte order mark and blank lines are allowed.
        source_name: The name of the file in messages.

    Returns:
        The seed tasks in the order of the file.

    Raises:
        SeedTaskError: The file has no tasks, a line is not UTF-8 or not a JSON object, a field is
            missing, blank or of the wrong type, or two tasks have the same id.
    """
    tasks: list[SeedTask] = []
    line_of_id: dict[str, int] = {}
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{source_name}, line {number}"
        try:
            task = _task(json_object(line, where), number, where)
        except RecordError as error:
            raise SeedTaskError(str(error)) from error
        first = line_of_id.setdefault(task.id, number)
        if first != number:
            raise SeedTaskError(
                f"{where}: field 'id': {task.id!r} is also the id of line {first}; "
                "use a different id for each seed task, or remove the ids"
            )
        tasks.append(task)
    if not tasks:
        raise SeedTaskError(
            f"{source_name}: the file has no seed tasks; write one JSON object a line, such as "
            '{"instruction": "Name three rivers.", "input": "", "output": "Nile, Amazon, Rhine."}'
        )
    return tasks


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


def _task(record: dict[str, Any], number: int, where: str) -> SeedTask:
    instruction = text_field(record, "instruction", where, required=True)
    instance, prefix = record, ""
    if "instances" in record:
        instance, prefix = _first_instance(record["instances"], where), "instances[0]."
    task_input = text_field(instance, "input", where, prefix=prefix)
    is_classification = record.get("is_classification", False)
    if not isinstance(is_classification, bool):
        raise SeedTaskError(
            f"{where}: field 'is_classification' is {json_type(is_classification)}; "
            "write true or false, or remove the field"
        )
    return SeedTask(
        id=_id(record, number, where),
        instruction=instruction,
        input="" if task_input.lower() == NO_INPUT else task_input,
        output=text_field(instance, "output", where, prefix=prefix),
        is_classification=is_classification,
    )


def _first_instance(instances: object, where: str) -> dict[str, Any]:
    remedy = 'write it as [{"input": "…", "output": "…"}]'
    if not _is_list(instances):
        raise SeedTaskError(
            f"{where}: field 'instances' is {json_type(instances)}, not a list; {remedy}"
        )
    if not instances:
        raise SeedTaskError(f"{where}: field 'instances' is an empty list; {remedy}")
    first = instances[0]
    if not isinstance(first, dict):
        raise SeedTaskError(
            f"{where}: field 'instances[0]' is {json_type(first)}, not an object; {remedy}"
        )
    return first


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _id(record: dict[str, Any], number: int, where: str) -> str:
    value = record.get("id", f"line-{number}")
    # A number is a valid id, but true is not. Blank ids could not be distinguished.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise SeedTaskError(
            f"{where}: field 'id' is {'blank' if isinstance(value, str) else json_type(value)}; "
            "write a text or a number, or remove the field"
        )
    return value
