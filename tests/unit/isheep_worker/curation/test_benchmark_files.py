"""Benchmarks in each format that data files have, and text files."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow
import pytest
from pyarrow import parquet

from isheep_worker.curation.benchmark_files import read_benchmark_file
from isheep_worker.curation.decontamination import BenchmarkError

ROWS = [{"question": "Which?", "choices": ["a", "b"], "label": 1}, {"question": "Why?"}]
TEXTS = ["Which?", "a", "b", "Why?"]


def texts(content: bytes, name: str) -> list[str]:
    return list(read_benchmark_file(io.BytesIO(content), name))


@pytest.mark.parametrize("name", ["b.json", "b.jsonl", "b", "b.data", "b.jsonl.gz"])
def test_every_string_of_each_record_is_a_text(name: str) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    assert texts(b"\xef\xbb\xbf" + lines + b"\n", name) == TEXTS
    assert texts(json.dumps(ROWS, indent=1).encode(), name) == TEXTS
    assert texts(gzip.compress(lines, mtime=0), name) == TEXTS


def test_the_rows_of_parquet_are_records() -> None:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), sink)
    assert texts(sink.getvalue(), "b.parquet") == TEXTS


@pytest.mark.parametrize("name", ["b.csv", "b.tsv", "b.csv.gz"])
def test_each_cell_of_csv_is_a_text(name: str) -> None:
    # The file may have no header, as that of MMLU.
    content = b'"Which, and\nwhy?",a, ,b\nWhy?,a\n'
    if name == "b.tsv":
        content = b'"Which, and\nwhy?"\ta\t \tb\nWhy?\ta\n'
    assert texts(content, name) == ["Which, and\nwhy?", "a", "b", "Why?", "a"]
    with pytest.raises(BenchmarkError, match=r"line 1: is not CSV .*give it the suffix \.txt"):
        texts(b'"a\n', name)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    assert texts(lines, name) == TEXTS


def test_the_rows_of_csv_are_recognised_by_their_header() -> None:
    assert texts(b"prompt,answer\nWhich?,a\nWhy?,\n", "b") == ["Which?", "a", "Why?"]


@pytest.mark.parametrize("name", ["b.txt", "b", "b.txt.gz"])
def test_each_line_of_a_text_is_a_text(name: str) -> None:
    content = b"\xef\xbb\xbfone\r\n\n{two}\n"
    assert texts(content, name) == ["one", "{two}"]
    assert texts(gzip.compress(content, mtime=0), name) == ["one", "{two}"]
    assert texts(b'{"a": 1}\n', "b.txt") == ['{"a": 1}']
    assert texts(b'"a": 1}\n', "b") == ['"a": 1}']


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b'{}\n{"a":\n', "b.jsonl", "b.jsonl, line 2, column 1: is not JSON"),
        (b"one\n", "b.json", "give it the suffix .txt"),
        (b'"caf\xe9"', "b.jsonl", "b.jsonl, line 1: is not UTF-8"),
        (b"caf\xe9", "b.txt", "b.txt, line 1: is not UTF-8"),
        (gzip.compress(b"one", mtime=0)[:-9], "b", "b: is damaged or incomplete"),
    ],
)
def test_the_message_about_a_bad_file_names_the_place(
    content: bytes, name: str, message: str
) -> None:
    with pytest.raises(BenchmarkError) as error:
        texts(content, name)
    assert message in str(error.value)
