"""The columns of public data sets, conflicts between them, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isheep_worker.rows.records import RecordError
from isheep_worker.rows.task_columns import Instance, TaskReader

TASK, INPUT, ANSWER = "Name two rivers.", "Asia", "Mekong, Indus"
USER = {"role": "user", "content": TASK}
ASSISTANT = {"role": "assistant", "content": ANSWER}
SYSTEM = {"role": "system", "content": "Be brief."}


def read(record: dict[str, Any]) -> tuple[str, tuple[Instance, ...]]:
    task = TaskReader().read(record, "f, line 1")
    return task.instruction, task.instances


def notes(*records: dict[str, Any]) -> list[str]:
    reader = TaskReader()
    for record in records:
        reader.read(record, "f")
    return reader.notes()


@pytest.mark.parametrize(
    ("record", "instance"),
    [
        ({"instruction": TASK}, Instance("", "", answered=False)),
        ({"instruction": TASK, "input": "<noinput>", "output": ANSWER}, None),
        ({"instruction": f" {TASK}\n", "input": INPUT, "output": ANSWER}, (INPUT, ANSWER)),
        ({"instruction": TASK, "context": INPUT, "response": ANSWER}, (INPUT, ANSWER)),
        ({"instruction": TASK, "input": None, "context": INPUT, "output": ANSWER}, (INPUT, ANSWER)),
        ({"instruction": TASK, "input": "", "context": INPUT, "output": ANSWER}, (INPUT, ANSWER)),
        ({"instruction": TASK, "response": ANSWER, "output": ANSWER}, None),
        ({"instruction": TASK, "instances": [{"input": INPUT, "output": ANSWER}]}, (INPUT, ANSWER)),
        ({"prompt": TASK, "completion": ANSWER}, None),
        ({"prompt": [USER], "completion": [ASSISTANT]}, None),
        ({"prompt": [SYSTEM, USER], "completion": ANSWER}, None),
        ({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}, None),
        ({"chosen": [USER, ASSISTANT], "rejected": [USER, ASSISTANT]}, None),
        ({"messages": [USER, ASSISTANT]}, None),
        ({"messages": [USER]}, Instance("", "", answered=False)),
        (
            {
                "conversations": [
                    {"from": "human", "value": TASK},
                    {"from": "gpt", "value": ANSWER},
                ]
            },
            None,
        ),
        ({"conversations": [TASK, ANSWER]}, None),
        ({"messages": [{"role": "User", "content": [{"type": "text", "text": TASK}]}]}, False),
        # An export has both the messages and the columns; the columns have the input apart.
        (
            {
                "messages": [{"role": "user", "content": f"{TASK}\n\n{INPUT}"}, ASSISTANT],
                "instruction": TASK,
                "input": INPUT,
            },
            (INPUT, ANSWER),
        ),
        ({"history": [[TASK, ANSWER]], "instruction": "And two more?", "output": "Ob"}, None),
        ({"history": [], "instruction": TASK, "output": ANSWER}, None),
    ],
)
def test_each_form_is_read_as_the_same_task(record: dict[str, Any], instance: Any) -> None:
    expected = {
        None: Instance("", ANSWER, answered=True),
        False: Instance("", "", answered=False),
        (INPUT, ANSWER): Instance(INPUT, ANSWER, answered=True),
    }.get(instance, instance)
    assert read(record) == (TASK, (expected,))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "field 'instruction' is missing (the columns are: none)"),
        ({"b": 1, "a": 2}, "field 'instruction' is missing (the columns are: a, b)"),
        ({"instruction": TASK, "response": "x", "output": "y"}, "fields 'response' and 'output'"),
        ({"instruction": TASK, "input": "x", "context": "y"}, "fields 'input' and 'context' are"),
        ({"instruction": TASK, "prompt": "Sing."}, "fields 'instruction' and 'prompt' are diff"),
        (
            {"instruction": "Sing.", "messages": [USER]},
            "fields 'instruction' and 'messages' are different tasks",
        ),
        (
            {"messages": [USER, ASSISTANT], "output": "Ob"},
            "the response of the conversation and the response in a separate column differ",
        ),
        ({"messages": [USER], "conversations": [TASK]}, "'messages' and 'conversations' are both"),
        ({"messages": []}, "field 'messages' is an empty list, not a list of messages"),
        ({"messages": "Hi"}, "field 'messages' is a text, not a list of messages"),
        ({"messages": [7]}, "field 'messages[0]' is a number, not a message"),
        ({"messages": [{"content": "x"}]}, "field 'messages[0].role' is missing"),
        ({"messages": [ASSISTANT, USER]}, "does not begin with a message of the user"),
        ({"messages": [SYSTEM]}, "does not begin with a message of the user"),
        ({"messages": [USER, USER]}, "is not the assistant's"),
        ({"messages": [USER, {"role": "tool", "content": "4"}]}, "is not the assistant's"),
        ({"messages": [{"role": "user", "content": " "}]}, "the first message of the user is bl"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "field 'messages[0].content' is an object",
        ),
        ({"history": [TASK]}, "field 'history[0]' is not a pair"),
        ({"history": TASK}, "field 'history' is a text, not a list"),
        ({"prompt": TASK, "completion": [ASSISTANT]}, "field 'completion' is a list; write it as"),
    ],
)
def test_a_record_that_cannot_be_read_is_an_error(record: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as error:
        read(record)
    assert str(error.value).startswith("f, line 1: ")
    assert message in str(error.value)
    assert ";" in str(error.value)


def test_what_no_one_reads_is_named_and_counted() -> None:
    later = [SYSTEM, USER, ASSISTANT, USER, ASSISTANT]
    assert notes(
        {"instruction": TASK, "category": "qa", "labels": 1, "finish_reason": "stop"},
        {"instruction": TASK, "category": "qa", "text": None, "system": "Be kind."},
        {"messages": later},
        {"instruction": TASK, "instances": [{"output": ANSWER}], "output": "unread"},
    ) == [
        "ignored columns (records): 'category' (2), 'labels' (1), 'output' (1)",
        "later turns: 2 messages of 1 conversations are left out; only the first exchange is read",
        "system messages: those of 2 records are left out",
    ]
    assert notes({"instruction": TASK, "input": None, "id": 7, "is_classification": True}) == []


def test_the_columns_of_alpaca_and_self_instruct_are_plain() -> None:
    reader = TaskReader()
    assert reader.read({"instruction": TASK, "output": ANSWER, "note": 1}, "f").plain
    assert not reader.read({"instruction": TASK, "response": ANSWER}, "f").plain
    assert not reader.read({"messages": [USER]}, "f").plain


CHAT = [USER, ASSISTANT]
SHAREGPT = [{"from": "human", "value": TASK}, {"from": "gpt", "value": ANSWER}]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": CHAT},
        {"conversations": SHAREGPT},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"prompt": [USER], "completion": ANSWER},
        {"chosen": CHAT},
        {"instruction": "And Africa?", "output": "Nile", "history": [[TASK, ANSWER]]},
        {"instruction": TASK, "instances": [{"input": "", "output": ANSWER}]},
    ],
)
def test_a_list_may_be_a_text_with_json(record: dict[str, Any]) -> None:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, indent=1)
        for name, value in record.items()
    }
    assert read(texts) == read(record) == (TASK, (Instance("", ANSWER, answered=True),))


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"messages": json.dumps(CHAT)[:-1]}, "messages"),
        ({"conversations": str(SHAREGPT)}, "conversations"),
        ({"prompt": str([USER]), "completion": ANSWER}, "prompt"),
        ({"instruction": TASK, "instances": "[1"}, "instances"),
        ({"messages": "[" * 100_000}, "messages"),
    ],
)
def test_a_text_with_a_bad_list_is_named_with_its_place(record: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordError, match=f"^f, line 1: field '{field}' is a text .* JSON list"):
        read(record)


@pytest.mark.parametrize(
    "task", ['[{"a": 1}]', "[1, 2] is a list. Why?", '[{"role": "x"}] in YAML']
)
def test_a_task_about_json_is_a_text(task: str) -> None:
    assert read({"prompt": task, "completion": ANSWER})[0] == task
