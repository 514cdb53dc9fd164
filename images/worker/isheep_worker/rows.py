"""The rows that stages write and read: one JSON object a line, one dataclass a stage.

Rows are validated when read (a row that does not fit means a corrupt part or a
version that should have been in the key) and are otherwise plain frozen data.
Ids are positional and stable: `i2-r1-c00012-p3` is the third task parsed from
completion 12 of round 1 of iteration 2; a pair, its scores and its verdict keep
that id all the way into D(t), so that every training row can be traced back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """Raw text of the generate stage. `exemplars` names the tasks shown in the prompt."""

    round: int
    completion: int
    text: str
    finish_reason: str
    prompt_tokens: int
    tokens: int
    exemplars: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstructionRow:
    """An accepted task; `input` is empty where the task has none."""

    id: str
    instruction: str
    input: str
    round: int
    completion: int
    position: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """An instruction with its response."""

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True, slots=True)
class LevelScore:
    """One level's score, or why there is none (`unparseable:<kind>`). `raw` is the answer."""

    score: float | None
    reason: str | None = None
    raw: str = ""
    mass: float | None = None
    entropy: float | None = None
    distribution: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The assessor's verdict on a pair; `rule` names the pair rule that dropped it unscored."""

    id: str
    rule: str | None = None
    levels: dict[str, LevelScore] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """A pair with its fate: a row of D(t) where `kept`, else `reason` says why not."""

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    kept: bool
    reason: str | None
    scores: dict[str, float] = field(default_factory=dict)


RowT = TypeVar("RowT")


class RowCodec(Generic[RowT]):
    """Bytes of one line to a row and back; `decode` raises pydantic's ValidationError."""

    def __init__(self, row_type: type[RowT]) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(row_type)

    def encode(self, row: RowT) -> bytes:
        """Return the row as one line of JSON without its newline; keys in field order."""
        return self._adapter.dump_json(row)

    def decode(self, line: bytes) -> RowT:
        """Return the row of one line."""
        row: RowT = self._adapter.validate_json(line)
        return row


COMPLETIONS = RowCodec(CompletionRow)
INSTRUCTIONS = RowCodec(InstructionRow)
PAIRS = RowCodec(PairRow)
SCORES = RowCodec(ScoreRow)
SELECTIONS = RowCodec(SelectionRow)
