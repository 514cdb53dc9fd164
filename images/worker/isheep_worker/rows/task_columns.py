"""The columns of public data sets as one kind of task: instruction, inputs and responses.

| columns | known from |
|---|---|
| `instruction`, `input`, `output` or `response` | Alpaca, LLaMA-Factory, I-SHEEP |
| `instruction`, `instances` of `input` and `output` | Self-Instruct |
| `instruction`, `context`, `response` | Dolly |
| `prompt`, `completion` (texts or lists of messages), `chosen` | TRL, `isheep export` |
| `messages`, `conversations` | chat data, ShareGPT, LIMA |

A column that is null counts as absent. Two columns with different content are an error, because
only the user knows which one is correct. A column that is not read is counted by name, so the user
learns of every column that is left out.

A cell of CSV is a text, and some tools write lists as texts in other files too. So a column whose
value is a list may be a text with this list as JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from isheep_worker.rows.conversations import Exchange, first_exchange, history_exchange
from isheep_worker.rows.records import (
    CONVERSATIONS,
    NO_INPUT,
    RecordError,
    json_type,
    text_field,
)

INPUTS = ("input", "context")
RESPONSES = ("response", "output", "completion", "chosen")
_LISTS = (*CONVERSATIONS, "history", "instances")
_TEXTS_OR_LISTS = ("prompt", "completion", "chosen")
_MESSAGES = re.compile(r"\s*\[\s*\{\s*[\"'](?:role|content|from|value)[\"']\s*:.*\]\s*", re.DOTALL)
"""A text that is a list of messages and no task, in JSON or as Python shows it."""
_SYSTEMS = ("system", "system_prompt")
_PLAIN = frozenset({"instruction", "input", "output", "instances", "id", "name"})
_READ = frozenset(
    {
        *_PLAIN,
        *INPUTS,
        *RESPONSES,
        *CONVERSATIONS,
        *_SYSTEMS,
        "is_classification",
        "prompt",
        "history",
        # `isheep export` writes these.
        "finish_reason",
        "scores",
        "provenance",
        "rejected",
    }
)
_ALIASES = _READ - _PLAIN - {"is_classification", "finish_reason", "scores", "provenance"}
_MAX_NAMES = 10


@dataclass(frozen=True, slots=True)
class Instance:
    """An input of a task and its response; `answered` is False if the record has no response."""

    input: str
    response: str
    answered: bool


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task with its instances, at least one.

    `plain` is True if the record has only the columns of Alpaca and Self-Instruct.
    """

    instruction: str
    instances: tuple[Instance, ...]
    plain: bool


class TaskReader:
    """Reads the records of one file, and counts what it leaves out."""

    def __init__(self) -> None:
        self._ignored: Counter[str] = Counter()
        self._systems = self._conversations = self._messages = 0

    def read(self, record: dict[str, Any], where: str) -> TaskRecord:
        """Return the task of a record.

        Args:
            record: The record as a JSON object.
            where: The file and the place of the record, for messages.

        Returns:
            The task; texts have no surrounding white space, and the input `<noinput>` is empty.

        Raises:
            RecordError: A column is missing, has the wrong type, or contradicts another column.
        """
        columns = without_nulls(_with_lists(record, where))
        exchange = _exchange(columns, where)
        instances: tuple[Instance, ...]
        if exchange is not None and columns.get("history"):
            answer = exchange.assistant
            instruction = exchange.user
            instances = (Instance("", answer or "", answer is not None),)
        else:
            instruction = _instruction(columns, exchange, where)
            instances = _instances(columns, exchange, where)
        self._count(columns, exchange)
        return TaskRecord(instruction, instances, plain=not _ALIASES & columns.keys())

    def notes(self) -> list[str]:
        """Return what was left out of the records so far, one line for each kind."""
        notes = []
        if self._ignored:
            names = [f"{name!r} ({count})" for name, count in self._ignored.most_common(_MAX_NAMES)]
            more = len(self._ignored) - len(names)
            rest = f" and {more} more" if more else ""
            notes.append(f"ignored columns (records): {', '.join(names)}{rest}")
        if self._conversations:
            notes.append(
                f"later turns: {self._messages} messages of {self._conversations} conversations "
                "are left out; only the first exchange is read"
            )
        if self._systems:
            notes.append(f"system messages: those of {self._systems} records are left out")
        return notes

    def _count(self, columns: dict[str, Any], exchange: Exchange | None) -> None:
        ignored = columns.keys() - _READ
        if "instances" in columns:
            ignored |= columns.keys() & {*INPUTS, *RESPONSES}
        self._ignored.update(sorted(name[:80] for name in ignored))
        named = any(columns.get(name) for name in _SYSTEMS)
        self._systems += named or (exchange is not None and exchange.has_system)
        if exchange is not None and exchange.later_messages:
            self._conversations += 1
            self._messages += exchange.later_messages


