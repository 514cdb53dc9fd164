"""The rows of a select stage, as the formats read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from isheep.store.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True)
class Row:
    """A pair after the selection; `input` is empty if the task has none.

    `finish_reason` is `length` if the response was cut at the limit of tokens. `scores` are those
    that the selection method used: scores by level, or perplexities.
    """

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    kept: bool
    scores: dict[str, float]

    @property
    def message(self) -> str:
        """The user's message of a chat, as the built-in template of responses writes it."""
        return "\n\n".join(text for text in (self.instruction, self.input) if text)


@dataclass(frozen=True, slots=True)
class Example:
    """A line of an export: its columns, and the members that identify it in its provenance."""

    columns: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)


Rows = Callable[[], Iterator[Row]]
"""Reads all rows of the stage, kept or not; each call reads them again."""
Format = Callable[[Rows], Iterator[Example]]
"""Makes the lines of an export. Raises `ExportError` if the rows do not have what it needs."""


class ExportError(ValueError):
    """The data cannot be exported in this way; the message has the reason and the remedy."""


def rows_of(artifacts: ArtifactStore, key: str) -> Rows:
    """Return the reader of the rows of a committed select stage."""

    def rows() -> Iterator[Row]:
        for line in artifacts.read_lines(key):
            row = json.loads(line)
            yield Row(
                id=row["id"],
                instruction=row["instruction"],
                input=row["input"],
                response=row["response"],
                finish_reason=row["finish_reason"],
                kept=row["kept"],
                scores=row["scores"],
            )

    return rows


def each_kept(columns: Callable[[Row], dict[str, Any]]) -> Format:
    """Return the format that has one line for each row of D(t), with the given columns first."""

    def examples(rows: Rows) -> Iterator[Example]:
        for row in rows():
            if row.kept:
                details = {"finish_reason": row.finish_reason, "scores": row.scores}
                yield Example({**columns(row), **details}, {"id": row.id})

    return examples
