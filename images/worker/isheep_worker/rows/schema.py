"""The rows that stages write and read: one JSON object a line, one dataclass for each stage.

Rows are validated when they are read. A row that does not fit is in a corrupt part, or a stage
version is missing in the key. Ids are positional and stable: `i2-r1-c00012-p3` is the third task
that was parsed from completion 12 of round 1 of iteration 2, and `i2-r1-c00012-p3-k2` is its second
instance, if a task can have several. A pair, its scores and its selection have the same id, so that
each row of D(t) can be traced to its completion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter

from isheep.contract.choices import PromptFormat
from isheep.contract.rule_names import current_name


def _absent(value: object) -> bool:
    return not value


def _is_none(value: object) -> bool:
    return value is None


RuleName = Annotated[str, AfterValidator(current_name)]
"""The name of a rule; rows that an earlier version wrote are read with today's names."""


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """The raw text of a completion. `exemplars` are the ids of the tasks that the prompt shows."""

    round: int
    completion: int
    text: str
    finish_reason: str
    prompt_tokens: int
    tokens: int
    exemplars: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstructionRow:
    """An accepted task; `input` is empty if the task has none."""

    id: str
    instruction: str
    input: str
    round: int
    completion: int
    position: int


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic for instructions."""

    id: str
    topic: str
    round: int
    completion: int
    position: int


@dataclass(frozen=True, slots=True)
class WholeTaskRow(InstructionRow):
    """An accepted task with its response (Alpaca). Its line can also be decoded as a `PairRow`.

    The token counts are 0, because the share of the task in its completion's tokens is unknown.
    """

    response: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Whether an instruction is a classification task; None if the answer is unreadable."""

    id: str
    is_classification: bool | None


@dataclass(frozen=True, slots=True)
class PairRow:
    """An instruction with its response. If a rule dropped the response, it is empty and has `rule`.

    `logprob` is the sum of the log-probabilities of the `tokens` tokens that the model drew, in
    nats at temperature 1. A line has the fields `rule` and `logprob` only if they are set, so that
    the bytes of other rows do not change.
    """

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    prompt_tokens: int
    tokens: int
    rule: Annotated[RuleName | None, Field(exclude_if=_is_none)] = None
    logprob: Annotated[float | None, Field(exclude_if=_is_none)] = None


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """The answer of an endpoint as it sent it: JSON, unless it `is_cut` because it is too long."""

    json: str
    is_cut: Annotated[bool, Field(exclude_if=_absent)] = False


