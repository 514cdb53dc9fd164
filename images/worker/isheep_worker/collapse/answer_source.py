"""What the figures of answers read: the answers of M(t) to the instructions that every M(t) gets.

These figures have one value for each instruction, so that two models are compared item by item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from isheep_worker.collapse.corpus import Corpus, Vocabulary, corpus_of
from isheep_worker.collapse.interface import Figure, mean_figure


class Answer(Protocol):
    """The fields of an answer; a row of the evaluate stage has them."""

    @property
    def id(self) -> str: ...  # noqa: D102 - the name is enough
    @property
    def instruction(self) -> str: ...  # noqa: D102
    @property
    def input(self) -> str: ...  # noqa: D102
    @property
    def response(self) -> str: ...  # noqa: D102
    @property
    def finish_reason(self) -> str: ...  # noqa: D102
    @property
    def loss(self) -> float | None:
        """The mean loss per token of the task's own output, in nats; None if it has no output."""


@dataclass(frozen=True)
class AnswerSource:
    """The answers of M(t), in any order."""

    answers: Sequence[Answer]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of the instructions."""
        return tuple(answer.id for answer in self.answers)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return {}

    @cached_property
    def instructions(self) -> Corpus:
        """The instructions with their inputs, as word numbers."""
        texts = (f"{answer.instruction}\n{answer.input}" for answer in self.answers)
        return corpus_of(texts, self._vocabulary)

    @cached_property
    def responses(self) -> Corpus:
        """The responses, as word numbers of the same vocabulary."""
        return corpus_of((answer.response for answer in self.answers), self._vocabulary)

    def figure(self, items: Any) -> Figure:
        """Return the figure of one value for each answer; NaN if an answer has none."""
        return mean_figure(items, self.ids)
