"""The files of a benchmark become data sets, or are refused with place and remedy."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow
import pyarrow.parquet
import pytest
from tests.unit.isheep_worker.evaluation.conftest import QUESTIONS, lines

from isheep_worker.evaluation.data import TaskData, TaskFiles, data_set
from isheep_worker.runtime.errors import BadInputError

CONTENT = lines(QUESTIONS)


def parquet(rows: list[dict[str, object]]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [CONTENT, json.dumps(QUESTIONS).encode(), gzip.compress(CONTENT), parquet(QUESTIONS)],
    ids=["lines", "document", "packed", "parquet"],
)
def test_each_format_has_the_same_rows(content: bytes) -> None:
    assert data_set(content, "b").to_list() == QUESTIONS


def test_a_row_may_lack_fields_and_later_rows_may_have_more() -> None:
    found = data_set(lines([{"a": 1}, {"a": 2, "b": "x", "c": [{"d": 1}, {"e": 2}]}]), "b")
    assert found[0] == {"a": 1, "b": None, "c": None}
    assert found[1]["c"] == [{"d": 1, "e": None}, {"d": None, "e": 2}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"question,answer\nWhat?,That.\n", "b.csv: is not JSON Lines, JSON or Parquet"),
        (b"What is this?\n", "b.csv: is not JSON Lines, JSON or Parquet"),
        (CONTENT + b'{"question": \n', "b.csv, line 13.*is not JSON"),
        (b"[1]", "b.csv, item 1 .*not an object"),
        (b"", "b.csv: is not JSON"),
        (b"[]", "b.csv: has no rows"),
        (b'{"a": 1}\n{"a": "one"}\n', "b.csv: a field has values of different types"),
        (b"PK\x03\x04" + bytes(100), "b.csv.* a zip archive"),
        (b'{"a": "b\\ud800"}\n', "b.csv: a text holds half of a surrogate pair; remove it"),
        (b'{"a": 100000000000000000000}\n', "b.csv: a whole number needs more than 64 bits"),
    ],
)
def test_another_content_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        data_set(content, "b.csv")


def test_a_folder_has_a_file_for_each_subset_and_split() -> None:
    files = {"one/test.jsonl.gz": gzip.compress(CONTENT), "test.json": b'[{"a": 1}]'}
    data = TaskData(TaskFiles("f", files))
    assert len(data.load("x", "one")["test"]) == 12
    assert data.load("x", None)["test"].to_list() == [{"a": 1}]
    assert not data.missing
    assert len(data.load("x", "one")["train"]) == 0
    assert len(data.load("x", "two")["test"]) == 0
    assert data.missing == ["one/train", "two/test"]


def test_one_file_has_the_items_that_are_evaluated() -> None:
    data = TaskData(TaskFiles("f", {"items.jsonl": CONTENT}, is_folder=False), split="test")
    splits = data.load("x", "any")
    assert splits["test"] is splits["test"]
    assert len(splits["test"]) == 12
    assert not data.missing
    # Examples are never the items themselves.
    assert len(splits["train"]) == 0
    assert splits["train"].column_names == splits["test"].column_names
    assert data.missing == ["any/train"]


def test_a_folder_with_the_name_of_a_data_set_has_its_files() -> None:
    files = {"org/one/sub/test.jsonl": b'{"a": 1}', "sub/test.jsonl": b'{"a": 2}'}
    data = TaskData(TaskFiles("f", files))
    assert data.load("org/one", "sub")["test"].to_list() == [{"a": 1}]
    assert data.load("org/two", "sub")["test"].to_list() == [{"a": 2}]
    assert data.load("org/two", "sub", trust_remote_code=True)["test"].to_list() == [{"a": 2}]


@pytest.mark.parametrize(
    ("path", "options", "shown"),
    [("org/two", {}, "org/two"), ("org/one", {"data_dir": "x"}, 'org/one {"data_dir": "x"}')],
)
def test_a_file_is_read_as_one_data_set_only(
    path: str, options: dict[str, str], shown: str
) -> None:
    data = TaskData(TaskFiles("f", {"test.jsonl": CONTENT}))
    assert len(data.load("org/one")["test"]) == 12
    with pytest.raises(
        BadInputError, match=r"read test.jsonl as the data set org/one and"
    ) as found:
        data.load(path, **options)["test"]
    assert f"as the data set {shown}: make each task a benchmark of its own" in str(found.value)


def test_two_files_for_one_split_are_refused() -> None:
    files = {"one/test.jsonl": CONTENT, "one/test.json.gz": b""}
    with pytest.raises(BadInputError, match=r"one/test.json.gz and one/test.jsonl are all for one"):
        TaskData(TaskFiles("f", files)).load("x", "one")["test"]