def without_nulls(record: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an object that are not null."""
    return {name: value for name, value in record.items() if value is not None}


def _with_lists(record: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the record with the lists that it has as texts; raise `RecordError` for bad JSON."""
    found = {
        name: _list_in(text, name, where)
        for name in (*_LISTS, *_TEXTS_OR_LISTS)
        if isinstance(text := record.get(name), str)
        and (text.lstrip().startswith("[") if name in _LISTS else _MESSAGES.fullmatch(text))
    }
    return record | found


def _list_in(text: str, name: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it is too deep or long"
        raise RecordError(
            f"{where}: field '{name}' is a text that is not a JSON list ({reason}); write the list "
            "as JSON with double quotes, as json.dumps does and Python's str does not"
        ) from error


def _exchange(columns: dict[str, Any], where: str) -> Exchange | None:
    """Return the first exchange of the record's conversation, or None if it has none."""
    if history := columns.get("history"):
        if not isinstance(history, list):
            raise RecordError(
                f"{where}: field 'history' is {json_type(history)}, not a list; write it as "
                '[["…", "…"]], or remove the field'
            )
        return history_exchange(history, where)
    found = [name for name in CONVERSATIONS if name in columns]
    if len(found) > 1:
        raise RecordError(
            f"{where}: fields '{found[0]}' and '{found[1]}' are both conversations; keep one"
        )
    if found:
        return first_exchange(columns[found[0]], where, found[0])
    name = next((n for n in ("completion", "chosen") if isinstance(columns.get(n), list)), None)
    answer = columns[name] if name else []
    prompt = columns.get("prompt")
    if isinstance(prompt, list):
        return first_exchange([*prompt, *answer], where, "prompt")
    # TRL also has pairs of whole conversations, without a prompt.
    return first_exchange(answer, where, name) if name and prompt is None else None


def _instruction(columns: dict[str, Any], exchange: Exchange | None, where: str) -> str:
    prompt = columns.get("prompt")
    if "instruction" not in columns:
        if exchange is not None:
            return exchange.user.strip()
        if prompt is not None:
            return text_field(columns, "prompt", where, required=True)
        names = ", ".join(sorted(name[:80] for name in columns)[:_MAX_NAMES]) or "none"
        raise RecordError(
            f"{where}: field 'instruction' is missing (the columns are: {names}); name the task "
            "instruction, prompt or messages"
        )
    instruction = text_field(columns, "instruction", where, required=True)
    # A prompt may contain more than the instruction: the input, or the text of a template.
    shown = exchange.user if exchange is not None else prompt
    if isinstance(shown, str) and instruction not in shown:
        other = next((n for n in (*CONVERSATIONS, "prompt") if n in columns), "prompt")
        raise RecordError(
            f"{where}: fields 'instruction' and '{other}' are different tasks; remove one of them"
        )
    return instruction


def _instances(
    columns: dict[str, Any], exchange: Exchange | None, where: str
) -> tuple[Instance, ...]:
    if "instances" not in columns:
        return (_instance(columns, exchange, where),)
    value = columns["instances"]
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return tuple(
            _instance(without_nulls(one), None, where, f"instances[{number}].")
            for number, one in enumerate(value)
        )
    raise RecordError(
        f"{where}: field 'instances' is not a list of objects, or the list is empty; "
        'write [{"input": "…", "output": "…"}], or remove the field'
    )


def _instance(
    columns: dict[str, Any], exchange: Exchange | None, where: str, prefix: str = ""
) -> Instance:
    task_input = _one_of(columns, INPUTS, where, prefix) or ""
    answer = None
    if exchange is not None:
        answer = exchange.assistant
        columns = {n: v for n, v in columns.items() if not isinstance(v, list)}
    named = _one_of(columns, RESPONSES, where, prefix)
    if answer and named and answer.strip() != named:
        raise RecordError(
            f"{where}: the response of the conversation and the response in a separate column "
            "differ; remove one of them"
        )
    response = named or (answer if answer is not None else named)
    return Instance(
        input="" if task_input.lower() == NO_INPUT else task_input,
        response=(response or "").strip(),
        answered=response is not None,
    )


def _one_of(columns: dict[str, Any], names: tuple[str, ...], where: str, prefix: str) -> str | None:
    """Return the text of the columns that mean the same, or None if the record has none of them.

    A blank column is ignored if another one has a text. Raises `RecordError` if two texts differ.
    """
    texts = {
        name: text_field(columns, name, where, prefix=prefix) for name in names if name in columns
    }
    written = {name: text for name, text in texts.items() if text}
    if len(set(written.values())) > 1:
        one, other, *_ = written
        raise RecordError(
            f"{where}: fields '{prefix}{one}' and '{prefix}{other}' are different texts for the "
            "same thing; remove one of them"
        )
    return next(iter(written.values()), "" if texts else None)
