"""One reader for JSON Lines, a JSON list, an object with a list, and Parquet."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from isheep_worker.rows import json_documents
from isheep_worker.rows.data_files import DataFile, open_bytes
from isheep_worker.rows.records import RecordError

A, B = {"instruction": "Sing a song.", "output": "né\n"}, {"instruction": "Dance."}


def values(content: bytes | str) -> list[Any]:
    data = content.encode() if isinstance(content, str) else content
    return [record.read() for record in open_bytes(data, "f").records()]


def parquet_bytes(*rows: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(A)}\n{json.dumps(B)}\n",
        f"\ufeff{json.dumps(A)}\r\n{json.dumps(B)}",
        json.dumps([A, B]),
        json.dumps([A, B], indent=2),
        json.dumps([A, B], indent=0),
        "\ufeff \r\n" + json.dumps([A, B], indent=1).replace("\n", "\r\n"),
        json.dumps({"version": "1", "data": [A, B], "tags": [1]}),
        json.dumps({"version": "1", "data": [A, B], "tags": [1]}, indent=4),
        json.dumps({"rows": [A, B]}, indent=1),
        # The output of `jq .` and of a program that appends lists.
        f"{json.dumps(A, indent=2)}\n{json.dumps(B, indent=2)}\n",
        f"{json.dumps([A])}\n{json.dumps([B])}\n",
    ],
)
def test_the_content_and_not_the_name_decides_the_format(text: str) -> None:
    assert values(text) == [A, B]
    assert values(gzip.compress(text.encode(), mtime=0)) == [A, B]


def test_a_parquet_file_is_read_from_a_stream_that_cannot_seek() -> None:
    content = parquet_bytes(A, {**B, "output": None})
    assert values(content) == [A, {**B, "output": None}]
    assert values(gzip.compress(content, mtime=0)) == [A, {**B, "output": None}]
    (first, _) = open_bytes(content, "f").records()
    assert (first.place, first.label) == ("f, row 1", "row-1")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"{json.dumps(A)}\n\n{json.dumps(B)}", ["f, line 1", "f, line 2", "f, line 3"]),
        (json.dumps([A, B], indent=1), ["f, item 1 (line 2)", "f, item 2 (line 6)"]),
    ],
)
def test_a_place_has_the_file_and_the_line(text: str, places: list[str]) -> None:
    assert [record.place for record in open_bytes(text.encode(), "f").records()] == places


def test_a_fault_in_json_lines_costs_one_line() -> None:
    text = f'{{"instruction": \n{json.dumps(A)}\n[]\n\n{json.dumps(B)}\n'
    found = list(open_bytes(text.encode(), "f").records())
    assert [record.error is None for record in found] == [False, True, True, False, True]
    assert [record.blank for record in found] == [False, False, False, True, False]
    with pytest.raises(RecordError, match="f, line 3: is a list, not an object"):
        found[2].object()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[\n{},\n{]", "f, line 3, column 2: is not JSON (Expecting property name"),
        ("[{}\n{}]", "f, line 2, column 1: is not JSON (Expecting ',')"),
        ("[{}", "f, line 1, column 4: is not JSON (Expecting ',')"),
        ("[{}] text", "f, line 1, column 6: is not JSON (Expecting a list or an object)"),
        ('{\n"a": 1,\n"b": tru}', "f, line 3, column 6: is not JSON (Expecting value)"),
        ("{\n", "f, line 2, column 1: is not JSON"),
        ("[" * 100_000, "f, line 1, column 2: is not JSON"),
        ("[" + "1" * 5_000 + "]", "f, line 1, column 2: is not JSON"),
        (b'[{},\n{"a": "\xff"}]', "f, line 2: is not UTF-8"),
        (b"PAR1 and no more", "f: is not a Parquet file that can be read"),
    ],
)
def test_a_fault_in_a_document_ends_the_reading_with_its_place(
    text: bytes | str, message: str
) -> None:
    with pytest.raises(RecordError) as error:
        values(text)
    assert str(error.value).startswith(message)
    assert ";" in str(error.value)


def test_items_may_cross_the_chunks_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drip(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return self.read(3)

    items = [{"é": [1.25, -7, True, None, "\\u00fc\n"]}, {"number": 12345678901234567890}]
    stream = Drip(json.dumps({"data": items}, indent=1, ensure_ascii=False).encode())
    assert [record.read() for record in DataFile(stream, "f").records()] == items


def test_an_item_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "MAX_ITEM", 1 << 16)
    with pytest.raises(RecordError, match="line 1, column 2: is not JSON"):
        values(json.dumps(["x" * (1 << 20)]))


def test_the_memory_does_not_grow_with_the_number_of_items() -> None:
    text = json.dumps([{"instruction": "x" * 200, "n": n} for n in range(40_000)]).encode()
    packed = io.BytesIO(gzip.compress(text, 1, mtime=0))
    tracemalloc.start()
    count = sum(1 for _ in DataFile(packed, "f").records())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < len(text) / 4


@given(st.binary(max_size=60))
def test_any_bytes_give_records_or_an_error(content: bytes) -> None:
    try:
        for record in open_bytes(content, "f").records():
            assert record.place.startswith("f, ")
    except RecordError as error:
        assert str(error).startswith("f")  # noqa: PT017 - both outcomes are allowed
