"""The looks of the guards: the answers of each M(t), and the rows of each D(t).

The sets D(1), D(2), … have different sizes, and most figures depend on the size. So all sets are
cut to the size of the smallest one. D(t) is compared with the first set whose responses have the
same prompt format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from isheep_worker.collapse.corpus import Vocabulary
from isheep_worker.collapse.interface import Figure
from isheep_worker.collapse.registry import answer_figures, row_figures
from isheep_worker.collapse.row_set import CollapseRow, RowSet, equal_budget, read_rows
from isheep_worker.controls.drift import ANCHOR_SCORE, anchor_figure
from isheep_worker.guards.interface import Look, Reading
from isheep_worker.yardstick.source import DataSet, VerdictSource

Figures = Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The figures of the answers of each M(t), and of each D(t), by t and by name."""

    answers: Mapping[int, Figures]
    data: Mapping[int, Figures]


def run_figures(source: VerdictSource) -> RunFigures:
    """Return all figures of a run."""
    answers = {t: answer_figures(rows) for t, rows in sorted(source.evaluations.items())}
    return RunFigures(answers, _data_figures(source.data, source.random_seed))


def looks(source: VerdictSource, figures: RunFigures) -> list[Look]:
    """Return one look for each t, in order; M(0) has no data.

    The scores of anchors in iteration t belong to the look at D(t), whose pairs they scored too.
    """
    return [
        Look(t, _readings(t, source, figures)) for t in sorted({*figures.answers, *figures.data})
    ]


def _readings(t: int, source: VerdictSource, figures: RunFigures) -> dict[str, Reading]:
    found = {
        name: Reading(figure, source.answer_format)
        for name, figure in figures.answers.get(t, {}).items()
    }
    if t in figures.data:
        prompt_format = source.data[t].prompt_format
        found |= {name: Reading(one, prompt_format) for name, one in figures.data[t].items()}
    for one in source.anchors:
        if one.iteration == t:
            found[ANCHOR_SCORE] = Reading(anchor_figure(one.rows), one.prompt_format)
    return found


def _data_figures(data: Mapping[int, DataSet], seed: int) -> dict[int, Figures]:
    vocabulary: Vocabulary = {}
    sets = {
        t: read_rows((one.detailed or one.rows)(), seed, vocabulary)
        for t, one in sorted(data.items())
    }
    if not sets:
        return {}
    budget = equal_budget(*sets.values())
    return {
        t: row_figures(rows, _earlier(t, data, seed, vocabulary), budget)
        for t, rows in sets.items()
    }


def _earlier(
    t: int, data: Mapping[int, DataSet], seed: int, vocabulary: Vocabulary
) -> RowSet | None:
    before = [one for one in sorted(data) if one < t]
    if not before:
        return None
    rows: Iterable[CollapseRow] = chain.from_iterable(data[one].rows() for one in before)
    return read_rows(rows, seed, vocabulary)
