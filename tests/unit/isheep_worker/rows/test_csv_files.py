"""CSV and TSV files: the header that shows the format, and each error with its place."""

from __future__ import annotations

import csv
import gzip
import json

import pytest

from isheep_worker.rows import csv_files
from isheep_worker.rows.data_files import open_bytes
from isheep_worker.rows.records import RecordError
from isheep_worker.rows.task_columns import TaskReader

A = {"instruction": "Sing, and dance.", "output": 'A "song"\nof two lines'}


def values(text: str) -> list[object]:
    return [record.read() for record in open_bytes(text.encode(), "f").records()]


@pytest.mark.parametrize(
    "text",
    [
        'instruction,output\n"Sing, and dance.","A ""song""\nof two lines"\n',
        '\ufeffinstruction,output\r\n"Sing, and dance.","A ""song""\nof two lines"\r\n',
        '\n"instruction";"output"\n\nSing, and dance.;"A ""song""\nof two lines"\n\n',
        'output\tinstruction\tinput\n"A ""song""\nof two lines"\tSing, and dance.\t',
    ],
)
def test_the_header_shows_the_format(text: str) -> None:
    assert values(text) == [A]
    data = open_bytes(gzip.compress(text.encode(), mtime=0), "f")
    assert (data.is_csv, data.is_lines) == (True, False)
    assert [record.read() for record in data.records()] == [A]


def test_an_empty_cell_is_absent_and_a_flag_is_a_boolean() -> None:
    text = "instruction,input,is_classification\nSing.,,True\nDance.,x,no"
    assert values(text) == [
        {"instruction": "Sing.", "is_classification": True},
        {"instruction": "Dance.", "input": "x", "is_classification": "no"},
    ]


def test_a_place_has_the_row_and_its_line() -> None:
    text = 'prompt,completion\n"a\nb",c\nd,e\n'
    records = list(open_bytes(text.encode(), "f").records())
    assert [record.place for record in records] == ["f, row 1 (line 2)", "f, row 2 (line 4)"]
    assert records[0].label == "row-1"


def test_a_row_with_another_number_of_cells_costs_one_row() -> None:
    text = "instruction,output\nSing, or dance.,Yes.\nSing.,Yes."
    bad, good = open_bytes(text.encode(), "f").records()
    assert good.read() == {"instruction": "Sing.", "output": "Yes."}
    with pytest.raises(RecordError, match=r"line 2: the row has 3 cells, .* names 2 columns"):
        bad.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"prompt,b,b\n1,2,3", "f, line 1: the column 'b' is named twice; give"),
        (b'prompt,b\nx,"y\nz', "f, line 2: is not CSV (unexpected end of data); put"),
        (b'prompt,b\nx,y\nx,"y"z\n', "f, line 3: is not CSV (',' expected after '\"'); put"),
        (b"prompt,b\nx,\xff", "f, line 2: is not UTF-8; save"),
        (b"prompt,b\nx," + b"y" * 99, "f, line 2: is longer than"),
        (b'prompt,b\nx,"' + b"y\n" * 99, "f, line 2: is not CSV (field larger than"),
    ],
)
def test_a_fault_ends_the_reading_with_its_place(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "MAX_CELL", 90)
    with pytest.raises(RecordError) as error:
        list(open_bytes(content, "f").records())
    assert str(error.value).startswith(message)


def test_the_limit_of_a_cell_stays_as_it_was_for_the_rest_of_the_process() -> None:
    limit = csv.field_size_limit()
    records = open_bytes(b"prompt\n" + b"x" * (limit + 1) + b"\ny\n", "f").records()
    assert len(next(records).object()["prompt"]) == limit + 1
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("text", ["Name a bird, please.\n", "question,answer\na,b\n", "a,b\n"])
def test_a_text_without_a_column_of_tasks_is_no_csv(text: str) -> None:
    data = open_bytes(text.encode(), "f")
    assert (data.is_csv, data.is_lines) == (False, True)


@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_a_cell_may_hold_the_messages_as_json(name: str) -> None:
    messages = [{"role": "user", "content": "Sing,\nor "}, {"role": "assistant", "content": "No."}]
    cell = json.dumps(messages, indent=1).replace('"', '""')
    good, bad = open_bytes(f'id\t{name}\n1\t"{cell}"\n2\t[1'.encode(), "f").records()
    task = TaskReader().read(good.object(), good.place)
    assert (task.instruction, task.instances[0].response) == ("Sing,\nor", "No.")
    with pytest.raises(RecordError, match=rf"^f, row 2 \(line \d+\): field '{name}' is a text"):
        TaskReader().read(bad.object(), bad.place)
