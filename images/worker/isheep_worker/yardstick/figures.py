"""The figures of the yardstick: one number for each task and model, so that models are paired.

| figure | of a task | what it shows |
|---|---|---|
| loss | mean loss of the task's own output, in nats a token | a higher loss is an alarm |
| answer-tokens | tokens of the answer | answers that become longer or shorter |
| cut | 1 if the answer ended at `yardstick.maxTokens`, else 0 | answers that do not end |
| repetition | share of an answer's 4-grams that occur in it before | answers that loop |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from isheep_worker.rows.schema import EvaluationRow

_NGRAM = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its name, its label and unit for people, and its value for a row.

    The value is None if the row has none.
    """

    name: str
    label: str
    unit: str
    value: Callable[[EvaluationRow], float | None]


def repetition(text: str) -> float:
    """Return the share of the 4-grams of words that occur earlier in the text; 0 without any."""
    words = text.split()
    grams = [tuple(words[at : at + _NGRAM]) for at in range(len(words) - _NGRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


FIGURES: Sequence[Figure] = (
    Figure("loss", "loss of the task's own output", "nats a token", lambda row: row.loss),
    Figure("answer-tokens", "length of the answer", "tokens", lambda row: float(row.tokens)),
    Figure(
        "cut",
        "answers cut at yardstick.maxTokens",
        "share",
        lambda row: float(row.finish_reason == "length"),
    ),
    Figure(
        "repetition",
        "repetition in the answer",
        "share of 4-grams",
        lambda row: repetition(row.response),
    ),
)
"""The figures in the order of the report; the first one is the one that the status shows."""


def values_by_task(figure: Figure, rows: Sequence[EvaluationRow]) -> Mapping[str, float]:
    """Return the values of a figure by the id of the task, without tasks that have none."""
    values = ((row.id, figure.value(row)) for row in rows)
    return {id_: value for id_, value in values if value is not None}
