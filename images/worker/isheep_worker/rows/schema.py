"""The rows that stages write and read: one JSON object a line, one dataclass a stage.

Rows are validated when read (a row that does not fit means a corrupt part or a
version that should have been in the key) and are otherwise plain frozen data.
Ids are positional and stable: `i2-r1-c00012-p3` is the third task parsed from
completion 12 of round 1 of iteration 2, and `i2-r1-c00012-p3-k2` its second instance,
where a task has several. A pair, its scores and its verdict keep their id all the way
into D(t), so that every training row can be traced back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter


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
class TopicRow:
    """A topic that instructions are to be about."""

    id: str
    topic: str
    round: int
    completion: int
    position: int


@dataclass(frozen=True, slots=True)
class WholeTaskRow(InstructionRow):
    """An accepted task that came with its answer (Alpaca): its line reads as a `PairRow`, too.

    Its own share of its completion's tokens is not known, and 0.
    """

    response: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Whether an instruction asks for a classification; None where the answer says neither."""

    id: str
    is_classification: bool | None


@dataclass(frozen=True, slots=True)
class PairRow:
    """An instruction with its response; `rule` names what dropped that, which is empty then.

    It is written where it is set only, so that other runs' rows are what they were.
    """

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    prompt_tokens: int
    tokens: int
    rule: Annotated[str | None, Field(exclude_if=lambda rule: rule is None)] = None


@dataclass(frozen=True, slots=True)
class LevelScore:
    """One level's score, or why there is none (`unparseable:<kind>`, `unscorable:<kind>`).

    `raw` is a sampled answer. An expected score has `mass`, the labels' share of the next
    token's probability; their `distribution`, for the scores 1 to 10, which sums to 1; and
    its `entropy` in nats (at most ln 10).
    """

    score: float | None
    reason: str | None = None
    raw: str = ""
    mass: float | None = None
    entropy: float | None = None
    distribution: tuple[float, ...] | None = None


def _absent(value: object) -> bool:
    return not value


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The assessor's verdict on a pair; `rule` names the pair rule that dropped it unscored.

    `compared` holds what the other way of scoring made of it, `order` the order of the
    worked examples, such as `2-3-1`; both are written only where there is something.
    """

    id: str
    rule: str | None = None
    levels: dict[str, LevelScore] = field(default_factory=dict)
    compared: Annotated[dict[str, LevelScore], Field(exclude_if=_absent)] = field(
        default_factory=dict
    )
    order: Annotated[str | None, Field(exclude_if=_absent)] = None


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """What M(t-1) makes of a pair that it reads. Losses are means over tokens, in nats.

    The response's is over its tokens, given the prompt; the pair's over all tokens of
    prompt and response but the first. Where there are none, `rule` names the pair rule
    that dropped the pair, or `reason` says why (`unscorable:<kind>`). `vector` is as
    `measures.vectors` encodes it.
    """

    id: str
    rule: str | None = None
    reason: str | None = None
    response_loss: float | None = None
    pair_loss: float | None = None
    response_tokens: int = 0
    pair_tokens: int = 0
    vector: str | None = None


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """A pair with its fate: a row of D(t) where `kept`, else `reason` says why not.

    `scores` is what the selection method saw of it: its scores by level, or its
    `ResponsePerplexity` and `PairPerplexity`.
    """

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
WHOLE_TASKS: RowCodec[InstructionRow] = RowCodec(WholeTaskRow)
TOPICS = RowCodec(TopicRow)
CLASSES = RowCodec(ClassRow)
PAIRS = RowCodec(PairRow)
SCORES = RowCodec(ScoreRow)
MEASURES = RowCodec(MeasureRow)
SELECTIONS = RowCodec(SelectionRow)
