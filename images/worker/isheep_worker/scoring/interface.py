"""The interface of a scoring method: requests for pairs on levels, and scores of completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from isheep.contract.choices import Level
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.rows.schema import LevelScore, PairRow


class Scoring(Protocol):
    """A scoring method with the model, the rubric and the prompts of a stage."""

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return the levels in groups; the requests of a group are made together.

        A pair without a score in one group gets no request in the next group.
        """

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair, or None if the order is fixed."""

    def request(self, id_: str, pair: PairRow, level: Level, *, explained: bool) -> Request | None:
        """Return the request for a pair on a level, or None if the prompt is too long.

        If the method generates text and `explained` is true, the request also generates the
        explanation after the score. The score is the same as without it.
        """

    def read(self, completion: Completion | None) -> LevelScore:
        """Return the score of a completion; `completion` is None if the prompt was too long."""
