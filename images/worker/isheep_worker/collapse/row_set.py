"""The rows of one training set D(t) in a fixed random order, and draws of equal size from them.

Most figures depend on the number of rows and words: fewer words repeat less. So two sets are
compared only after both are cut to the same number of rows and of words. The rows are in the order
of a hash of their ids, so the first rows of the order are a random draw that is always the same.
A set that is too small to be compared cuts no other set: otherwise one small D(t) would leave too
few rows for every comparison of the run.

A row set keeps word numbers and numbers, no text, so 100,000 rows take less than 100 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, get_args

import numpy as np

from isheep.contract.choices import Level
from isheep_worker.collapse.corpus import Corpus, CorpusBuilder, Vocabulary
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.rows.row_ids import completion_of
from isheep_worker.rows.schema import PairRow, SelectionRow
from isheep_worker.statistics.interface import MIN_CLUSTERS

_STAGE = "collapse"
Prompt: TypeAlias = tuple[str, tuple[str, ...]]
"""The completion that a row is from, as the start of its id, and the exemplars of its prompt."""


@dataclass(frozen=True, slots=True)
class CollapseRow:
    """What the figures need of a pair; `instruction` includes its input.

    `kept` is whether the pair is in D(t); the figures of scores use all pairs with a score.
    `scores` are the scores by level. `tokens` and `logprob` are the number of the response's tokens
    and the sum of their log-probabilities in nats; None if they were not stored. `exemplars` are
    the ids of the tasks in the prompt that wrote the instruction; empty if they are unknown.
    """

    id: str
    instruction: str
    response: str
    finish_reason: str
    kept: bool = True
    scores: Mapping[str, float] | None = None
    tokens: int | None = None
    logprob: float | None = None
    exemplars: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure uses at most: kept rows, words of their responses, and rows with a score."""

    rows: int
    words: int
    scored: int


@dataclass(frozen=True, slots=True)
class RowSet:
    """The kept rows and the scored rows of one set, both in the order of the hash.

    `instructions` and `responses` are the texts of the kept rows; `cut` is a bool array [kept];
    `prompts` has the prompt of each kept row. `scores` (the mean over levels), `words` (of the
    response) and `logprobs` (the mean over tokens, in nats) are float arrays [scored]; NaN if a row
    has no such value. `kept_logprobs` has the same for the kept rows. `groups` and `scored_groups`
    are int arrays with the number of the completion that a row is from; the rows of one completion
    are not independent. `budget` limits all figures.
    """

    instructions: Corpus
    responses: Corpus
    cut: Any
    prompts: tuple[Prompt, ...]
    kept_logprobs: Any
    scores: Any
    words: Any
    logprobs: Any
    groups: Any
    scored_groups: Any
    budget: Budget

    def limited(self, budget: Budget) -> RowSet:
        """Return the first rows of this set; figures use no more words than the budget has."""
        rows = min(budget.rows, len(self.responses))
        return replace(
            self,
            instructions=self.instructions.first(rows),
            responses=self.responses.first(rows),
            cut=self.cut[:rows],
            prompts=self.prompts[:rows],
            kept_logprobs=self.kept_logprobs[:rows],
            scores=self.scores[: budget.scored],
            words=self.words[: budget.scored],
            logprobs=self.logprobs[: budget.scored],
            groups=self.groups[:rows],
            scored_groups=self.scored_groups[: budget.scored],
            budget=budget,
        )


def collapse_row(
    row: SelectionRow,
    pair: PairRow | None = None,
    *,
    exemplars: tuple[str, ...] = (),
) -> CollapseRow:
    """Return the row of a pair after the selection.

    Args:
        row: The pair with its scores; values that are no score of the assessor are left out.
        pair: The pair as respond wrote it, with the number and the log-probability of its tokens.
        exemplars: The ids of the tasks in the prompt of its instruction.
    """
    return CollapseRow(
        id=row.id,
        instruction=f"{row.instruction}\n{row.input}" if row.input else row.instruction,
        response=row.response,
        finish_reason=row.finish_reason,
        kept=row.kept,
        scores={name: score for name, score in row.scores.items() if name in get_args(Level)},
        tokens=pair.tokens if pair else None,
        logprob=pair.logprob if pair else None,
        exemplars=exemplars,
    )


