"""The mean grades of M(t), and their difference from those of M(0) on the same questions.

A figure covers all turns, one turn, or one category. The turns of a question are one cluster,
because a bad first answer often leads to a bad second one. A turn that cannot be read for one of
the models is left out for both, and a figure over both turns leaves out the whole question. If more
than 5 % of the grades of a turn cannot be read for M(t) or for M(0), no figure that covers this
turn is shown: a judge fails more often on answers of one kind, so the answers that are left are
another sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from isheep.contract.choices import PromptFormat
from isheep_worker.judging.win_rate import MAX_UNREADABLE
from isheep_worker.rows.schema import GradeRow
from isheep_worker.statistics.comparison import Comparison, compare
from isheep_worker.statistics.constant_values import constant_interval
from isheep_worker.templates.parsed_score import HIGHEST, LOWEST

_WIDEST = float(HIGHEST - LOWEST)
"""The largest difference of two grades."""


@dataclass(frozen=True, slots=True)
class ReadTurns:
    """How many grades of a turn cannot be read, of `questions` questions that have the turn."""

    turn: int
    questions: int
    model: int
    base: int

    @property
    def readable(self) -> bool:
        """Whether figures can be shown."""
        return max(self.model, self.base) <= MAX_UNREADABLE * self.questions


@dataclass(frozen=True, slots=True)
class GradeFigure:
    """The mean grades on some answers; `turn` is None for all turns, and `category` "" for all.

    `questions` is the number of questions whose grades could be read. In `comparison`, M(0) is the
    first model and M(t) the second one. It is None if there is no figure; `problem` says why.
    """

    turn: int | None
    category: str
    questions: int
    comparison: Comparison | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Grades:
    """The figures of M(t) against M(0) in one prompt format: all turns first, then each turn."""

    turns: Sequence[ReadTurns]
    figures: Sequence[GradeFigure]


@dataclass(slots=True)
class _Turn:
    """The grades of both models for a turn of a question."""

    model: int | None = None
    base: int | None = None


_Questions = Mapping[str, Mapping[int, _Turn]]
"""The turns of each question by their numbers."""


def grades(rows: Iterable[GradeRow], base_format: PromptFormat, seed: int) -> Grades:
    """Return the figures over the answers to the same questions.

    Args:
        rows: The grades of M(t), and of M(0) in at least the format `base_format`.
        base_format: The prompt format of M(0).
        seed: The seed of the resamples.
    """
    questions: dict[str, dict[int, _Turn]] = defaultdict(lambda: defaultdict(_Turn))
    categories: dict[str, str] = {}
    for row in rows:
        if row.base_format not in (None, base_format):
            continue
        categories[row.id] = row.category
        turn = questions[row.id][row.turn]
        if row.base_format is None:
            turn.model = row.grade
        else:
            turn.base = row.grade
    turns = list(_turns(questions))
    return Grades(turns, list(_figures(questions, categories, turns, seed)))


def _turns(questions: _Questions) -> Iterator[ReadTurns]:
    for number in sorted({number for turns in questions.values() for number in turns}):
        some = [turns[number] for turns in questions.values() if number in turns]
        model = sum(one.model is None for one in some)
        yield ReadTurns(number, len(some), model, sum(one.base is None for one in some))


def _figures(
    questions: _Questions, categories: Mapping[str, str], turns: Sequence[ReadTurns], seed: int
) -> Iterator[GradeFigure]:
    yield _figure(questions, turns, seed)
    for one in turns if len(turns) > 1 else ():
        found = {id_: {one.turn: of[one.turn]} for id_, of in questions.items() if one.turn in of}
        yield replace(_figure(found, [one], seed), turn=one.turn)
    for category in dict.fromkeys(filter(None, categories.values())):
        found = {id_: dict(of) for id_, of in questions.items() if categories[id_] == category}
        yield replace(_figure(found, turns, seed), category=category)


def _figure(questions: _Questions, turns: Sequence[ReadTurns], seed: int) -> GradeFigure:
    """Return the figure over all given turns of the questions."""
    if bad := [one for one in turns if not one.readable]:
        return GradeFigure(None, "", 0, problem=_unreadable(bad[0]))
    read = [
        (id_, float(one.base), float(one.model))
        for id_, of in questions.items()
        if all(None not in (one.model, one.base) for one in of.values())
        for one in of.values()
        if one.model is not None and one.base is not None
    ]
    if not read:
        return GradeFigure(None, "", 0, problem="there are no grades")
    ids = [id_ for id_, _, _ in read]
    before, after = (np.array([row[place] for row in read]) for place in (1, 2))
    found = compare(before, after, ids, np.random.default_rng(seed))
    return GradeFigure(None, "", found.clusters, _with_width(found))


def _with_width(found: Comparison) -> Comparison:
    """Return the comparison with an interval that has a width.

    If all questions have the same difference, their resamples have it too, and no other one.
    """
    if found.interval is None or found.interval.low < found.interval.high:
        return found
    interval = constant_interval(found.difference, found.clusters, -_WIDEST, _WIDEST)
    return replace(found, interval=interval)


def _unreadable(turn: ReadTurns) -> str:
    return (
        f"the judge's grades of turn {turn.turn} cannot be read for {turn.model} of "
        f"{turn.questions} answers of M(t) and for {turn.base} of M(0); at most "
        f"{MAX_UNREADABLE:.0%} may be unreadable: use another judge, or raise judgeMaxTokens"
    )