@dataclass(frozen=True, slots=True)
class LevelScore:
    """The score at one level, or the reason why there is none: `unparseable-…`, `unscorable-…`.

    A sampled score has `raw`, the assessor's answer, and `answer`, what an endpoint sent; a line
    has the latter only if an endpoint has scored. An expected score has `mass`, the labels' share
    of the next token's probability; `distribution`, the probabilities of the scores 1 to 10, which
    sum to 1; and `entropy`, the entropy of the distribution in nats (at most ln 10).
    """

    score: float | None
    reason: RuleName | None = None
    raw: str = ""
    mass: float | None = None
    entropy: float | None = None
    distribution: tuple[float, ...] | None = None
    answer: Annotated[EndpointAnswer | None, Field(exclude_if=_is_none)] = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of a pair by level; `rule` names the pair rule that dropped it without scores.

    `compared` has the scores of the other scoring method. `order` is the order of the worked
    examples, such as `2-3-1`. A line has these two fields only if they are not empty.
    """

    id: str
    rule: RuleName | None = None
    levels: dict[str, LevelScore] = field(default_factory=dict)
    compared: Annotated[dict[str, LevelScore], Field(exclude_if=_absent)] = field(
        default_factory=dict
    )
    order: Annotated[str | None, Field(exclude_if=_absent)] = None


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """The measures of a pair by M(t-1). Losses are means over tokens, in nats.

    `response_loss` is the mean over the response's tokens, given the prompt. `pair_loss` is the
    mean over all tokens of prompt and response except the first. If a pair has no losses, `rule`
    names the pair rule that dropped it, or `reason` is `unscorable-<kind>`. `vector` has the
    encoding of `measures.vectors`.
    """

    id: str
    rule: RuleName | None = None
    reason: RuleName | None = None
    response_loss: float | None = None
    pair_loss: float | None = None
    response_tokens: int = 0
    pair_tokens: int = 0
    vector: str | None = None


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """A pair after the selection: `kept` in D(t), or not kept because of `reason`.

    `scores` are the values that the selection method used: the scores by level, or
    `ResponsePerplexity` and `PairPerplexity`.
    """

    id: str
    instruction: str
    input: str
    response: str
    finish_reason: str
    kept: bool
    reason: RuleName | None
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """What M(t) does with a task that is the same for every t.

    `loss` is the mean over the `output_tokens` tokens of the task's own output after the prompt, in
    nats; None if the task has no output, or an output that is too long. `response` is the answer of
    M(t), which has `tokens` tokens.
    """

    id: str
    instruction: str
    input: str
    loss: float | None
    output_tokens: int
    response: str
    finish_reason: str
    tokens: int


@dataclass(frozen=True, slots=True)
class OutputRow:
    """The output of M(t) for a request of a benchmark, see `evaluation.requests.Output`."""

    id: str
    logprob: float | None = None
    is_greedy: bool | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """The value of an item of a benchmark on a metric of lm-eval.

    `item` is unique in its benchmark, and `item_hash` is that of the whole item. `cluster` is set
    if several items belong to one prompt. `filter` is the name of the filter that read the answer.
    """

    task: str
    metric: str
    filter: str
    item: str
    item_hash: str
    value: float
    higher_is_better: bool
    cluster: Annotated[str | None, Field(exclude_if=_absent)] = None


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """What a judge says about the answers of M(t) and of another model to a question.

    `first` is the judgement with the answer of M(t) in the first place, and `second` that with this
    answer in the second place: 1 if it is better, 0.5 for a tie, 0 if it is worse, and None if the
    judgement cannot be read; then `first_failure` or `second_failure` says why. `characters` and
    `other_characters` are the lengths of both answers. `raw` has both texts of the judge, and
    `answers` what an endpoint sent. A line has `answers` only if an endpoint has judged, so that
    the bytes of other rows do not change.
    """

    id: str
    first: float | None
    second: float | None
    characters: int
    other_characters: int
    first_failure: str | None = None
    second_failure: str | None = None
    difficulty: Annotated[float | None, Field(exclude_if=_is_none)] = None
    raw: tuple[str, str] = ("", "")
    answers: Annotated[
        tuple[EndpointAnswer | None, EndpointAnswer | None] | None, Field(exclude_if=_is_none)
    ] = None


@dataclass(frozen=True, slots=True)
class AnswersRow:
    """The answers of M(t) to the turns of a question, in order.

    An answer is None if the prompt of its turn did not fit the model.
    """

    id: str
    answers: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class GradeRow:
    """The grade of an answer to one turn of a question, from 1 to 10.

    `turn` is 1 or 2. `base_format` is the prompt format of M(0) if the answer is one of M(0), and
    None if it is one of M(t). `grade` is None if it cannot be read; then `failure` says why.
    `characters` is the length of the answer, and `raw` is the text of the judge. `answer` is what
    an endpoint sent; a line has it only if an endpoint has graded.
    """

    id: str
    turn: int
    base_format: PromptFormat | None
    grade: int | None
    characters: int
    category: str = ""
    failure: str | None = None
    raw: str = ""
    answer: Annotated[EndpointAnswer | None, Field(exclude_if=_is_none)] = None


RowT = TypeVar("RowT")


class RowCodec(Generic[RowT]):
    """Encodes rows of one type as lines, and decodes them."""

    def __init__(self, row_type: type[RowT]) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(row_type)

    def encode(self, row: RowT) -> bytes:
        """Return the row as one line of JSON in the order of its fields, without a newline."""
        return self._adapter.dump_json(row)

    def decode(self, line: bytes) -> RowT:
        """Return the row of one line; raise pydantic's ValidationError if the line does not fit."""
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
EVALUATIONS = RowCodec(EvaluationRow)
OUTPUTS = RowCodec(OutputRow)
METRICS = RowCodec(MetricRow)
PREFERENCES = RowCodec(PreferenceRow)
ANSWERS = RowCodec(AnswersRow)
GRADES = RowCodec(GradeRow)