def equal_budget(*sets: RowSet) -> Budget:
    """Return the largest budget that every set can fill which has enough rows for a comparison.

    These are rows of 30 completions. If no set has them, every set can fill the budget.
    """
    large = [each for each in sets if _is_enough(each.groups)] or sets
    scored = [each for each in sets if _is_enough(each.scored_groups)] or sets
    rows = min(len(each.responses) for each in large)
    return Budget(
        rows,
        words=min(int(each.responses.starts[rows]) for each in large),
        scored=min(len(each.scores) for each in scored),
    )


def _is_enough(groups: Any) -> bool:
    return len(np.unique(groups)) >= MIN_CLUSTERS


def read_rows(rows: Iterable[CollapseRow], seed: int, vocabulary: Vocabulary) -> RowSet:
    """Return the rows of a set, with all of them as its budget.

    Args:
        rows: The rows, in any order; they are read once.
        seed: The random seed of the draw.
        vocabulary: The numbers of words, which sets that are compared share.

    Returns:
        The set, in the order of the hashes.
    """
    reader = _Reader(seed, vocabulary)
    for row in rows:
        reader.add(row)
    return reader.row_set()


class _Reader:
    """Collects rows as numbers; an array has a value for each row, and is ordered at the end."""

    def __init__(self, seed: int, vocabulary: Vocabulary) -> None:
        self._seed = seed
        self._instructions = CorpusBuilder(vocabulary)
        self._responses = CorpusBuilder(vocabulary)
        self._prompts: list[Prompt] = []
        self._known_prompts: dict[Prompt, Prompt] = {}
        self._completions: dict[str, int] = {}
        self._groups = array("q")
        self._hashes = array("q")
        self._kept, self._cut = array("b"), array("b")
        self._scores, self._logprobs = array("d"), array("d")

    def add(self, row: CollapseRow) -> None:
        self._hashes.append(item_seed(self._seed, _STAGE, row.id))
        self._kept.append(row.kept)
        self._cut.append(row.finish_reason == "length")
        self._instructions.add(row.instruction)
        self._responses.add(row.response)
        # The rows of one completion have the same prompt, which is stored once.
        completion = completion_of(row.id)
        prompt = (completion, row.exemplars)
        self._prompts.append(self._known_prompts.setdefault(prompt, prompt))
        self._groups.append(self._completions.setdefault(completion, len(self._completions)))
        self._scores.append(
            sum(row.scores.values()) / len(row.scores) if row.scores else float("nan")
        )
        # A response without tokens has no mean.
        self._logprobs.append(
            float("nan") if row.logprob is None or not row.tokens else row.logprob / row.tokens
        )

    def row_set(self) -> RowSet:
        order = np.argsort(np.array(self._hashes, dtype=np.int64), kind="stable")
        kept = order[np.array(self._kept, dtype=bool)[order]]
        scores, logprobs = np.array(self._scores), np.array(self._logprobs)
        groups = np.array(self._groups, dtype=np.int64)
        scored = order[np.isfinite(scores)[order]]
        all_responses = self._responses.corpus()
        responses = all_responses.take(kept)
        return RowSet(
            instructions=self._instructions.corpus().take(kept),
            responses=responses,
            cut=np.array(self._cut, dtype=bool)[kept],
            prompts=tuple(self._prompts[place] for place in kept),
            kept_logprobs=logprobs[kept],
            scores=scores[scored],
            words=all_responses.lengths[scored].astype(float),
            logprobs=logprobs[scored],
            groups=groups[kept],
            scored_groups=groups[scored],
            budget=Budget(len(kept), len(responses.flat), len(scored)),
        )
