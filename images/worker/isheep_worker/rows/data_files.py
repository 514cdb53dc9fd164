"""The reader of every data file that a user names: seed tasks, benchmarks, a pool, data to filter.

A file is JSON Lines, one JSON list, a JSON object that holds a list, CSV, TSV or Parquet, each
plain or packed with gzip or zstd. The content decides, not the name. In JSON Lines a fault costs
one line, and in CSV a row with another number of cells costs one row; every other fault ends the
reading.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, cast

from isheep_worker.rows.csv_files import Header, csv_header, csv_rows
from isheep_worker.rows.json_documents import LIST_NAMES, json_items
from isheep_worker.rows.packed_files import unpacked
from isheep_worker.rows.parquet_files import MAGIC, parquet_rows
from isheep_worker.rows.records import RecordError, as_object, json_value

MAX_LINE_BYTES = 1 << 24
_CHUNK = 1 << 16
_LINE = re.compile(r"\bline (\d+)")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a data file: a JSON value, or the error of its line.

    `position` is its line, item or row, such as `line 3`, and `place` also has the file's name.
    """

    place: str
    position: str
    value: Any = None
    error: RecordError | None = None
    blank: bool = False

    @property
    def label(self) -> str:
        """The position as an id, such as `line-3`."""
        return "-".join(self.position.split()[:2])

    @property
    def line(self) -> int | None:
        """The number of its line, or None in a file without lines."""
        found = _LINE.search(self.position)
        return int(found[1]) if found else None

    def read(self) -> Any:
        """Return the value; raise the `RecordError` of a line that cannot be read."""
        if self.error is not None:
            raise self.error
        return self.value

    def object(self) -> dict[str, Any]:
        """Return the value as an object; raise `RecordError` for another value."""
        return as_object(self.read(), self.place)


class DataFile:
    """A data file that is read once, from its start.

    All methods raise `RecordError` if the file cannot be read at all.
    """

    def __init__(self, stream: BinaryIO, name: str, limit: int | None = None) -> None:
        """Look at the beginning of a file.

        Args:
            stream: The file, at its start.
            name: The name of the file in messages; empty if messages need no name.
            limit: The largest unpacked size in bytes, or None.
        """
        self._name = name
        self._where = f"{name}, " if name else ""
        self._stream, self.is_packed = unpacked(stream, name or "the file", limit)
        head = self._stream.peek(len(MAGIC))
        self.is_parquet = head.startswith(MAGIC)
        if head.startswith(codecs.BOM_UTF8):
            self._stream.read(len(codecs.BOM_UTF8))
        self._seen: list[bytes] = []
        self._is_document = False if self.is_parquet else self._find_document()
        self._header = None
        if not (self.is_parquet or self._is_document):
            self._header = csv_header(next((line for line in self._seen if line.strip()), b""))

    @property
    def is_json(self) -> bool:
        """Whether the first line is JSON or the beginning of a JSON document."""
        if self._is_document:
            return True
        value = next((line for line in self._seen if line.strip()), b"")
        return isinstance(_parsed(value), dict)

    @property
    def is_csv(self) -> bool:
        """Whether the first line names the columns of a CSV file."""
        return self._header is not None

    @property
    def is_lines(self) -> bool:
        """Whether the file is JSON Lines or another text with one record a line."""
        return not (self.is_parquet or self._is_document or self.is_csv)

    def records(self) -> Iterator[Record]:
        """Yield the records; a blank line of JSON Lines is a record with an error."""
        if self.is_parquet:
            return self._rows()
        if self._header is not None:
            return self._csv_rows(self._header)
        return self._items() if self._is_document else line_records(self.lines(), self._name)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines; a longer line is cut to the limit and one byte."""
        for piece in chain(self._seen, iter(self._read_line, b"")):
            end = piece
            while len(end) > MAX_LINE_BYTES and not end.endswith(b"\n"):
                end = self._read_line()
            yield piece

    def _rows(self) -> Iterator[Record]:
        with tempfile.TemporaryFile() as copy:
            # The format begins at the end of the file, and the stream cannot seek.
            shutil.copyfileobj(self._stream, copy)
            copy.seek(0)
            for number, row in enumerate(parquet_rows(copy, self._name or "the file"), start=1):
                yield self._record(f"row {number}", row)

    def _csv_rows(self, header: Header) -> Iterator[Record]:
        for number, (line, row) in enumerate(csv_rows(header, self.lines(), self._where), start=1):
            position = f"row {number} (line {line})"
            if isinstance(row, RecordError):
                yield Record(self._where + position, position, error=row)
            else:
                yield self._record(position, row)

    def _items(self) -> Iterator[Record]:
        chunks = chain(self._seen, iter(lambda: self._stream.read1(_CHUNK), b""))
        for number, (line, value) in enumerate(json_items(chunks, self._where), start=1):
            yield self._record(f"item {number} (line {line})", value)

    def _record(self, position: str, value: Any) -> Record:
        return Record(self._where + position, position, value)

    def _read_line(self) -> bytes:
        return self._stream.readline(MAX_LINE_BYTES + 1)

    def _next_line(self) -> bytes:
        """Read up to the next line with a text, and keep what was read; return the line."""
        while line := self._read_line():
            self._seen.append(line)
            if line.strip():
                return line.strip()
        return b""

    def _find_document(self) -> bool:
        """Return whether the file is a JSON document and not JSON Lines.

        A list is a document, and so is an object that does not end on its line. If the next line is
        a complete object, however, the first line is a broken line of JSON Lines.
        """
        # A list is often one line of hundreds of megabytes, so look before reading a line.
        if self._stream.peek(1).lstrip().startswith(b"["):
            return True
        first = self._next_line()
        if first.startswith(b"["):
            return True
        if not first.startswith(b"{"):
            return False
        value = _parsed(first)
        if isinstance(value, dict):
            return any(_is_list_of_objects(value.get(name)) for name in LIST_NAMES) and (
                "instruction" not in value
            )
        if value is not _CUT:
            return len(first) > MAX_LINE_BYTES and first.startswith(_HOLDERS)
        return first.endswith(b"[") or not isinstance(_parsed(self._next_line()), dict)


def line_records(lines: Iterable[bytes], name: str = "") -> Iterator[Record]:
    """Yield the records of JSON Lines; `name` is the file in messages."""
    for number, line in enumerate(lines, start=1):
        position = f"line {number}"
        place = f"{name}, {position}" if name else position
        try:
            yield Record(place, position, _line_value(line, place))
        except RecordError as error:
            yield Record(place, position, error=error, blank=not line.strip())


def _line_value(line: bytes, place: str) -> Any:
    if len(line) > MAX_LINE_BYTES:
        raise RecordError(
            f"{place}: is longer than {MAX_LINE_BYTES >> 20} MiB; split it or remove it"
        )
    return json_value(line, place)


_CUT = object()
"""The value of a text that is the beginning of a JSON value."""
_HOLDERS = tuple(f'{{"{name}"'.encode() for name in LIST_NAMES)


def _parsed(text: bytes) -> object:
    """Return the JSON value of a text, `_CUT` if it ends early, or None if it is not JSON."""
    try:
        return cast("object", json.loads(text))
    except json.JSONDecodeError as error:
        return _CUT if error.pos >= len(error.doc.rstrip()) else None
    except (ValueError, RecursionError):
        return None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def open_bytes(content: bytes, name: str, limit: int | None = None) -> DataFile:
    """Return the data file with this content."""
    return DataFile(io.BytesIO(content), name, limit)
