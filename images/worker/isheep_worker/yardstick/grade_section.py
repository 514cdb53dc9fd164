"""The section `grades` of a verdict: the mean grades of each M(t) and their difference from M(0).

A model can keep its grades on first turns and lose them on second ones, so each turn has a row of
its own. With two prompt formats of M(0), the one in which M(0) does better decides, as on
benchmarks. The difference of the best model over all turns belongs to the comparisons that are
corrected together (Holm); those by turn and by category are exploratory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isheep.contract.choices import PromptFormat
from isheep_worker.judging.grades import GradeFigure, grades
from isheep_worker.rows.schema import GradeRow


@dataclass(frozen=True, slots=True)
class GradedAnswers:
    """The grades of the answers of M(t) on one judgement, and of M(0) in its prompt formats."""

    name: str
    t: int
    base_formats: Sequence[PromptFormat]
    rows: Sequence[GradeRow]


def grade_section(found: Iterable[GradedAnswers], seed: int) -> list[dict[str, Any]]:
    """Return one member for each judgement, in order, with its models by t, as JSON values.

    Args:
        found: The grades of all models.
        seed: The seed of the resamples.
    """
    sections: dict[str, dict[str, Any]] = {}
    for one in found:
        empty: dict[str, Any] = {"name": one.name, "against": "Base", "models": [], "best": None}
        section = sections.setdefault(one.name, empty)
        for base_format in one.base_formats:
            figures = grades(one.rows, base_format, seed)
            section["models"].append(
                {
                    "t": one.t,
                    "base_format": base_format,
                    "unreadable": [asdict(turn) for turn in figures.turns],
                    "rows": [_row(figure) for figure in figures.figures],
                }
            )
    return list(sections.values())


def decisive_grades(section: Mapping[str, Any], t: int) -> Mapping[str, Any] | None:
    """Return the row over all turns of M(t) against the better M(0): the lowest difference.

    Its member `second` is the row of the second turns against the same M(0), None if there is none.
    The result is None if M(t) was not graded, or has no figure against one of the formats.
    """
    models = [one for one in section["models"] if one["t"] == t]
    if not models or any(one["rows"][0]["difference"] is None for one in models):
        return None
    found = min(models, key=lambda one: float(one["rows"][0]["difference"]))
    second = next((row for row in found["rows"] if row["turn"] == 2), None)
    return {**found["rows"][0], "second": second}


def _row(figure: GradeFigure) -> dict[str, Any]:
    found = figure.comparison
    interval = None if found is None else found.interval
    return {
        "turn": figure.turn,
        "category": figure.category,
        "questions": figure.questions,
        "mean": None if found is None else found.after,
        "base_mean": None if found is None else found.before,
        "difference": None if found is None else found.difference,
        "lower": None if interval is None else interval.low,
        "upper": None if interval is None else interval.high,
        "p": None if found is None else found.p,
        "change": None if found is None else found.change,
        "verdict": None if found is None else found.verdict,
        "problem": figure.problem,
    }
