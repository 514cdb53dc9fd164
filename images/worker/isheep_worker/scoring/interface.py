"""What a way of scoring is: requests for pairs at levels, and scores from their completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from isheep.recipes.settings import Level
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.rows.schema import LevelScore, PairRow


class Scoring(Protocol):
    """One way of scoring, for the model, rubric and prompts of a stage."""

    def rounds(self, levels: Sequence[Level]) -> Sequence[Sequence[Level]]:
        """Return the levels in the groups in which they are asked.

        A pair without a score in one group is not asked in the next.
        """

    def order(self, pair: PairRow) -> str | None:
        """Return the order of the worked examples for a pair; None where it is fixed."""

    def request(self, id_: str, pair: PairRow, level: Level) -> Request | None:
        """Return what is asked of the engine; None where the prompt is too long for the model."""

    def read(self, completion: Completion | None) -> LevelScore:
        """Return the score of a completion; None stands for a prompt that was too long."""
