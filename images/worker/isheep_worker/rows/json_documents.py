"""JSON over many lines: a list of records, an object that holds such a list, or several objects.

Data sets are published as one JSON list (Alpaca, LLaMA-Factory, I-SHEEP), often of hundreds of
megabytes and sometimes on one line. The list is read item by item, so memory depends on the size of
an item. After a fault the place of the next item is unknown, so a fault ends the reading.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from isheep_worker.rows.records import RecordError

MAX_ITEM = 1 << 24
"""The most characters of an item."""
LIST_NAMES = ("data", "examples", "rows")
"""The members of a top-level object that can hold the list of records."""
_SPACE = " \t\n\r"
_NEAR_END = 16
"""A token that the end of the buffer cuts, such as a literal or an escape, is shorter than this."""


def json_items(chunks: Iterator[bytes], name: str) -> Iterator[tuple[int, Any]]:
    """Yield the line at which each record begins, and the record.

    Args:
        chunks: The bytes of the file, without a byte order mark.
        name: The name of the file in messages.

    Yields:
        The items of each top-level list and of the list in a top-level object, and every other
        top-level object.

    Raises:
        RecordError: The file is not UTF-8 or not JSON, or an item has more than 16 Mi characters.
    """
    source = _Source(chunks, name)
    while first := source.peek():
        if first == "[":
            yield from _items(source)
        elif first == "{":
            yield from _object(source)
        else:
            source.fail("Expecting a list or an object")


def _items(source: _Source) -> Iterator[tuple[int, Any]]:
    source.take("[")
    if source.peek() == "]":
        source.take("]")
        return
    while True:
        source.peek()  # the item begins after the white space
        line = source.line
        yield line, source.value()
        if source.peek() == "]":
            source.take("]")
            return
        source.take(",")


def _object(source: _Source) -> Iterator[tuple[int, Any]]:
    """Yield the items of the object's list, or the object itself if it holds no list."""
    line, start = source.line, source.position
    members: dict[str, Any] = {}
    streamed = False
    source.take("{")
    while source.peek() != "}":
        if members or streamed:
            source.take(",")
        if source.peek() != '"':
            source.fail("Expecting property name enclosed in double quotes")
        key = source.value()
        source.take(":")
        if key in LIST_NAMES and not streamed and source.peek() == "[":
            yield from _items(source)
            streamed, start = True, source.position
        else:
            members[key] = source.value()
        if source.position - start > MAX_ITEM:
            source.fail("the object is too large")
    source.take("}")
    if not streamed:
        yield line, members


class _Source:
    """The text of a file, decoded as it is needed, with a position."""

    def __init__(self, chunks: Iterator[bytes], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._ended = False
        self._dropped = self._line_start = 0
        self._json = json.JSONDecoder()
        self.line = 1

    @property
    def position(self) -> int:
        """The number of characters that are behind."""
        return self._dropped + self._at

    def peek(self) -> str:
        """Skip white space and return the next character, or an empty text at the end."""
        while True:
            at, text = self._at, self._text
            while at < len(text) and text[at] in _SPACE:
                at += 1
            self._move(at)
            if at < len(text):
                return text[at]
            if not self._more(1):
                return ""

    def take(self, character: str) -> None:
        """Skip white space and one character; fail if the next character is another one."""
        if self.peek() != character:
            self.fail(f"Expecting '{character}'")
        self._move(self._at + 1)

    def value(self) -> Any:
        """Skip white space and return the next JSON value."""
        self.peek()
        want = 1 << 16
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # `_more` moves the text, so only the distance from the position stays valid.
                distance = error.pos - self._at
                cut = error.pos >= len(self._text) - _NEAR_END or error.msg.startswith("Unterm")
                if not cut or not self._more(want):
                    self._move(self._at + distance)
                    self.fail(error.msg)
            except (ValueError, RecursionError) as error:
                self.fail(str(error))
            else:
                distance = end - self._at
                # A number may continue in the next chunk.
                if end < len(self._text) or not self._more(want):
                    self._move(self._at + distance)
                    return value
            if len(self._text) - self._at > MAX_ITEM + want:
                self.fail(f"the item has more than {MAX_ITEM >> 20} Mi characters")
            want *= 2

    def fail(self, reason: str) -> NoReturn:
        """Raise `RecordError` with the place of the position."""
        column = self.position - self._line_start + 1
        raise RecordError(
            f"{self._name}line {self.line}, column {column}: is not JSON ({reason}); write the "
            "file as one JSON list of objects, or one JSON object a line"
        )

    def _move(self, to: int) -> None:
        newlines = self._text.count("\n", self._at, to)
        if newlines:
            self.line += newlines
            self._line_start = self._dropped + self._text.rindex("\n", self._at, to) + 1
        self._at = to

    def _more(self, characters: int) -> bool:
        """Add characters to the text; return False at the end of the file."""
        if self._ended:
            return False
        pieces = [self._text[self._at :]]
        self._dropped, self._at = self._dropped + self._at, 0
        added = 0
        while added < characters and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            try:
                piece = self._decoder.decode(chunk or b"", final=self._ended)
            except UnicodeDecodeError as error:
                before = "".join(pieces).count("\n") + error.object[: error.start].count(b"\n")
                raise RecordError(
                    f"{self._name}line {self.line + before}: is not UTF-8; save the file as UTF-8"
                ) from error
            added += len(piece)
            pieces.append(piece)
        self._text = "".join(pieces)
        return added > 0
